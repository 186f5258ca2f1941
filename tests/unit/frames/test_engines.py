"""Which engine does the work, and what is said of it."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from tasks.core import frames
from tasks.core.errors import EngineUnavailable
from tasks.frames import compiled, engines, planned
from tasks.frames.run import run
from tasks.frames.spec import Column, Work
from tasks.frames.survey import cut

WORK = Work(time="at", key="sensor", columns=(Column(name="x"),), fill_rows=1)
ROWS = pl.LazyFrame(
    {
        "at": [datetime(2026, 1, 1) + timedelta(minutes=m) for m in range(40)],
        "sensor": ["a", "b"] * 20,
        "x": [float(m) for m in range(40)],
    }
)


def test_auto_takes_numba_where_it_is_and_polars_where_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert engines._automatic(ROWS, WORK, "cpu", False) == "polars"  # so few rows
    monkeypatch.setattr(engines, "MANY_ROWS", 40)
    assert engines._automatic(ROWS, WORK, "cpu", False) == "numba"
    monkeypatch.setattr(compiled, "unavailable", lambda: "pip install numba.")
    assert engines._automatic(ROWS, WORK, "cpu", False) == "polars"
    with pytest.raises(EngineUnavailable, match="pip install numba"):
        engines.choose("numba", ROWS, WORK, "cpu", False)


def test_a_gpu_that_is_demanded_and_not_here_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        frames, "unavailable", lambda several=False: "cudf-polars is not installed."
    )
    with pytest.raises(EngineUnavailable, match="cudf-polars"):
        engines._automatic(ROWS, WORK, "cuda", True)
    assert engines._automatic(ROWS, WORK, "cuda", False) == "polars"
    with pytest.raises(EngineUnavailable, match="cudf-polars"):
        engines.choose("cudf", ROWS, WORK, "cpu", False)


def test_a_step_that_cudf_cannot_do_is_done_by_polars_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def collect(frame: pl.LazyFrame, device: str = "cpu", demanded: bool = False) -> pl.DataFrame:
        if device == "cuda" and ("fill_null" in frame.explain()):
            raise pl.exceptions.ComputeError("no such thing on a GPU")
        return frame.collect()

    monkeypatch.setattr(frames, "collect", collect)
    engine = planned.Engine(ROWS, WORK, 1, "cudf", False)
    tables, said = engine.compute(engine.load(0, 2), 0, 2)
    assert said == "cudf: features, daily; polars: clean"
    plain = planned.Engine(ROWS, WORK, 1, "polars", False)
    expected, _ = plain.compute(plain.load(0, 2), 0, 2)
    assert tables.features.equals(expected.features)
    demanded = planned.Engine(ROWS, WORK, 1, "cudf", True)
    with pytest.raises(EngineUnavailable, match="'clean'"):
        demanded.compute(demanded.load(0, 2), 0, 2)


def test_several_gpus_are_used_through_ray_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"cudf_polars", "ray"}
    monkeypatch.setattr(frames.importlib.util, "find_spec", lambda name: name in here or None)
    monkeypatch.setattr(engines.devices, "gpus", lambda: ["one", "another"])
    assert engines._automatic(ROWS, WORK, "cuda", False) == "cudf_ray"
    here.remove("ray")
    assert engines._automatic(ROWS, WORK, "cuda", False) == "cudf"
    with pytest.raises(EngineUnavailable, match="engine cudf_ray: Ray is not installed"):
        engines.choose("cudf_ray", ROWS, WORK, "cuda", False)


def test_the_engine_of_the_cluster_does_the_work_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = []

    class RayEngine:  # as in cudf_polars.engine.ray; Polars' own does the work
        def __init__(self, engine_options: dict) -> None:
            assert engine_options == {"raise_on_fail": True}

        def __enter__(self) -> str:
            alive.append(self)
            return "streaming"

        def __exit__(self, *_: object) -> None:
            alive.pop()

    module = ModuleType("cudf_polars.engine.ray")
    module.RayEngine = RayEngine  # type: ignore[attr-defined]
    for name in ("cudf_polars", "cudf_polars.engine"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(frames, "unavailable", lambda several=False: None)
    report = run(WORK, ROWS, tmp_path / "gpus", engine="cudf_ray")
    assert report["engines"] == ["cudf_ray: clean, features, daily"]
    assert not alive
    assert frames._cluster.get() is None
    run(WORK, ROWS, tmp_path / "cpu", engine="polars")
    tables = [pl.read_parquet(tmp_path / e / "features" / "*.parquet") for e in ("gpus", "cpu")]
    assert tables[0].equals(tables[1])


def test_a_cut_keeps_order_and_leaves_none_out() -> None:
    assert cut([3, 3, 3, 9, 1, 1], 6) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert cut([7], 0) == [(0, 1)]
