"""Columns that alone tell the target are doubted; useful and noisy ones are not."""

from pathlib import Path

import numpy as np
import polars as pl

from tasks.ingest.infer import propose, section
from tasks.ingest.leaks import telling

RANDOM = np.random.default_rng(0)
N = 2000
TIME = RANDOM.exponential(300, N)
NOISE = RANDOM.normal(size=N)
FRAME = pl.DataFrame(
    {
        "days_to_event": TIME,
        "noise": NOISE,
        "half": np.where(RANDOM.random(N) < 0.8, TIME < 365, RANDOM.random(N) < 0.5),
        "code": np.where(TIME < 365, "D7", RANDOM.choice(["A1", "B2"], N)),
        "number": np.arange(N) % 997,
        "event": (TIME < 365).astype(int),
        "amount": np.exp(NOISE),
    }
)
TYPES = {
    "days_to_event": "float",
    "noise": "float",
    "half": "boolean",
    "code": "category",
    "number": "integer",
}


def test_a_class_known_from_one_column():
    found = telling(FRAME, TYPES, "event", "classification")  # type: ignore[arg-type]
    assert set(found) == {"days_to_event", "code"}
    assert found["code"] == 1.0


def test_an_amount_known_from_one_column_however_skewed():
    assert set(telling(FRAME, TYPES, "amount", "regression")) == {"noise"}  # type: ignore[arg-type]


def test_few_rows_doubt_nothing_and_missing_values_are_a_level():
    assert telling(FRAME.head(60), TYPES, "event", "classification") == {}  # type: ignore[arg-type]
    gone = FRAME.with_columns(
        pl.when(pl.col("event") == 1).then(None).otherwise(pl.col("number")).alias("number")
    )
    assert "number" in telling(gone, TYPES, "event", "classification")  # type: ignore[arg-type]


def test_a_doubt_is_told_and_written_and_the_role_stays(tmp_path: Path):
    FRAME.write_csv(tmp_path / "t.csv")
    found = propose(tmp_path / "t.csv", "event", "w")
    assert set(found.doubts) == {"days_to_event", "code"}
    assert found.columns["code"].role == "feature"
    assert any(line.startswith("code: look at it: alone") for line in found.reasons)
    assert "would you know it when you predict" in section(found)


def test_a_column_that_would_send_many_rows_to_quarantine_is_no_feature(tmp_path: Path):
    cells = [str(round(x, 3)) if i % 20 else f"{i} {x:.2E}" for i, x in enumerate(NOISE)]
    pl.DataFrame({"cells": cells, "x": NOISE, "amount": NOISE + TIME}).write_csv(tmp_path / "t.csv")
    found = propose(tmp_path / "t.csv", "amount", "w")
    assert found.columns["cells"].role == "ignore"
    assert "100 values are not float" in found.why_columns["cells"]
    assert found.columns["x"].role == "feature"


def test_a_column_of_no_use_is_listed_as_ignored(tmp_path: Path):
    path = tmp_path / "t.parquet"
    FRAME.with_columns(picture=pl.lit(b"\xff\xd8")).write_parquet(path)
    assert propose(path, "event", "w").columns["picture"].role == "ignore"
