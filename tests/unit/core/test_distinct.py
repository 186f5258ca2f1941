"""Different values and repeated rows: as Polars counts them with the table in memory."""

import numpy as np
import polars as pl
import pytest

from tasks.core import distinct

NAN = float("nan")


def table(rows: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    odd = [0.0, -0.0, NAN, -NAN, None, 1.0, 1.0, float("inf")]
    return pl.DataFrame(
        {
            "odd": (odd * rows)[:rows],
            "few": rng.choice(["a", "b", "", None], rows).tolist(),
            "every": range(rows),
            "none": pl.Series([None] * rows, dtype=pl.String),
            "flag": rng.choice([True, False, None], rows).tolist(),
            "picture": pl.Series([[i % 2, 0] for i in range(rows)], dtype=pl.Array(pl.UInt8, 2)),
        }
    )


@pytest.mark.parametrize("cells", [7, 300, 1_000_000])
def test_counts_are_those_of_the_whole_table(cells, monkeypatch):
    monkeypatch.setattr(distinct, "CELLS", cells)
    monkeypatch.setattr(distinct, "HEAD", 5)
    frame = table()
    plain = [name for name in frame.columns if name != "picture"]
    counts = frame.select(pl.col(plain).drop_nulls().n_unique()).row(0, named=True)
    assert distinct.values(frame.lazy(), plain, frame.height) == counts
    for names in (plain, ["odd", "few", "flag", "picture"], ["few"], ["every"], ["none"]):
        different = frame.select(names).unique().height
        assert distinct.repeats(frame.lazy(), names) == frame.height - different
    twins = distinct.twins(frame.lazy(), ["odd", "few"])
    assert twins.equals(frame.filter(frame.select("odd", "few").is_duplicated()))


def test_no_rows():
    assert distinct.values(table(0).lazy(), ["odd", "few"], 0) == {"odd": 0, "few": 0}
    assert distinct.repeats(table(0).lazy(), ["odd", "few"]) == 0
