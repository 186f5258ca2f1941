"""What TensorRT's builder leaves, kept."""

import os

import pytest

from tasks.benchmark import builds

H100 = "NVIDIA H100 80GB HBM3"
KEY = (H100, "570.86.15", "11.0.0")
OTHERS = [("NVIDIA T4", *KEY[1:]), (H100, "580.1", "11.0.0"), (*KEY[:2], "11.1.0")]


def test_each_gpu_driver_and_version_has_its_own():
    assert len({builds.timing(*key) for key in (KEY, *OTHERS)}) == 4
    assert builds.timing(*KEY).name == "NVIDIA-H100-80GB-HBM3_570.86.15_11.0.0.timing"


def test_an_engine_is_that_of_its_graph_and_the_builders_parameters_too():
    graphs = [(b"graph", "{}"), (b"other", "{}"), (b"graph", "{3}"), (b"graph{", "}")]
    places = {builds.engine(*key, *graph) for key in (KEY, *OTHERS) for graph in graphs}
    assert len(places) == 16


@pytest.mark.parametrize("of", [builds.timing, lambda *key: builds.engine(*key, b"graph", "{}")])
def test_it_is_kept_as_it_was_and_else_counts_as_none(of):
    place = of(*KEY)
    assert builds.read(place) == b""
    builds.keep(place, b"kernels")
    assert builds.read(place) == b"kernels"
    assert place.stat().st_mode & 0o777 == 0o600
    place.write_bytes(place.read_bytes()[:-1])
    assert builds.read(place) == b""


def test_the_engines_that_were_used_last_stay(monkeypatch):
    for left in builds.timing(*KEY).parent.iterdir():
        left.unlink()
    monkeypatch.setattr(builds, "ENGINES", 2)
    places = [builds.engine(*KEY, graph, "{}") for graph in (b"a", b"b", b"c")]
    timing = builds.timing(*KEY)
    builds.keep(timing, b"kernels")
    for age, place in zip((30, 20), places, strict=False):
        builds.keep(place, b"plan")
        os.utime(place, (age, age))
    assert builds.read(places[0]), "it was used now"
    builds.keep(places[2], b"plan")
    assert [bool(builds.read(p)) for p in (*places, timing)] == [True, False, True, True]
