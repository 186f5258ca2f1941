"""A ring, air monitors and a log of one home in one table."""

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from tasks.clean import chain
from tasks.clean.params import Params as Clean
from tasks.core.errors import DataError
from tasks.core.schema import Column, Table, by_role
from tasks.ingest.datasets import joined
from tasks.ingest.oura.fields import ENDPOINTS
from tasks.ingest.remote import days
from tests.services import document

DAYS = [date(2025, 7, n) for n in range(1, 31)]
TABLE = Table(task="forecast", target="readiness_score")
LOG = {"dataset": "sensor_table", "options": {"sensor": "room"}}
SOURCES = {"ring": {"dataset": "oura"}, "air": LOG}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with what a ring, two rooms' sensors and a meter said."""
    for endpoint in ENDPOINTS:
        for day in DAYS:
            for each in document(endpoint, day):
                days.write(tmp_path / "ring" / endpoint, day, [(str(day), each)], True)
    begin = datetime(2025, 7, 1)
    times = [begin + timedelta(hours=h) for h in range(24 * len(DAYS))]
    rows = [
        f"{time},{room},{400 + 50 * (room == 'bedroom') + time.hour},{20 + time.hour / 10}"
        for time in times
        for room in ("bedroom", "kitchen")
    ]
    (tmp_path / "air").mkdir()
    (tmp_path / "air" / "log.csv").write_text("time,room,co2,temp (C)\n" + "\n".join(rows) + "\n")
    (tmp_path / "meter").mkdir()
    lines = [f"{time}+02:00,{time.hour},{200 + n % 9}" for n, time in enumerate(times)]
    (tmp_path / "meter" / "log.csv").write_text("when,steps,watts\n" + "\n".join(lines) + "\n")
    return tmp_path


def read(home: Path, folder: Path, table: Table = TABLE, **params):
    given = joined.Params(**params)
    folder.mkdir()
    joined.fetch(given, home, folder)
    return joined.read(folder, given, table)


def test_rows_stand_below_each_other_with_one_clock_and_a_column_a_sensor(home, tmp_path):
    found = read(home, tmp_path / "raw", sources=SOURCES)
    assert len(found.frame) == len(DAYS) + 2 * 24 * len(DAYS)
    assert found.columns["time"].role == "time"
    assert found.columns["readiness_score"].role == "target"
    assert not by_role(found.columns, "group")
    bedroom = found.frame["co2_bedroom"].drop_nulls()
    assert (bedroom.len(), bedroom.min()) == (24 * len(DAYS), 450)
    assert found.columns["temp (C)_kitchen"].unit == "degC"
    assert found.frame.filter(pl.col("co2_bedroom").is_not_null())["co2_kitchen"].null_count() > 0


def test_columns_of_two_sources_are_named_after_them_and_times_are_utc(home, tmp_path):
    meter = {"dataset": "sensor_table", "options": {"time": "when"}}
    found = read(home, tmp_path / "raw", sources=SOURCES | {"meter": meter})
    assert {"ring_steps", "meter_steps", "watts"} <= set(found.columns)
    first = found.frame.filter(pl.col("watts").is_not_null())["time"].min()
    assert first == datetime(2025, 6, 30, 22)


def test_a_night_stands_beside_the_ring_of_its_day(home, tmp_path):
    found = read(home, tmp_path / "raw", sources=SOURCES)
    nights = {
        "named_by": "evening",
        "zone": "UTC",
        "statistics": ["mean"],
        "of_the_day": ["readiness_score", "steps"],
    }
    steps = Clean.model_validate({"steps": ["types", "sorted_unique", {"nights": nights}]}).steps
    after, columns, _ = chain.run(found.frame, found.columns, steps)
    whole = after.drop_nulls(["co2_bedroom", "readiness_score"])
    assert len(whole) >= len(DAYS) - 2
    assert columns["readiness_score"].role == "target"


def test_rows_of_a_group_that_all_sources_have_stay_a_series_of_their_own(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        rows = [f"2025-07-{d:02} 10:00,{who},{d}" for d in range(1, 29) for who in ("ann", "bo")]
        text = f"time,person,{name}\n" + "\n".join(rows) + "\n"
        (tmp_path / name / "log.csv").write_text(text)
    log = {"dataset": "sensor_table", "options": {"sensor": "person"}}
    sources = {"one": log, "two": log}
    table = Table(task="forecast", target="one")
    found = read(tmp_path, tmp_path / "raw", table, sources=sources, group="person")
    assert found.columns["person"] == Column(type="category", role="group")
    assert found.frame["person"].n_unique() == 2
    assert found.columns["two"].role == "feature"
    with pytest.raises(DataError, match="unknown home"):
        read(tmp_path, tmp_path / "other", table, sources=sources, group="home")


def test_what_cannot_be_read_is_of_the_row_that_has_it(home, tmp_path):
    log = home / "air" / "log.csv"
    lines = log.read_text().splitlines()
    lines[3] += ",too many"
    lines[7] = ",".join([*lines[7].split(",")[:2], "broken", "20"])
    log.write_text("\n".join([*lines, lines[-1] + ",too many"]) + "\n")
    sources = {"air": LOG, "ring": {"dataset": "oura"}}
    found = read(home, tmp_path / "raw", sources=sources)
    bad = set(found.unparsed["__row__"])
    assert len(bad) == 3
    whole = found.frame.filter(pl.col("readiness_score").is_not_null())
    assert len(whole) == len(DAYS)
    assert not bad & set(whole["__row__"])
    assert found.frame["__row__"].is_unique().all()
    alone = read(home, tmp_path / "other", sources=SOURCES)  # the log behind the ring
    assert min(alone.unparsed["__row__"]) > len(DAYS)


def test_the_identity_follows_every_source(home):
    params = joined.Params(sources=SOURCES)
    before = joined.origin(params, home)
    assert joined.origin(params, home) == before
    with (home / "air" / "log.csv").open("a") as log:
        log.write("2025-08-01 00:00:00,kitchen,400,20\n")
    assert joined.origin(params, home) != before


def test_what_is_not_there_is_named_with_what_to_do(tmp_path):
    params = joined.Params(sources=SOURCES)
    with pytest.raises(DataError) as caught:
        joined.origin(params, tmp_path)
    assert "sources.ring: nothing in" in str(caught.value)
    assert "`temper collect ring`" in str(caught.value)
    assert "sources.air" in str(caught.value)


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ({"ring": {"dataset": "oura"}}, "at least 2"),
        (SOURCES | {"x": {"dataset": "mnist"}}, "unknown dataset 'mnist'"),
        (SOURCES | {"../x": {"dataset": "oura"}}, "expected a name"),
        (SOURCES | {"ring": {"dataset": "oura", "options": {"endpoint": 1}}}, "ring.options"),
    ],
)
def test_sources_that_cannot_be(sources, why):
    with pytest.raises(ValidationError, match=why):
        joined.Params(sources=sources)
