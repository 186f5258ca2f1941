"""Real and broken files: what is proposed for them, and what reading them gives."""

import os
from pathlib import Path

import polars as pl
import pytest
import yaml

from tasks.core.errors import DataError
from tasks.core.schema import ROW, Table
from tasks.ingest.infer import propose, section
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import read_table

SHARED = Path(os.environ.get("TEMPER_SHARED") or Path(__file__).parents[4] / "shared") / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data (TEMPER_SHARED)")

PROPOSED = {  # file: (target, task, split, columns of another role than feature)
    "california/housing_handson_trainval.csv.gz": (
        "median_house_value",
        "regression",
        "at_random",
        {"row_id": "ignore"},
    ),
    "california/california_trainval.parquet": (
        "MedHouseVal",
        "regression",
        "given",
        {"row_id": "ignore", "split": "split"},
    ),
    "astro/sdss_dr14_skyserver_80pct.parquet": (
        "class",
        "classification",
        "stratified",
        {"objid": "ignore", "rerun": "ignore", "specobjid": "ignore", "fiberid": "ignore"},
    ),
    "timeseries/occupancy_train.csv.gz": (
        "Occupancy",
        "classification",
        "by_time",
        {"date": "time"},
    ),
    "causal/lalonde_nsw_dw.csv": ("re78", "regression", "at_random", {"data_id": "ignore"}),
    "causal/ihdp_npci_1.csv": ("column_2", "regression", "at_random", {}),
    "causal/twins_70pct.parquet": ("mort_1yr_t0", "classification", "stratified", {}),
    "timeseries/durham_wu_daily_2025.csv": (
        "temperature",
        "regression",
        "by_time",
        {"day": "time"},
    ),
}


@pytest.mark.parametrize("name", PROPOSED)
def test_proposals(name: str):
    target, task, split, roles = PROPOSED[name]
    found = propose(SHARED / name, target, "w")
    assert (found.table.task, found.split) == (task, split)
    others = {n: c.role for n, c in found.columns.items() if c.role not in ("feature", "target")}
    assert others == roles
    own = yaml.safe_load(section(found))["w"]
    stated = Table(**own["table"])
    reading = read_table(SHARED / name, stated, ReadOptions())
    assert not len(reading.unparsed)
    assert {n: c.type for n, c in reading.columns.items()} == {
        n: c.type for n, c in stated.columns.items()
    }


def test_a_real_csv_is_read_as_another_reader_reads_it():
    path = SHARED / "california/housing_handson_trainval.csv.gz"
    table = Table(task="regression", target="median_house_value")
    frame = read_table(path, table, ReadOptions()).frame
    assert frame.drop(ROW).equals(pl.read_csv(path, infer_schema_length=None))


HOUSES = Table(task="regression", target="MedHouseVal")


def malformed(name: str, table: Table = HOUSES):
    return read_table(SHARED / "malformed" / name, table, ReadOptions())


def test_malformed_files():
    found = malformed("extra_column_row.csv")
    assert len(found.frame) == 60
    assert found.unparsed.select(ROW, "column", "reason").rows() == [
        (10, "__line__", "12 fields, expected 10")
    ]
    assert any("row 10 (line 11)" in note for note in found.source["notes"])
    found = malformed("strings_in_numeric.csv")
    assert found.unparsed.select("column", "value").rows() == [
        ("HouseAge", "forty-one"),
        ("Population", "1,234"),
    ]
    assert found.source["format"]["columns"]["MedInc"]["missing_marks"] == {"n/a": 1}
    with pytest.raises(DataError, match="'MedHouseVal'"):
        malformed("missing_target_column.csv")
    with pytest.raises(DataError, match="no rows"):
        malformed("header_only.csv")
    twice = malformed(
        "sensor_duplicate_timestamps.csv", Table(task="regression", target="Appliances")
    )
    assert len(twice.frame) == 74
    assert twice.columns["date"].role == "time"
