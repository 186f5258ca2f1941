"""Oura's documents as a table of days: what is chosen, what is said, and what is not mixed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DataError
from tasks.core.plugins import plugin
from tasks.core.schema import Table
from tasks.ingest.oura import days, fields
from tests.services import document, sleep

DAY = date(2024, 1, 6)
TABLE = Table(task="regression", target="readiness_score")


def flat(*documents: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Return the row of the one day, and what is said."""
    found: days.Documents = {}
    for endpoint, each in documents:
        found.setdefault(endpoint, []).append((DAY, each))
    made = days.table(found)
    assert len(made.frame) == 1
    return made.frame.row(0, named=True), made.notes


def test_the_longest_long_sleep_is_the_main_one_and_the_rest_is_summed():
    night, short = sleep(DAY, "long_sleep", 25_000), sleep(DAY, "long_sleep", 9_000)
    nap, gone = sleep(DAY, "late_nap", 1_800), sleep(DAY, "deleted", 77_777)
    nap |= {"average_hrv": 99, "lowest_heart_rate": 33}
    row, notes = flat(*(("sleep", each) for each in (nap, short, gone, night)))
    assert row["main_sleep_total_s"] == 25_000
    assert (row["main_sleep_hrv_ms"], row["main_sleep_lowest_heart_rate_bpm"]) == (42, 48)
    assert (row["main_sleep_start_h"], row["main_sleep_end_h"]) == (-0.5, 7)
    assert row["main_sleep_utc_offset_h"] == 1
    assert row["other_sleep_count"] == 2
    assert (row["other_sleep_total_s"], row["other_sleep_in_bed_s"]) == (10_800, 13_200)
    assert any("2024-01-06 (late_nap, long_sleep)" in note for note in notes)
    assert any("1 documents of the type 'deleted' left out" in note for note in notes)


def test_a_day_of_naps_alone_has_no_main_sleep():
    row, notes = flat(("sleep", sleep(DAY, "rest", 1_000)))
    assert row["main_sleep_total_s"] is None
    assert (row["other_sleep_count"], row["other_sleep_total_s"]) == (1, 1_000)
    assert "sleep: 1 days have no long_sleep: 2024-01-06" in notes


def test_contributors_null_and_unknown_and_unknown_fields():
    (summary,) = document("daily_readiness", DAY)
    row, notes = flat(("daily_readiness", summary | {"contributors": None}))
    assert row["readiness_score"] == summary["score"]
    assert row["readiness_by_hrv_balance"] is None
    assert notes == ["daily_readiness: 1 days have no contributors (null): they are missing"]
    more = summary | {"contributors": summary["contributors"] | {"vitality": 3}, "mood": "good"}
    row, notes = flat(("daily_readiness", more))
    assert row["readiness_by_hrv_balance"] == summary["contributors"]["hrv_balance"]
    assert row["readiness_by_sleep_regularity"] is None
    assert not any("vitality" in name or "mood" in name for name in row)
    assert notes == [
        "daily_readiness: not known here, and left out: contributors.vitality (1), mood (1)"
    ]


def test_two_summaries_of_a_day_are_not_mixed():
    """The newer one has no temperature: that of the older is not put beside its score."""
    (old,) = document("daily_readiness", DAY)
    new = {"day": str(DAY), "score": 11, "timestamp": "2024-01-06T12:00:00+03:00"}
    for order in ((old, new), (new, old)):
        row, notes = flat(*(("daily_readiness", each) for each in order))
        assert row["readiness_score"] == 11
        assert row["temperature_deviation_c"] is None
        assert "several documents; the newest of each counts" in notes[0]


def test_of_summaries_of_one_time_the_one_with_most_values_counts():
    """They carry the midnight of their day; ids and orders, of keys too, decide nothing."""
    (full,) = document("daily_readiness", DAY)
    bare = {"id": "z", "day": str(DAY), "score": 11, "timestamp": full["timestamp"]}
    twin = dict(reversed((full | {"id": "another"}).items()))
    for order in ((full, bare), (bare, full), (twin, bare, full)):
        row, notes = flat(*(("daily_readiness", each) for each in order))
        assert row["readiness_score"] == full["score"]
        assert "1 days have several documents of one time; of each that with the most" in notes[0]
    high = full | {"score": 99}
    for order in ((full, high), (high, full)):
        assert flat(*(("daily_readiness", each) for each in order))[0]["readiness_score"] == 99
    _, notes = flat(("daily_readiness", full), ("daily_readiness", twin))
    assert notes == [], "one document twice"


def test_numbers_as_text_are_numbers_and_what_is_none_is_told():
    parts = {"timing": True, "latency": " 71.5 ", "rem_sleep": "n/a", "efficiency": 10**400}
    row, notes = flat(("daily_sleep", {"day": str(DAY), "score": "83", "contributors": parts}))
    assert (row["sleep_score"], row["sleep_by_latency"]) == (83, 71.5)
    for name in ("timing", "rem_sleep", "efficiency"):
        assert row[f"sleep_by_{name}"] is None
    words = "no numbers, and taken for missing: efficiency (1), rem_sleep (1), timing (1)"
    assert f"daily_sleep: {words}" in notes


def test_sessions_and_workouts_are_summed_and_counted():
    (walk,), (calm,) = document("workout", DAY), document("session", DAY)
    row, notes = flat(("workout", walk), ("workout", walk | {"distance": None}), ("session", calm))
    assert (row["workout_count"], row["workout_total_s"]) == (2, 3600)
    assert (row["workout_energy_kcal"], row["workout_distance_m"]) == (181, 1200)
    assert (row["session_count"], row["session_total_s"]) == (1, 1800)
    assert notes == ["workout: 1 days have several: they are summed, and counted"]


def test_every_column_that_has_a_dimension_says_so():
    documents = {e: [(DAY, each) for each in document(e, DAY)] for e in fields.ENDPOINTS}
    made = days.table(documents)
    suffixes = ("_s", "_h", "_m", "_ms", "_bpm", "_kcal", "_c", "_percent", "_min")
    for name in made.frame.columns[1:]:
        plain = ("score", "_by_", "_count", "_samples", "steps", "alerts", "periods", "average_met")
        assert any(word in name for word in plain) != (name in made.units), name
        assert (name in made.units) == name.endswith(suffixes), name


def test_the_real_documents(shared: Path):
    module = plugin("dataset", "oura_export")
    path = shared / "data" / "oura" / "oura_api_v2_sample_responses.json"
    found, notes = module.documents([path])
    assert set(found) == set(fields.ENDPOINTS)
    assert "daily_spo2, daily_stress, ring_configuration, sleep_time" in notes[0]
    assert "sleep: 1 documents repeat another: left out" in notes
    made = days.table(found)
    rows = {row["day"].date(): row for row in made.frame.iter_rows(named=True)}
    assert rows[date(2024, 1, 7)]["sleep_score"] == 83
    assert rows[date(2024, 1, 1)]["readiness_by_recovery_index"] == 99
    assert rows[date(2024, 1, 1)]["steps"] == 5797
    night = rows[date(2024, 1, 21)]
    assert (night["main_sleep_total_s"], night["main_sleep_hrv_ms"]) == (20_940, 17)
    assert night["main_sleep_start_h"] == pytest.approx(1 + 28 / 60 + 28 / 3600)
    assert night["main_sleep_utc_offset_h"] == -5
    assert not any("not known here" in note for note in made.notes)


def export(folder: Path, endpoints: tuple[str, ...] = fields.ENDPOINTS) -> Path:
    """Write a folder of files of three weeks, one an endpoint."""
    folder.mkdir(exist_ok=True)
    month = [date(2024, 1, n) for n in range(1, 22)]
    for endpoint in endpoints:
        content = [each for day in month for each in document(endpoint, day)]
        (folder / f"{endpoint}.json").write_text(json.dumps({"data": content, "next_token": None}))
    return folder


def test_an_export_of_one_file_and_of_many_is_the_same(tmp_path: Path):
    module = plugin("dataset", "oura_export")
    folder = export(tmp_path / "many")
    whole = {path.stem: json.loads(path.read_text())["data"] for path in folder.iterdir()}
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "all.json").write_text(json.dumps(whole))
    readings = [module.read(tmp_path / n, module.Params(), TABLE) for n in ("many", "one")]
    assert readings[0].frame.equals(readings[1].frame)
    assert len(readings[0].frame) == 21
    assert readings[0].columns["day"].role == "time"
    notes = readings[0].source["notes"]
    assert any(note.startswith("sleep: 3 days have other sleeps") for note in notes)
    assert "daily_activity: 21 days have no contributors (null): they are missing" in notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"sleep": [{"day": "2024-', "not readable as JSON.*cut off"),
        ('{"slep": []}', "no documents of Oura's.*Did you mean 'sleep'"),
        ('{"sleep": [{"id": "x"}]}', "sleep: 1 document without a sound 'day'"),
        ('{"heartrate": [{"bpm": 60}]}', "heartrate: 1 document without a sound 'timestamp'"),
        ('{"sleep": ["x"]}', "sleep: 1 document without a sound 'day'"),
        ("[]", "no documents of Oura's"),
    ],
)
def test_an_export_that_cannot_be_read(text: str, words: str, tmp_path: Path):
    module = plugin("dataset", "oura_export")
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        module.fetch(module.Params(), path, tmp_path)


def test_a_bad_document_of_an_export_is_left_out_and_told(tmp_path: Path):
    module = plugin("dataset", "oura_export")
    good = [each for n in range(1, 22) for each in document("daily_readiness", date(2024, 1, n))]
    odd = [{"day": None, "score": 1}, None, "x", good[0] | {"day": "2024-01-30T00:00:00"}]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"daily_readiness": [*odd, *good], "sleep": None}))
    (tmp_path / "raw").mkdir()
    module.fetch(module.Params(), path, tmp_path / "raw")
    made = module.read(tmp_path / "raw", module.Params(), TABLE)
    assert [str(day)[:10] for day in made.frame["day"]][-2:] == ["2024-01-21", "2024-01-30"]
    assert len(made.frame) == 22
    (note,) = (n for n in made.source["notes"] if "without a sound" in n)
    assert note.startswith("daily_readiness: 3 documents without a sound 'day' left out; the first")
