"""Collecting from services on this machine: what is asked for, what is kept, and going on."""

import json
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.artifacts import folder_digest
from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import plugin
from tasks.core.schema import Table
from tasks.ingest.remote import account, days
from tasks.ingest.remote.collecting import collect
from tasks.ingest.remote.errors import AnswerError, CredentialsError, PagingError, ServiceError
from tests.services import TOKEN, Asked, Said, Service, oura, said, serving

START, TODAY = date(2024, 1, 1), date(2024, 2, 9)
ZONE = Table(task="regression", target="readiness_score")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("OURA_TOKEN", TOKEN)
    with serving(oura) as made:
        yield made


def ring(service: Service, **options: Any) -> Any:
    patience = {"tries": 2, "total_s": 5}
    return plugin("dataset", "oura").Params(
        base_url=service.url, start=START, patience=patience, **options
    )


def gather(service: Service, root: Path, part: str, today: date = TODAY, **options: Any):
    return collect(plugin("dataset", "oura"), ring(service, **options), part, root, today)


def test_each_day_once_and_only_what_is_missing(service: Service, tmp_path: Path):
    done = gather(service, tmp_path, "daily_readiness")
    assert done == ("daily_readiness", 40, 40, 0, [], 0)
    assert len(list((tmp_path / "daily_readiness").iterdir())) == 40
    first = len(service.asked)
    assert {a.query["start_date"] for a in service.asked} == {"2023-12-31", "2024-01-30"}
    before = folder_digest(tmp_path)
    again = gather(service, tmp_path, "daily_readiness")
    assert again.days == 4, "today and the three days that may still change"
    assert len(service.asked) - first == 1
    assert folder_digest(tmp_path) == before
    later = gather(service, tmp_path, "daily_readiness", TODAY + timedelta(days=10))
    assert later.days == 14, "the unsettled ones too, however long ago they were fetched"
    assert days.known(tmp_path / "daily_readiness")[TODAY]


def test_a_day_that_syncs_late_is_fetched_anew(service: Service, tmp_path: Path):
    real = service.answers
    service.answers = lambda asked: said({"data": [], "next_token": None})
    gather(service, tmp_path, "sleep")
    service.answers = real
    gather(service, tmp_path, "sleep")
    filled = [day for day, found in days.by_day(tmp_path / "sleep") if len(found)]
    assert filled == [TODAY - timedelta(days=i) for i in range(28, -1, -1)]


def test_empty_days_are_asked_for_again_for_some_weeks_and_by_few_questions(
    service: Service, tmp_path: Path
):
    """A ring that is synced after weeks: every other day of a year is empty at first."""

    def some(asked: Asked) -> Said:
        content = json.loads(oura(asked, 1000).body)
        content["data"] = [d for d in content["data"] if int(d["day"][-2:]) % 2]
        return said(content)

    service.answers = some
    today = START + timedelta(days=365)
    gather(service, tmp_path, "workout", today)
    asked = len(service.asked)
    again = gather(service, tmp_path, "workout", today)
    assert len(service.asked) - asked == 1, "the days between come along"
    assert again.days == 4 + 12, "those that may still change, and the empty ones of four weeks"
    service.answers = oura
    gather(service, tmp_path, "workout", today)
    filled = {day for day, found in days.by_day(tmp_path / "workout") if len(found)}
    assert {today - timedelta(days=i) for i in range(29)} <= filled
    assert today - timedelta(days=31) not in filled
    service.answers = lambda _: said({"data": []})
    gather(service, tmp_path / "short", "workout", today, refetch_empty_days=0)
    known = days.known(tmp_path / "short" / "workout")
    unsettled = [day for day, done in known.items() if not done]
    assert unsettled == [today - timedelta(days=i) for i in (3, 2, 1, 0)], "refetch_days is least"


def test_documents_without_a_day_are_set_aside_and_the_rest_goes_on(
    service: Service, tmp_path: Path
):
    """A null, and a day as a time; kept as they came, each once, and told where it is read."""
    odd: list[Any] = [
        None,
        {"bpm": 60, "timestamp": None},
        {"bpm": "61", "timestamp": "2024-02-08T05:00:00+00:00"},
        {"bpm": 10**400, "timestamp": "2024-02-08T06:00:00+00:00"},
        {"bpm": 62, "timestamp": "2024-02-08T07:00:00+00:00", "source": "\ud83d"},
    ]

    def answers(asked: Asked) -> Said:
        content = json.loads(oura(asked, 1000).body)
        content["data"] += odd
        return said(content)

    service.answers = answers
    done = gather(service, tmp_path, "heartrate")
    assert (done.days, done.documents, done.undated) == (40, 123, 4)
    before = folder_digest(tmp_path)
    gather(service, tmp_path, "heartrate")
    assert folder_digest(tmp_path) == before
    aside = pl.read_parquet(tmp_path / "heartrate" / days.UNDATED)
    assert aside["document"].to_list() == ['{"bpm": 60, "timestamp": null}', '{"value": null}']
    module = plugin("dataset", "oura")
    params = ring(service, endpoints=["heartrate"])
    made = module.read(tmp_path, params.model_copy(update={"table": "heartrate"}), RATES)
    assert len(made.frame) == 122, "that beyond all floats is no rate"
    assert 61 in made.frame["heart_rate_bpm"]
    notes = made.source["notes"]
    assert "heartrate: 1 documents without a time or a rate left out" in notes
    assert any(note.startswith("heartrate: 2 documents without a sound day") for note in notes)
    table = Table(task="regression", target="heart_rate_mean_bpm")
    daily = module.read(tmp_path, params, table)
    assert daily.frame["heart_rate_samples"].to_list() == [3.0] * 38 + [5.0, 3.0]
    assert "heartrate: 1 document without a rate left out" in daily.source["notes"]


@pytest.mark.parametrize("kind", ["heartrate", "daily"])
def test_what_was_collected_is_read_a_day_at_a_time(kind: str, tmp_path: Path):
    for index in range(20):
        day = START + timedelta(days=index)
        times = [f"{day}T{i // 60:02}:{i % 60:02}:00.000000Z" for i in range(800)]
        found = [(at, {"bpm": 50 + i % (9 + index), "timestamp": at}) for i, at in enumerate(times)]
        days.write(tmp_path / "heartrate", day, found, True)
    module = plugin("dataset", "oura")
    params = module.Params(start=START, endpoints=["heartrate"], table=kind)
    target = "heart_rate_bpm" if kind == "heartrate" else "heart_rate_mean_bpm"
    tracemalloc.start()
    try:
        made = module.read(tmp_path, params, Table(task="regression", target=target))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made.frame) == (16_000 if kind == "heartrate" else 20)
    assert most < 4e6, "all of them are 10 MB of Python's objects"


def test_a_day_that_is_written_as_a_time_is_that_day(service: Service, tmp_path: Path):
    def answers(asked: Asked) -> Said:
        content = json.loads(oura(asked, 1000).body)
        content["data"] = [d | {"day": f"{d['day']}T00:00:00+02:00"} for d in content["data"]]
        return said(content)

    service.answers = answers
    done = gather(service, tmp_path, "daily_readiness")
    assert (done.documents, done.undated) == (40, 0)


def test_an_answer_that_has_nothing_any_more_takes_nothing_away(service: Service, tmp_path: Path):
    gather(service, tmp_path, "sleep")
    before = list(days.documents(tmp_path / "sleep"))
    service.answers = lambda _: said({"data": [], "next_token": None})
    done = gather(service, tmp_path, "sleep", TODAY + timedelta(days=1))
    assert done.kept == ["2024-02-06", "2024-02-07", "2024-02-08", "2024-02-09"]
    assert list(days.documents(tmp_path / "sleep")) == before


def test_documents_that_come_twice_are_kept_once(service: Service, tmp_path: Path):
    def twice(asked: Asked) -> Said:
        content = json.loads(oura(asked, 1000).body)
        return said({"data": content["data"] * 2, "next_token": None})

    service.answers = twice
    done = gather(service, tmp_path, "heartrate", START + timedelta(days=9))
    assert (done.days, done.documents, done.repeated) == (10, 30, 30)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (said({"detail": "expired"}, 401), CredentialsError),
        (said({"data": [], "next_token": "page-1"}), PagingError),
        (Said(200, b'{"data": ['), ServiceError),
        (said({"title": "Server Error", "detail": "x", "status": 500}), AnswerError),
        (said({"data": [], "next_token": None, "error": "internal"}), AnswerError),
        (said({"data": [], "status": 500, "message": "backend timeout"}), AnswerError),
        (said({"data": [{"score": n} for n in range(4)], "next_token": None}), AnswerError),
        (said({"data": [{"day": f"day {n}"} for n in range(4)]}), AnswerError),
    ],
    ids=[
        *("401", "paging loop", "JSON cut off", "error with 200", "error beside a list"),
        *("status in a body", "no day", "odd day"),
    ],
)
def test_a_window_that_fails_leaves_whole_days_and_the_rest_follows(
    fault: Said, error: type, service: Service, tmp_path: Path, monkeypatch
):
    """The first window's pages are sound, the second window's first answer is not."""
    monkeypatch.setattr("tasks.ingest.remote.waiting.BASE_S", 0.01)

    def answers(asked: Asked) -> Said:
        return fault if asked.query["start_date"] > "2024-01-15" else oura(asked)

    service.answers = answers
    with pytest.raises(error):
        gather(service, tmp_path / "broken", "daily_readiness")
    assert len(days.known(tmp_path / "broken" / "daily_readiness")) == 30
    service.answers = oura
    assert gather(service, tmp_path / "broken", "daily_readiness").days == 10
    gather(service, tmp_path / "whole", "daily_readiness")
    assert folder_digest(tmp_path / "broken") == folder_digest(tmp_path / "whole")


def test_what_a_killed_process_left_is_swept(service: Service, tmp_path: Path):
    gather(service, tmp_path, "daily_readiness")
    before = folder_digest(tmp_path)
    folder = tmp_path / "daily_readiness"
    (folder / ".2024-01-05.77.tmp").write_bytes(b"PAR1 half")
    (folder / "2024-01-06.parquet").write_bytes(b"PAR1 damaged")
    days.sweep(tmp_path)
    assert gather(service, tmp_path, "daily_readiness").days == 5
    assert folder_digest(tmp_path) == before


def test_the_manifest_follows_from_the_files(service: Service, tmp_path: Path, temper_home: Path):
    for part in ("daily_readiness", "heartrate"):
        done = gather(service, tmp_path, part)
    manifest = account.write(tmp_path, "oura")
    written = (tmp_path / account.MANIFEST).read_bytes()
    assert account.write(tmp_path, "oura") == manifest
    assert (tmp_path / account.MANIFEST).read_bytes() == written
    rates = manifest["parts"]["heartrate"]
    assert (rates["days"], rates["documents"], rates["last_day"]) == (40, 120, "2024-02-09")
    assert rates["last_moment"] == "2024-02-09T02:15:00.000000Z"
    assert rates["unsettled"] == ["2024-02-06", "2024-02-07", "2024-02-08", "2024-02-09"]
    assert b"fetched" not in written
    fresh = account.record("ring", manifest, [done])
    assert fresh["heartrate"]["last_moment"] == rates["last_moment"]
    assert fresh["heartrate"]["fetched_at"] > "2024"
    with pytest.raises(DataError, match="'oura' collected, expected 'tsi'"):
        account.check(tmp_path, "tsi")
    (tmp_path / ".collected.json.77.tmp").touch()  # of a killed process; swept afterwards
    account.check(tmp_path, "oura")
    (tmp_path / "mine.csv").touch()
    with pytest.raises(DataError, match=r"mine\.csv, which `temper collect` did not write"):
        account.check(tmp_path, "oura")


def test_windows_are_runs_of_days():
    wanted = [START + timedelta(days=i) for i in (0, 1, 2, 5, 6, 7, 8, 20)]
    found = [[day.day for day in window] for window in days.windows(wanted, 3)]
    assert found == [[1, 2, 3], [6, 7, 8], [9], [21]]
    assert [len(window) for window in days.windows(wanted, 7)] == [5, 2, 1]
    assert days.missing(START, START - timedelta(days=1), {}) == []


def test_a_first_day_is_needed(service: Service, tmp_path: Path):
    module = plugin("dataset", "oura")
    params = module.Params(base_url=service.url)
    with pytest.raises(ParamsError, match="start: missing"):
        collect(module, params, "sleep", tmp_path, TODAY)


def test_a_ring_as_a_table(service: Service, tmp_path: Path):
    module = plugin("dataset", "oura")
    params = ring(service)
    for part in module.parts(params):
        collect(module, params, part, tmp_path / "raw", TODAY)
    (tmp_path / "copy").mkdir()
    module.fetch(params, tmp_path / "raw", tmp_path / "copy")
    assert folder_digest(tmp_path / "copy") == folder_digest(tmp_path / "raw")
    reading = module.read(tmp_path / "copy", params, ZONE)
    assert len(reading.frame) == 40
    assert reading.columns["day"].role == "time"
    assert reading.columns["main_sleep_total_s"].unit == "s"
    assert reading.columns["readiness_score"].role == "target"
    assert reading.frame["heart_rate_samples"].to_list() == [3.0] * 40
    assert reading.frame["workout_distance_m"].sum() == 40 * 1200
    naps = reading.frame.filter(pl.col("other_sleep_count") > 0)
    assert {day.toordinal() % 7 for day in naps["day"]} == {0}
    rates = module.read(tmp_path / "copy", ring(service, table="heartrate"), RATES)
    assert len(rates.frame) == 120
    assert rates.columns["time"].role == "time"


RATES = Table(task="regression", target="heart_rate_bpm")


def weather(asked: Asked) -> Said:
    """Answer as the history of personal weather stations does."""
    if asked.query.get("apiKey") != TOKEN:
        return said(
            {"errors": [{"error": {"code": "CDN-0001", "message": "Invalid apiKey."}}]}, 401
        )
    day = date.fromisoformat(asked.query["date"])
    if day == START + timedelta(days=2):
        return Said(204)
    hours = [_observation(asked.query["stationId"], day, hour) for hour in range(6)]
    return said({"observations": hours})


def _observation(station: str, day: date, hour: int) -> dict[str, Any]:
    metric = {"tempAvg": 10.5 + hour, "pressureMax": 1018.2, "precipRate": 0.0, "windgustAvg": None}
    return {
        "stationID": station, "tz": "America/New_York", "obsTimeUtc": f"{day}T{hour + 5:02}:59:58Z",
        "epoch": 1, "lat": 36.0, "lon": -79.0, "humidityAvg": 54.6 + hour, "qcStatus": 1,
        "novel": 3, "winddirAvg": 66, "metric": metric,
    }  # fmt: skip


def test_a_weather_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = plugin("dataset", "weather_underground")
    monkeypatch.setenv("WU_API_KEY", TOKEN)
    with serving(weather) as service:
        params = module.Params(
            base_url=service.url,
            start=START,
            end=START + timedelta(days=4),
            stations=["KX1", "KX2"],
        )
        for part in module.parts(params):
            collect(module, params, part, tmp_path, TODAY)
        assert {a.query["units"] for a in service.asked} == {"m"}
        assert service.asked[0].path == "/v2/pws/history/hourly"
        reading = module.read(tmp_path, params, Table(task="regression", target="tempAvg"))
        assert len(reading.frame) == 2 * 4 * 6
        assert {n: reading.columns[n].role for n in ("time", "station", "humidityAvg")} == {
            "time": "time", "station": "group", "humidityAvg": "feature",
        }  # fmt: skip
        assert [reading.columns[n].unit for n in ("tempAvg", "pressureMax", "windgustAvg")] == [
            "degC", "hPa", "km/h",
        ]  # fmt: skip
        assert str(reading.frame["time"][0]) == "2024-01-01 05:59:58"
        assert "not known here, and left out: novel" in reading.source["notes"]
        service.answers = lambda _: said(
            {"observations": [{"obsTimeUtc": "2024-01-05T00:00:00Z", "imperial": {"tempAvg": 70}}]}
        )
        with pytest.raises(AnswerError, match="asked for metric units, found imperial"):
            collect(module, params, "KX3", tmp_path, TODAY)
    with pytest.raises(ValueError, match="letters, digits"):
        module.Params(stations=["../x"])
    with pytest.raises(ParamsError, match="stations: missing"):
        module.parts(module.Params())


def test_bad_observations_stop_no_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One without measurements, one without a time, numbers as text and beyond all floats."""
    module = plugin("dataset", "weather_underground")
    monkeypatch.setenv("WU_API_KEY", TOKEN)
    found = [_observation("KX1", START, hour) for hour in range(14)]
    found[0]["metric"], found[1]["obsTimeUtc"] = None, None
    found[2]["metric"] |= {"tempAvg": "7.5", "precipRate": 10**400}
    with serving(lambda _: said({"observations": found})) as service:
        params = module.Params(base_url=service.url, start=START, end=START, stations=["KX1"])
        done = collect(module, params, "KX1", tmp_path, TODAY)
    assert (done.documents, done.undated) == (12, 2)
    reading = module.read(tmp_path, params, Table(task="regression", target="tempAvg"))
    assert reading.frame["tempAvg"].to_list()[:2] == [7.5, 13.5]
    assert reading.frame["precipRate"].to_list()[:2] == [None, 0]
    assert any(n.startswith("KX1: 2 documents without") for n in reading.source["notes"])


class Link:
    """Answers as TSI Link does: a session by id and secret, which ends; records in one list."""

    def __init__(self) -> None:
        self.sessions = 0
        self.left = 0

    def __call__(self, asked: Asked) -> Said:
        if asked.path.endswith("accesstoken"):
            if "client_secret=secret-7%2B7" not in asked.body:
                return said({"message": "bad client"}, 401)
            self.sessions, self.left = self.sessions + 1, 3
            return said({"access_token": f"session-{self.sessions}", "expires_in": "3599"})
        current = f"Bearer session-{self.sessions}"
        if asked.headers.get("authorization") != current or not self.left:
            return said({"message": "Access token expired"}, 401)
        self.left -= 1
        first = date.fromisoformat(asked.query["start_date"][:10])
        last = date.fromisoformat(asked.query["end_date"][:10])
        found = (first + timedelta(days=i) for i in range((last - first).days))
        return said([self.record(asked.query["device_id"], day) for day in found])

    def record(self, device: str, day: date) -> dict[str, Any]:
        return {
            "cloud_device_id": device, "cloud_timestamp": f"{day}T00:17:20.445Z", "model": 8143,
            "timestamp": f"{day}T00:02:19Z", "metadata": {"is_indoor": False}, "serial": "S",
            "mcpm2x5": 8.5, "rh": 31, "temperature": 16.4 + day.day, "tpsize": 0.51,
            "ncpm0x5": 20.0,
        }  # fmt: skip


def test_an_air_monitor_whose_session_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module, link = plugin("dataset", "tsi"), Link()
    monkeypatch.setenv("TSI_CLIENT_ID", "the-client")
    monkeypatch.setenv("TSI_CLIENT_SECRET", "secret-7+7")
    with serving(link) as service:
        params = module.Params(
            base_url=service.url, start=START, end=START + timedelta(days=40), devices=["device03"]
        )
        done = collect(module, params, "device03", tmp_path, TODAY)
        assert done.documents == 41
        assert link.sessions == 2, "six windows, three answers a session"
        assert not any("secret" in str(a.query) for a in service.asked)
        assert service.asked[-1].query["telem[]"] == "voc_mgm3", "all are asked for, one by one"
        reading = module.read(tmp_path, params, Table(task="regression", target="temperature_c"))
        assert len(reading.frame) == 41
        assert [reading.columns[n].role for n in ("time", "device")] == ["time", "group"]
        assert reading.columns["pm2_5_ug_m3"].unit == "ug/m3"
        assert "co2_ppm" not in reading.columns
        monkeypatch.setattr(link, "record", lambda *_: {"sensors": [], "timestamp": "2024"})
        with pytest.raises(AnswerError, match=r"another format: expected temperature.*sensors"):
            collect(module, params, "device05", tmp_path, TODAY)
        monkeypatch.setenv("TSI_CLIENT_SECRET", "wrong-secret")
        with pytest.raises(CredentialsError, match="TSI_CLIENT_ID, TSI_CLIENT_SECRET is not") as e:
            collect(module, params, "device04", tmp_path, TODAY)
        assert "wrong-secret" not in str(e.value)
