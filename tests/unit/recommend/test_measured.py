"""What a device measured: what is believed, what is refused, and what stands for the estimate."""

import copy
import json

import pytest

from tasks.core.artifacts import file_digest
from tasks.core.cache import content as keyed
from tasks.core.errors import DataError, ParamsError
from tasks.recommend.estimates import estimates
from tasks.recommend.measured import check_board, parse
from tests.samples import graph

GRAPH = "ab" * 32


def row(threads=4, **changes):
    found = {
        "graph": GRAPH,
        "variant": "mlp/fp32",
        "threads": threads,
        "status": "ok",
        "reason": None,
        "samples": 1000,
        "p50_ms": 2.0,
        "p50_low": 1.9,
        "p50_high": 2.2,
        "p99_ms": 3.0,
        "base_rss_mib": 40.0,
        "peak_rss_mib": 52.0,
        "max_difference": 0.0,
        "watts": None,
        "energy_mj": None,
    }
    return found | changes


def failed(threads, status, reason):
    figures = dict.fromkeys(key for key, value in row().items() if isinstance(value, int | float))
    return row() | figures | {"threads": threads, "status": status, "reason": reason}


def content(*rows, **changes):
    calm = {"temperature_c": 51.0, "throttled": 0, "load_average": [0.1, 0.2, 0.3]}
    found = {
        "format": 1,
        "workload": "digits",
        "device": "raspberry_pi_5",
        "measured": "2026-11-21T22:33:06+00:00",
        "machine": {
            "board": "Raspberry Pi 5 Model B Rev 1.0",
            "cpu": "aarch64 0xd0b",
            "cores": 4,
            "memory_mib": 8062.0,
            "os": "Linux 6.6 aarch64",
            "python": "3.11.2",
            "libraries": {"numpy": "2.0.2", "onnxruntime": "1.19.2"},
            "governor": "ondemand",
        },
        "protocol": {"rounds": 10, "batch": 1, "warm_up_s": 0.2},
        "before": calm,
        "after": dict(calm),
        "idle_w": None,
        "rows": list(rows) or [row(1, p50_low=5.0, p50_ms=5.5, p50_high=6.0, p99_ms=7.0), row(4)],
    }
    return found | changes


def measured(*rows, **changes):
    return parse(json.dumps(content(*rows, **changes)), "measured.json")


def changed(path, value):
    """Return the sound content with something else at a path."""
    found = copy.deepcopy(content())
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(content())[:300], "not whole as JSON"),
        ("[]", "expected format 1, found None"),
        (changed(["format"], 2), "expected format 1, found 2. Make a new bundle"),
        (changed(["rows", 0, "p50_ms"], float("nan")), "rows.0.p50_ms: Input should be a finite"),
        (changed(["rows", 0, "p99_ms"], float("inf")), "rows.0.p99_ms: Input should be a finite"),
        (changed(["rows", 0, "p50_ms"], -1.0), "rows.0.p50_ms: Input should be greater than 0"),
        (changed(["rows", 0, "p50_ms"], "2"), "rows.0.p50_ms: Input should be a valid number"),
        (changed(["rows", 0, "p50_ms"], 9.0), "expected p50_low <= p50_ms <= p50_high"),
        (changed(["rows", 0, "p99_ms"], 5.1), "p50_ms <= p99_ms"),
        (changed(["rows", 0, "peak_rss_mib"], 1.0), "base_rss_mib <= peak_rss_mib"),
        (changed(["rows", 0, "p50_ms"], None), "ok, but a figure is missing"),
        (changed(["rows", 0, "status"], "failed"), "failed without a reason"),
        (changed(["rows", 0, "graph"], "../x"), "rows.0.graph: String should match pattern"),
        (changed(["rows", 0, "latency_us"], 1), "unknown parameter 'latency_us'"),
        (changed(["rows", 1, "threads"], 1), "measured more than once"),
        (changed(["rows"], []), "rows: List should have at least 1 item"),
        (changed(["protocol", "rounds"], 2), "protocol.rounds"),
        (changed(["measured"], "yesterday"), "measured: String should match pattern"),
    ],
)
def test_what_is_not_sound_is_refused(text, said):
    with pytest.raises(DataError) as error:
        parse(text, "measured.json")
    assert said in str(error.value)
    assert str(error.value).startswith("measured.json")


def test_every_problem_is_told_at_once():
    text = json.dumps(content(row(samples=0, p50_low=-1.0), workload=3))
    with pytest.raises(DataError) as error:
        parse(text, "measured.json")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("device", "machine", "believed"),
    [
        ("raspberry_pi_5", {}, True),
        ("raspberry_pi_4", {}, False),
        ("raspberry_pi_5", {"board": None}, True),  # a container hides it; the processor is ARM's
        ("raspberry_pi_5", {"board": None, "os": "Linux 6.6 x86_64"}, False),
        ("this_machine", {"board": None, "os": "Linux 6.6 x86_64"}, True),
    ],
)
def test_figures_are_of_the_device_they_are_given_for(device, machine, believed):
    found = measured(device=device, machine=content()["machine"] | machine)
    if believed:
        check_board(found)
        return
    with pytest.raises(DataError, match=r"expected a board whose model begins with 'Raspberry Pi"):
        check_board(found)
    with pytest.raises(ParamsError, match="unknown device"):
        check_board(measured(device="raspberry_pi_6"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0, 0, None),
        (None, None, None),
        (0, 0x50000, "while it was measured (0x50000)"),
        (0, 0x50005, "while it was measured"),
        (0x50000, 0x50000, "perhaps before"),
    ],
)
def test_throttling_is_told(before, after, said):
    calm = content()["before"]
    found = measured(before=calm | {"throttled": before}, after=calm | {"throttled": after})
    assert found.throttled == said or said in found.throttled


@pytest.fixture
def graphs(tmp_path):
    """Give two graphs, and the sha256 of the first."""
    paths = {f"{name}/fp32": tmp_path / f"{name}.onnx" for name in ("mlp", "linear")}
    for name, path in paths.items():
        path.write_bytes(graph(name))
    return paths, file_digest(paths["mlp/fp32"])


def test_figures_stand_for_the_very_graph_and_the_others_keep_the_estimate(graphs):
    paths, digest = graphs
    found = measured(row(1, graph=digest), row(4, graph=digest))
    devices = ["raspberry_pi_5", "raspberry_pi_4"]
    rows = {(r["variant"], r["device"]): r for r in estimates(paths, devices, [found])}
    plain = {(r["variant"], r["device"]): r for r in estimates(paths, devices)}
    assert {key for key in rows if rows[key] != plain[key]} == {("mlp/fp32", "raspberry_pi_5")}
    own = rows["mlp/fp32", "raspberry_pi_5"]
    assert own["kind"] == "measured"
    assert own["basis"] == (
        "measured on Raspberry Pi 5 Model B Rev 1.0 on 2026-11-21, ONNX Runtime 1.19.2"
    )
    assert own["latency_ms"] == {"1": [1.9, 2.2], "4": [1.9, 2.2]}
    assert own["estimated_ms"] is own["latency_error"] is own["memory_error"] is None
    assert own["measured"]["by_threads"]["4"] == {
        "p50_ms": 2.0,
        "p50_low": 1.9,
        "p50_high": 2.2,
        "p99_ms": 3.0,
        "samples": 1000,
    }
    assert (own["measured"]["base_rss_mib"], own["measured"]["peak_rss_mib"]) == (40.0, 52.0)
    assert (own["fits"], own["memory_mib"]) == (True, 8062.0)
    assert own["energy_mj"] == pytest.approx([1.9 * 3.3, 2.2 * 12.7])  # by published watts
    assert not own["energy_measured"]
    json.dumps(own, allow_nan=False)


def test_measured_power_stands_for_the_published(graphs):
    paths, digest = graphs
    found = measured(row(4, graph=digest, watts=6.0, energy_mj=12.0), idle_w=3.0)
    (own,) = (r for r in estimates(paths, ["raspberry_pi_5"], [found]) if "measured" in r)
    assert (own["watts"], own["energy_mj"]) == ([3.0, 6.0], [12.0, 12.0])
    assert own["energy_measured"]


def test_what_does_not_fit_a_device_is_an_error_and_not_a_number(graphs):
    paths, digest = graphs
    short = [failed(n, "memory", "killed, as Linux does") | {"graph": digest} for n in (1, 4)]
    (own,) = (
        r for r in estimates(paths, ["raspberry_pi_5"], [measured(*short)]) if "measured" in r
    )
    assert own["latency_ms"] is own["energy_mj"] is None
    assert own["memory_error"] == "killed, as Linux does"
    assert own["latency_error"].startswith("failed on the device: 1 threads: killed")
    assert own["fits"] is False


def test_another_figure_is_another_key():
    first, second = measured(), measured(row(1), row(4, p50_ms=2.1))
    assert keyed([first]) == keyed([measured()])
    assert keyed([first]) != keyed([second])
