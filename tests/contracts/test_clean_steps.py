"""Every clean step against the promises of the kind (see `tasks.clean.chain`)."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.clean import accounting, chain, series
from tasks.core import frames
from tasks.core.plugins import Plugin, PluginParams, names, plugin
from tasks.core.schema import ROW, Column, Columns

pytestmark = pytest.mark.contracts
STEPS = names("clean_step")
EXAMPLES = {  # params that make a step work on the table below, beside its defaults
    "types": [{"infinite": "drop"}],
    "text": [{"case": "lower"}, {"columns": ["note"], "empty": "keep", "collapse": False}],
    "duplicates": [{"when": "always"}, {"subset": ["when", "site"], "keep": "last"}],
    "range": [
        {"limits": {"level": {"min": -1, "max": 1}}, "outside": outside}
        for outside in ("missing", "clip", "drop")
    ],
    "outliers": [
        {"action": "clip"},
        {"action": "clip", "method": "mad", "factor": 2},
        {"action": "flag"},
        {"action": "missing", "limits": {"level": (-1, 1), "count": (0, 50)}},
    ],
    "downcast": [{"tolerance": 0}, {"integers": False}],
    "drop_columns": [{"columns": ["note"], "missing_ok": True}],
    "fill_forward": [{"limit": 2000}, {"limit": 2000, "columns": ["level"]}],
    "sentinels": [{"values": [7]}, {"saturated": "missing", "run": 3, "target": True}],
    "units": [{"declared": {"level": "degF"}, "convert": True}],
    "time_zone": [{"zone": "Europe/Brussels"}, {"zone": "America/New_York", "ambiguous": "first"}],
    "sorted_unique": [{"conflicts": "last"}, {"conflicts": "mean"}],
    "stuck": [{"longest": "1m", "usual": 0.01}, {"longest": "1m", "whole": True, "zeros": True}],
    "spikes": [{"window": "30m", "threshold": 2}, {"threshold": 2, "centred": True}],
    "fill_gaps": [{"longest": "2h", "flag": True}, {"method": "linear", "longest": "2h"}],
    "resample": [
        {"every": "1h", "statistics": ["mean", "sum", "count", "median"], "min_share": 0.5},
        {"complete": False, "by_column": {"count": ["last", "first"], "stamp": []}},
    ],
    "daily": [
        {"zone": "America/New_York", "complete": True},
        {"zone": "America/New_York", "of_the_day": ["count"]},
    ],
    "nights": [{"zone": "Europe/Brussels"}, {"begin": "00:30", "end": "04:00"}],
    "rolling": [{"windows": ["1h", "3h"], "statistics": ["mean", "std", "min", "slope", "q90"]}],
    "grid": [
        {"every": "1h", "statistics": ["mean", "max", "last", "count"], "fill_rows": 2},
        {"windows": ["1h"], "rolling": ["std", "slope", "q90"], "lags": ["15m"], "of_target": True},
    ],
    "lags": [{"by": ["10m", "1h"], "columns": ["level"]}],
    "differences": [{"by": ["1h"]}],
    "calendar": [{"harmonics": 2, "zone": "Asia/Tokyo"}],
    "pivot": [
        {"by": "site", "values": ["level", "count"], "every": "1h"},
        {"by": "site", "values": ["level"], "sensors": ["B", "none such", "a"]},
    ],
}
CASES = [(name, params) for name in STEPS for params in [{}, *EXAMPLES.get(name, [])]]
COLUMNS: Columns = {
    "when": Column(type="datetime", role="time"),
    "site": Column(type="category", role="group"),
    "level": Column(type="float"),
    "count": Column(type="integer"),
    "stamp": Column(type="float"),
    "note": Column(type="text"),
    "open": Column(type="boolean"),
    "image": Column(type="image"),
    "spare": Column(type="float", role="ignore"),
    "y": Column(type="float", role="target"),
}


def table(seed: int = 0, rows: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    level = rng.normal(size=rows)
    level[rng.integers(0, rows, 12)] = rng.choice([np.nan, np.inf, -np.inf, 900.0], 12)
    start = datetime(2026, 1, 1)
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32),
            "when": [start + timedelta(minutes=int(m)) for m in rng.integers(0, rows, rows)],
            "site": rng.choice(["a", "b ", " b", "B"], rows),
            "level": level,
            "count": rng.integers(0, 100, rows),
            "stamp": 1.7e9 + rng.integers(0, 10**6, rows),
            "note": rng.choice(["", " ", "two  words", "ok"], rows),
            "open": rng.choice([True, False], rows),
            "image": pl.Series(
                rng.integers(0, 3, (rows, 2, 2, 1), dtype=np.uint8),
                dtype=pl.Array(pl.UInt8, (2, 2, 1)),
            ),
            "spare": rng.normal(size=rows),
            "y": rng.normal(size=rows),
        }
    )
    holes = pl.Series(rng.random(rows) < 0.1)
    frame = frame.with_columns(pl.when(~holes).then(pl.col("level", "count", "note", "open")))
    again = frame[rng.integers(0, rows, 8).tolist()]
    number = pl.Series(ROW, range(rows + 1, rows + 9), dtype=pl.UInt32)
    return pl.concat([frame, again.with_columns(number)])


def grid(seed: int = 0, days: int = 4) -> pl.DataFrame:
    """Return two sites, ten minutes apart, with gaps, spikes, and a sensor that hangs."""
    rng = np.random.default_rng(seed)
    rows = days * 144
    frame = table(seed, 2 * rows).head(2 * rows)
    level = np.round(20 + 3 * np.sin(np.arange(2 * rows) / 23) + rng.normal(0, 0.3, 2 * rows), 1)
    level[rng.integers(0, 2 * rows, 9)] = 99.0
    level[rows // 3 : rows // 2] = level[rows // 3]
    start = datetime(2026, 3, 27)
    at_midnight = np.arange(2 * rows) % 144 == 143
    frame = frame.with_columns(
        when=pl.Series([start + timedelta(minutes=10 * i) for i in range(rows)] * 2),
        site=pl.Series(["b"] * rows + ["a"] * rows),
        level=pl.Series(level).set(pl.Series((rng.random(2 * rows) < 0.1) | at_midnight), None),
    )
    return frame.sort("site", "when")


def input_of(name: str, seed: int = 0) -> pl.DataFrame:
    needs_grid = getattr(plugin("clean_step", name), "NEEDS_GRID", False)
    return grid(seed) if needs_grid else table(seed)


def flag(name: str, flag: str) -> bool:
    return getattr(plugin("clean_step", name), flag, False)


def applied(name: str, params: dict, frame: pl.DataFrame, columns: Columns = COLUMNS):
    module = plugin("clean_step", name)
    lazy, after = module.apply(frame.lazy(), columns, module.Params(**params))
    assert isinstance(lazy, pl.LazyFrame)
    return frames.collect(lazy, streaming=not flag(name, "MAKES_ROWS")), after


def test_there_are_steps_and_examples_of_them():
    assert len(STEPS) >= 8
    assert set(EXAMPLES) <= set(STEPS)
    assert {"types", "text", "duplicates", "range", "outliers", "downcast"} <= set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_params_have_defaults_and_the_docstring_says_what_it_is_for(name):
    module = plugin("clean_step", name)
    assert issubclass(module.Params, PluginParams)
    module.Params()
    assert len(module.__doc__) > 80
    assert module.Params.__doc__ != PluginParams.__doc__


@pytest.mark.parametrize(("name", "params"), CASES)
def test_rows_keep_their_number_and_order_and_columns_fit_the_table(name, params):
    frame = input_of(name)
    after, columns = applied(name, params, frame)
    assert after[ROW].dtype == pl.UInt32
    assert after[ROW].is_unique().all()
    assert list(columns) == [column for column in after.columns if column != ROW]
    if flag(name, "MAKES_ROWS") and not after.equals(frame):
        assert after[ROW].to_list() == list(range(1, after.height + 1))
        by = [n for n, c in columns.items() if c.role in ("group", "time")]
        assert after.select(by).equals(after.select(by).unique().sort(by))
        return
    assert set(after[ROW]) <= set(frame[ROW])
    order = frame.filter(pl.col(ROW).is_in(after[ROW].implode()))
    if flag(name, "REORDERS"):
        by = ["site", "when"]
        assert after.select(by).equals(after.select(by).unique().sort(by))
        order = after.select(ROW).join(order, on=ROW, maintain_order="left")
    assert after[ROW].equals(order[ROW])
    assert after["y"].equals(order["y"])
    assert after["image"].dtype == frame["image"].dtype


@pytest.mark.parametrize(("name", "params"), CASES)
def test_what_a_step_says_of_its_rows_is_so(name, params):
    frame, module = input_of(name), plugin("clean_step", name)
    after, columns = applied(name, params, frame)
    if flag(name, "KEEPS_ROWS"):
        same = (ROW, "when", "site")
        assert after.select(same).equals(frame.select(same))
    if not hasattr(module, "leaves"):
        return
    known, keys = module.leaves(module.Params(**params)), series.groups(columns)
    assert known.ordered
    back = series.over(pl.col("when").diff(), keys) < pl.duration()
    assert not after.select((back | pl.col("when").is_null()).any()).item()
    if known.apart:
        found = series.grid_step(after.lazy(), keys, "when", name)
        assert found in (known.apart, None)  # None: no site has two rows


@pytest.mark.parametrize(("name", "params"), CASES)
def test_done_twice_is_done_once(name, params):
    if flag(name, "ONCE") or flag(name, "MAKES_ROWS"):
        pytest.skip("states that it is not")
    once, columns = applied(name, params, input_of(name))
    twice, same = applied(name, params, once, columns)
    assert twice.equals(once)
    assert same == columns


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "params"), CASES)
def test_the_account_is_what_plain_python_counts(name, params, seed):
    frame = input_of(name, seed)
    after, _ = applied(name, params, frame)
    kind = accounting.kind(plugin("clean_step", name))
    account = accounting.account(name, frame, after, kind=kind)
    assert (account["rows_before"], account["rows_after"]) == (frame.height, after.height)
    if kind == "makes":
        assert (account["rows_touched"], account["columns"]) == (frame.height, {})
        return
    kept = set(after[ROW])
    before_rows = {row[ROW]: row for row in frame.to_dicts() if row[ROW] in kept}
    shared = [n for n in after.columns if n in frame.columns]
    small = [n for n in shared if after[n].dtype == pl.Float32]
    touched: dict[str, int] = {}
    rows = set()
    for row in after.to_dicts():
        for column in shared:
            old, new = before_rows[row[ROW]][column], row[column]
            if column in small and old is not None:
                old = float(np.float32(old))
            if old is not new and old != new and not (_nan(old) and _nan(new)):
                touched[column] = touched.get(column, 0) + 1
                rows.add(row[ROW])
    removed = frame.height - after.height
    assert account["columns"] == touched
    assert account["cells_touched"] == sum(touched.values())
    assert account["rows_touched"] == removed + len(rows)


@pytest.mark.parametrize(("name", "params"), CASES)
def test_findings_are_countable_and_in_the_account(name, params):
    frame = input_of(name)
    step = Plugin(kind="clean_step", name=name, params=params)
    _, _, (account,) = chain.run(frame, COLUMNS, [step])
    assert account["engine"].startswith(("cpu", "kernel"))
    assert isinstance(account["looks_ahead"], str)
    for each in account.get("found", []):
        assert set(each) == {"what", "column", "detail", "count", "first_row"}
        assert each["count"] > 0
        assert each["first_row"] is None or each["first_row"] in frame[ROW]
    assert json.loads(json.dumps(account)) == account


@pytest.mark.parametrize(("name", "params"), CASES)
def test_a_series_alone_gives_what_it_gives_among_others(name, params):
    if getattr(plugin("clean_step", name), "SCOPE", "table") == "table":
        pytest.skip("looks at the whole table")
    frame = grid()
    after, columns = applied(name, params, frame)
    alone = [applied(name, params, frame.filter(pl.col("site") == site))[0] for site in ("a", "b")]
    together = pl.concat(alone)
    if flag(name, "MAKES_ROWS"):
        together, after = together.drop(ROW), after.drop(ROW)
    assert together.equals(after)
    assert applied(name, params, frame.filter(pl.col("site") == "a"))[1] == columns


@pytest.mark.parametrize(("name", "params"), CASES)
def test_nothing_looks_ahead_but_what_says_so(name, params):
    """What is computed of a series that ends early is what the whole series gives there."""
    module = plugin("clean_step", name)
    scope = getattr(module, "SCOPE", "table")
    ahead = chain.looks_ahead(Plugin(kind="clean_step", name=name, params=params))
    if ahead or (scope == "table" and name != "pivot"):
        pytest.skip(ahead or "looks at the whole table")
    frame = grid()
    days = frame["when"].dt.truncate("1d").unique().sort()
    whole, _ = applied(name, params, frame)
    for cut in (days[1], days[2], days[3]):
        part, _ = applied(name, params, frame.filter(pl.col("when") < cut))
        if flag(name, "MAKES_ROWS"):
            # a day of another zone is not over when that of UTC is
            over = pl.col("when") < cut - timedelta(days=name in ("daily", "nights"))
            assert part.filter(over).drop(ROW).equals(whole.filter(over).drop(ROW))
        else:
            assert part.equals(whole.filter(pl.col(ROW).is_in(part[ROW].implode())))


def test_the_test_catches_a_step_that_looks_ahead(monkeypatch):
    module = plugin("clean_step", "fill_gaps")
    monkeypatch.setattr(module, "looks_ahead", lambda params: "")
    with pytest.raises(AssertionError):
        test_nothing_looks_ahead_but_what_says_so(
            "fill_gaps", {"method": "linear", "longest": "2h"}
        )


@pytest.mark.parametrize("name", STEPS)
def test_an_empty_table_and_an_empty_column_pass(name):
    for params in [{}, *EXAMPLES.get(name, [])]:
        assert applied(name, params, input_of(name).head(0))[0].height == 0
        hollow = input_of(name).with_columns(pl.lit(None, pl.Float64).alias("level"))
        applied(name, params, hollow)


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "params"), CASES)
def test_the_gpu_gives_what_the_cpu_gives(name, params):
    module = plugin("clean_step", name)
    plain = input_of(name).drop("image")  # cuDF has no arrays
    columns = {n: c for n, c in COLUMNS.items() if n != "image"}
    lazy, _ = module.apply(plain.lazy(), columns, module.Params(**params))
    streaming = not flag(name, "MAKES_ROWS")
    there, here = (frames.collect(lazy, d, streaming=streaming) for d in ("cuda", "cpu"))
    exact = streaming and not flag(name, "ONCE")  # sums of floats: the last bit may differ
    assert_frame_equal(there, here, check_exact=exact, rel_tol=1e-9)


def _nan(value) -> bool:
    return isinstance(value, float) and value != value
