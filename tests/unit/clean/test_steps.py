"""What each step does to values."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.clean import chain
from tasks.core.errors import DataError, EngineUnavailable, ParamsError
from tasks.core.plugins import Plugin, plugin
from tasks.core.schema import ROW, Column, Columns

INF, NAN = float("inf"), float("nan")
FLOAT, CATEGORY = Column(type="float"), Column(type="category")


def frame(**cells) -> pl.DataFrame:
    rows = len(next(iter(cells.values())))
    return pl.DataFrame({ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32), **cells})


def apply(name: str, table: pl.DataFrame, columns: Columns, /, **params) -> pl.DataFrame:
    module = plugin("clean_step", name)
    return module.apply(table.lazy(), columns, module.Params(**params))[0].collect()


def test_types_follow_what_columns_declare():
    table = frame(
        a=pl.Series(["x", "y"], dtype=pl.Categorical),
        b=[1, 2],
        c=[date(2026, 1, 1), None],
        d=pl.Series([1.5, NAN], dtype=pl.Float32),
        e=pl.Series([1, 2], dtype=pl.Int16),
        f=[INF, 1.0],
    )
    columns = {
        "a": CATEGORY,
        "b": FLOAT,
        "c": Column(type="datetime"),
        "d": FLOAT,
        "e": Column(type="integer"),
        "f": FLOAT,
    }
    found = apply("types", table, columns)
    assert found.schema == {
        ROW: pl.UInt32,
        "a": pl.String,
        "b": pl.Float64,
        "c": pl.Datetime("us"),
        "d": pl.Float32,
        "e": pl.Int16,
        "f": pl.Float64,
    }
    assert found["c"].to_list() == [datetime(2026, 1, 1), None]
    assert found["d"].to_list() == [1.5, None]
    assert found["f"].to_list() == [None, 1.0]
    assert apply("types", table, columns, infinite="drop")["b"].to_list() == [2.0]


def test_text_unifies_blanks_and_leaves_case_and_targets_whole():
    table = frame(a=[" x  y\u00a0z ", "", "A"], b=["two  words ", "", " "], y=["  yes", "no", ""])
    columns = {"a": CATEGORY, "b": Column(type="text"), "y": Column(type="category", role="target")}
    found = apply("text", table, columns)
    assert found["a"].to_list() == ["x y z", None, "A"]
    assert found["b"].to_list() == ["two  words", None, None]
    assert found["y"].to_list() == ["yes", "no", ""]
    assert apply("text", table, columns, case="lower", columns=["a"])["a"].to_list()[2] == "a"


def test_duplicates_stay_where_they_may_be_two_things():
    table = frame(a=[1.0, 1.0, 2.0, None, None], y=[1, 1, 1, 0, 0])
    columns = {"a": FLOAT, "y": Column(type="integer", role="target")}
    assert apply("duplicates", table, columns).height == 5
    note = plugin("clean_step", "duplicates").note
    params = plugin("clean_step", "duplicates").Params
    assert note(table, columns, params()).startswith("2 rows repeat an earlier one and stay")
    always = {"when": "always"}
    assert apply("duplicates", table, columns, **always)[ROW].to_list() == [1, 3, 4]
    assert note(table, columns, params(**always)) == ""
    timed = columns | {"a": Column(type="float", role="time")}
    assert apply("duplicates", table, timed)[ROW].to_list() == [1, 3, 4]
    assert apply("duplicates", table, timed, keep="last")[ROW].to_list() == [2, 3, 5]
    assert apply("duplicates", table, timed, keep="none")[ROW].to_list() == [3]
    assert apply("duplicates", table, columns, subset=["y"])[ROW].to_list() == [1, 4]


def test_duplicate_images_are_found():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    pixels[40] = pixels[7]
    table = frame(image=pl.Series(pixels, dtype=pl.Array(pl.UInt8, (8, 8, 3))), y=[0] * 50)
    columns = {"image": Column(type="image"), "y": Column(type="integer", role="target")}
    found = apply("duplicates", table, columns)
    assert found[ROW].to_list() == [row for row in range(1, 51) if row != 41]
    assert found["image"].dtype == table["image"].dtype


@pytest.mark.parametrize("name", ["duplicates", "sorted_unique"])
def test_images_that_lie_in_several_chunks_are_told_of_too(name):
    """As Polars' streaming engine may leave a table; 1.44 joins no such rows where none is left."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    table = frame(
        image=pl.Series(pixels, dtype=pl.Array(pl.UInt8, (8, 8, 1))),
        time=[datetime(2024, 1, 1) + timedelta(hours=h // 2) for h in range(50)],
    )
    table = pl.concat([table[:20], table[20:]], rechunk=False)
    columns = {"image": Column(type="image"), "time": Column(type="datetime", role="time")}
    step = plugin("clean_step", name)
    params = step.Params(**({"conflicts": "first"} if name == "sorted_unique" else {}))
    whole = table.rechunk()
    found = step.findings(whole, whole, columns, params)
    assert step.findings(table, table, columns, params) == found


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        ("missing", [None, 0.0, 1.0, None, None]),
        ("clip", [0, 0, 1, 1, None]),
        ("drop", [0, 1, None]),
    ],
)
def test_range(outside, expected):
    table = frame(a=[-9999.0, 0.0, 1.0, 1.5, None])
    columns = {"a": Column(type="float", min=0, max=2)}
    found = apply("range", table, columns, limits={"a": {"min": 0, "max": 1}}, outside=outside)
    assert found["a"].to_list() == expected


def test_range_takes_the_limits_of_columns_of_features_only():
    table = frame(a=[-1, 1], y=[-1, 1])
    columns = {
        "a": Column(type="integer", min=0),
        "y": Column(type="integer", role="target", min=0),
    }
    found = apply("range", table, columns)
    assert (found["a"].to_list(), found["y"].to_list()) == ([None, 1], [-1, 1])


def test_range_refuses_what_has_none_and_targets_made_missing():
    columns = {"a": CATEGORY, "y": Column(type="integer", role="target")}
    table = frame(a=["x"], y=[1])
    limits = {"a": {"min": 0}, "y": {"min": 0}}
    with pytest.raises(
        ParamsError, match=r"(?s)limits\.a: String has no range.*limits\.y: a target"
    ):
        apply("range", table, columns, limits=limits)
    with pytest.raises(ParamsError, match="unknown column 'b'"):
        apply("range", table, columns, limits={"b": {"min": 0}})


def test_outliers_do_nothing_unless_asked_and_never_touch_the_target():
    table = frame(a=[1.0, 2, 3, 4, 5, 100], y=[1.0, 2, 3, 4, 5, 100])
    columns = {"a": FLOAT, "y": Column(type="float", role="target")}
    assert apply("outliers", table, columns).equals(table)
    found = apply("outliers", table, columns, action="missing")
    assert found["a"].to_list() == [1, 2, 3, 4, 5, None]
    assert found["y"].equals(table["y"])
    quartiles = 2.25, 4.75
    clipped = apply("outliers", table, columns, action="clip", factor=2)["a"][-1]
    assert clipped == quartiles[1] + 2 * (quartiles[1] - quartiles[0])
    by_mad = apply("outliers", table, columns, action="clip", method="mad", factor=2)["a"][-1]
    assert by_mad == pytest.approx(3.5 + 2 * 1.4826 * 1.5)
    flags = apply("outliers", table, columns, action="flag", limits={"a": (1, 4)})["a_outlier"]
    assert flags.to_list() == [False] * 4 + [True] * 2


def test_downcast_keeps_what_float32_cannot_hold():
    big = 1.7e9
    table = frame(
        plain=[0.1, 2.5e6, None],
        time=[big, big + 1, big + 2],
        huge=[1e300, 0.0, 1.0],
        tiny=[1e-300, 0.0, 1.0],
        constant=[0.5, 0.5, 0.5],
        third=[1 / 3, 1 / 3, 1 / 3],
        small=[-128, 127, None],
        byte=[0, 128, 1],
        long=[0, 2**40, 1],
        void=pl.Series([None] * 3, dtype=pl.Float64),
        y=[0.5, 1.5, 2.5],
    )
    columns = {n: FLOAT for n in table.columns if n not in (ROW, "y")}
    columns["y"] = Column(type="float", role="target")
    found = apply("downcast", table, columns)
    assert {name: str(dtype) for name, dtype in found.schema.items() if name != ROW} == {
        "plain": "Float32",
        "time": "Float64",
        "huge": "Float64",
        "tiny": "Float64",
        "constant": "Float32",
        "third": "Float64",
        "small": "Int8",
        "byte": "Int16",
        "long": "Int64",
        "void": "Float32",
        "y": "Float64",
    }
    assert found["small"].to_list() == [-128, 127, None]


def test_drop_columns_keeps_what_a_role_needs():
    table = frame(a=[1.0], b=[2.0], y=[1.0])
    columns = {"a": FLOAT, "b": FLOAT, "y": Column(type="float", role="target")}
    assert apply("drop_columns", table, columns, columns=["a"]).columns == [ROW, "b", "y"]
    with pytest.raises(ParamsError, match="'y' is the target column"):
        apply("drop_columns", table, columns, columns=["y"])
    with pytest.raises(ParamsError, match="unknown column 'bb'"):
        apply("drop_columns", table, columns, columns=["bb"])


def test_fill_forward_uses_the_past_of_the_same_group_only():
    table = frame(
        when=[3, 1, 2, 4, 5, 1],
        site=["a", "a", "a", "a", "a", "b"],
        x=[None, 1.0, None, None, None, None],
        y=[0.0] * 6,
    )
    columns = {
        "when": Column(type="integer", role="time"),
        "site": Column(type="category", role="group"),
        "x": FLOAT,
        "y": Column(type="float", role="target"),
    }
    found = apply("fill_forward", table, columns, limit=2)
    assert found["x"].to_list() == [1.0, 1.0, 1.0, None, None, None]
    with pytest.raises(ParamsError, match="role `time`"):
        apply("fill_forward", table, {"x": FLOAT})


def steps(*names: str) -> list[Plugin]:
    return [Plugin(kind="clean_step", name=name) for name in names]


def test_the_chain_accounts_for_every_step():
    table = frame(when=[1, 1, 2], a=[1.5, 1.5, INF], b=[" x", " x", "x"])
    columns = {"when": Column(type="integer", role="time"), "a": FLOAT, "b": CATEGORY}
    found, same, accounts = chain.run(
        table, columns, steps("types", "text", "duplicates", "downcast")
    )
    assert found.rows() == [(1, 1, 1.5, "x"), (3, 2, None, "x")]
    assert same == columns
    facts = [(a["step"], a["rows_after"], a["rows_touched"], a["columns"]) for a in accounts]
    assert facts == [
        ("types", 3, 1, {"a": 1}),
        ("text", 3, 2, {"b": 2}),
        ("duplicates", 2, 1, {}),
        ("downcast", 2, 0, {}),
    ]
    assert accounts[3]["note"] == "Float64 to Float32: a"


def test_a_chain_that_leaves_no_row_is_an_error():
    step = Plugin(
        kind="clean_step",
        name="range",
        params={"limits": {"a": {"min": 5}}, "outside": "drop"},
    )
    with pytest.raises(DataError, match="step 'range' left none of 2 rows"):
        chain.run(frame(a=[1.0, 2.0]), {"a": FLOAT}, [step])


def test_a_gpu_that_was_demanded_is_used_or_refused(monkeypatch):
    table, columns = frame(a=[1.0, 2.0]), {"a": FLOAT}
    with pytest.raises(EngineUnavailable, match=r"works on the CPU\. Set clean\.engine: auto"):
        chain.run(table, columns, steps("types"), "cpu", demanded=True)
    monkeypatch.setattr(chain.frames, "unavailable", lambda: "cudf-polars is not installed.")
    with pytest.raises(EngineUnavailable, match="not installed"):
        chain.run(table, columns, steps("types"), "cuda", demanded=True)
    assert chain.run(table, columns, steps("types"), "cuda")[0].equals(table)


def test_a_step_that_cudf_cannot_do_is_done_by_polars_unless_the_gpu_was_demanded(monkeypatch):
    table, columns = frame(a=[1.0, 2.0]), {"a": FLOAT}

    def refuses(lazy, device="cpu", demanded=False, streaming=True):
        if device == "cuda":
            raise NotImplementedError("no such window")
        return lazy.collect()

    monkeypatch.setattr(chain.frames, "unavailable", lambda: None)
    monkeypatch.setattr(chain.frames, "collect", refuses)
    found, _, accounts = chain.run(table, columns, steps("types"), "cuda")
    assert found.equals(table)
    assert accounts[0]["engine"] == "cpu: Polars, streaming (not by cuDF: no such window)"
    with pytest.raises(EngineUnavailable, match=r"cuDF cannot do step .types. .no such window"):
        chain.run(table, columns, steps("types"), "cuda", demanded=True)


def test_a_step_that_changes_the_order_of_rows_is_found_out(monkeypatch):
    module = plugin("clean_step", "types")
    monkeypatch.setattr(module, "apply", lambda f, c, p: (f.reverse(), c))
    with pytest.raises(RuntimeError, match="changed their order"):
        chain.run(frame(a=[1.0, 2.0]), {"a": FLOAT}, steps("types"))
