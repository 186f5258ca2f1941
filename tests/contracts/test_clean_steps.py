"""Every clean step against the promises of the kind (see `tasks.clean.chain`)."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.clean import accounting
from tasks.core.plugins import PluginParams, names, plugin
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


def applied(name: str, params: dict, frame: pl.DataFrame, columns: Columns = COLUMNS):
    module = plugin("clean_step", name)
    lazy, after = module.apply(frame.lazy(), columns, module.Params(**params))
    assert isinstance(lazy, pl.LazyFrame)
    return lazy.collect(engine="streaming"), after


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
    frame = table()
    after, columns = applied(name, params, frame)
    assert after[ROW].dtype == pl.UInt32
    assert after[ROW].is_sorted()
    assert after[ROW].is_unique().all()
    assert set(after[ROW]) <= set(frame[ROW])
    assert set(columns) == set(after.columns) - {ROW}
    assert after["y"].equals(frame.filter(pl.col(ROW).is_in(after[ROW].implode()))["y"])
    assert after["image"].dtype == frame["image"].dtype


@pytest.mark.parametrize(("name", "params"), CASES)
def test_done_twice_is_done_once(name, params):
    once, columns = applied(name, params, table())
    twice, same = applied(name, params, once, columns)
    assert twice.equals(once)
    assert same == columns


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "params"), CASES)
def test_the_account_is_what_plain_python_counts(name, params, seed):
    frame = table(seed)
    after, _ = applied(name, params, frame)
    account = accounting.account(name, frame, after)
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
    assert (account["rows_before"], account["rows_after"]) == (frame.height, after.height)


@pytest.mark.parametrize("name", STEPS)
def test_an_empty_table_and_an_empty_column_pass(name):
    for params in [{}, *EXAMPLES.get(name, [])]:
        assert applied(name, params, table().head(0))[0].height == 0
        hollow = table().with_columns(pl.lit(None, pl.Float64).alias("level"))
        applied(name, params, hollow)


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "params"), CASES)
def test_the_gpu_gives_what_the_cpu_gives(name, params):
    from tasks.core import frames

    module = plugin("clean_step", name)
    plain = table().drop("image")  # cuDF has no arrays
    columns = {n: c for n, c in COLUMNS.items() if n != "image"}
    lazy, _ = module.apply(plain.lazy(), columns, module.Params(**params))
    assert frames.collect(lazy, "cuda").equals(frames.collect(lazy, "cpu"))


def _nan(value) -> bool:
    return isinstance(value, float) and value != value
