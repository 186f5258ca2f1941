"""`temper collect`: killed it goes on, no token is shown, what it brings is run and versioned."""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from flows.workload import build
from tasks.core.artifacts import folder_digest
from tasks.core.plugins import ROOT, names, plugin
from tasks.ingest.remote import account
from tasks.ingest.remote.collecting import collect
from tests.pipeline.conftest import Project, until
from tests.services import TOKEN, Asked, Said, Service, oura, said, serving

PARAMS = """
seed: 0
device: cpu
workloads:
  ring:
    table: {{task: regression, target: readiness_score}}
    ingest:
      dataset: oura
      options:
        base_url: {url}
        start: "2024-01-01"
        end: "2024-08-27"
        endpoints: [daily_readiness, sleep]
        patience: {{tries: 2}}
  station:
    table: {{task: regression, target: tempAvg}}
    ingest:
      dataset: weather_underground
      options: {{base_url: {url}, start: "2024-01-01", end: "2024-01-01", stations: [KX1]}}
"""


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(oura) as made:
        yield made


@pytest.fixture
def project(service: Service, api: str, tmp_path: Path) -> Iterator[Project]:
    """Give a project without git and DVC, on the session's server."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(PARAMS.format(url=service.url))
    shutil.copy(ROOT / "pyproject.toml", folder)
    project = Project(folder)
    project.environment |= {
        "PREFECT_API_URL": api,
        "PYTHONPATH": str(ROOT),
        "OURA_TOKEN": TOKEN,
        "WU_API_KEY": TOKEN,
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "httpx,httpcore",
    }
    yield project
    project.end()


def test_killed_at_any_time_it_goes_on_and_gives_the_same_bytes(
    service: Service, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = project.folder / "data" / "raw" / "ring"
    files = lambda: len(list(root.glob("*/*.parquet")))  # noqa: E731
    service.delay_s = 0.03
    before = 0
    for share in (0.2, 0.6):
        killed(project, lambda least=share * 480: files() > least)
        assert before < files() < 480
        before = files()
    asked = len(service.asked)
    service.delay_s = 0
    done = project.temper("collect", "ring")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ring: " in done.stdout
    assert "daily_readiness: 240 documents of 240 days to 2024-08-27" in done.stdout
    assert len(service.asked) - asked < 40, "of 62 from the beginning"
    for asked_again in service.asked[asked:]:
        assert asked_again.query["start_date"] > "2024-01-15"

    monkeypatch.setenv("OURA_TOKEN", TOKEN)
    module = plugin("dataset", "oura")
    whole = tmp_path / "whole"
    params = module.Params(base_url=service.url, start=date(2024, 1, 1), end=date(2024, 8, 27))
    for part in ("daily_readiness", "sleep"):
        collect(module, params, part, whole, date.today())
    account.write(whole, "oura")
    assert folder_digest(root) == folder_digest(whole)


def killed(project: Project, condition: Callable[[], bool]) -> None:
    """Start a collection, and kill it once a condition holds."""
    process = project.start("collect", "ring")
    try:
        assert until(lambda: condition() or process.poll() is not None, 60, 0.005)
        assert process.poll() is None, process.communicate()[0]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_no_token_is_in_what_a_failing_run_leaves(service: Service, project: Project):
    """The service repeats what it was sent; Prefect keeps all that httpx logs."""

    def repeats(asked: Asked) -> Said:
        sent = {"header": asked.headers.get("authorization"), "query": asked.query}
        return said({"detail": "no", "you sent": sent}, 401)

    service.answers = repeats
    for name, variable in (("ring", "OURA_TOKEN"), ("station", "WU_API_KEY")):
        done = project.temper("collect", name)
        assert done.returncode == 2, done.stdout + done.stderr
        assert f"401: {variable} is not valid" in done.stderr
        assert done.stderr.count("CredentialsError") == 1
        assert "Traceback" not in done.stderr
        assert not leaks(done.stdout + done.stderr)
    sent = [a.headers.get("authorization", "") + str(a.query) for a in service.asked]
    assert all(TOKEN in each for each in sent)
    places = [project.folder, project.home, project.user, Path(os.environ["TEMPER_HOME"])]
    kept = [p for place in places for p in place.rglob("*") if p.is_file()]
    database = b"".join(p.read_bytes() for p in kept if p.name.startswith("prefect.db"))
    assert b"WU_API_KEY is not valid" in database, "the failure is logged there"
    assert b"HTTP Request: GET" in database
    for path in kept:
        assert not leaks(path.read_bytes().decode("latin-1")), path


def leaks(text: str) -> bool:
    """Return whether a text has the token, as it is or as an address writes it."""
    return any(form in text for form in (TOKEN, "3fJ9", "Zq=eret", "Zq%3Deret"))


def test_what_is_missing_is_told_before_anything_is_asked(
    service: Service, project: Project, here, monkeypatch: pytest.MonkeyPatch
):
    temper = here(project)
    monkeypatch.delenv("OURA_TOKEN", raising=False)
    done = temper("collect", "ring")
    assert done.returncode == 2
    assert "OURA_TOKEN: not set. Put it into the environment or into .env" in done.stderr
    assert not service.asked
    done = temper("run", "ring", "--until", "ingest")
    assert done.returncode == 2, done.stderr
    assert "nothing was collected yet: `temper collect ring`" in done.stderr


def test_what_was_collected_is_versioned_and_run(
    service: Service, clone: Project, here, monkeypatch: pytest.MonkeyPatch
):
    """One endpoint is refused: the others' data are kept, and the refusal is told."""

    def answers(asked: Asked) -> Said:
        if asked.path.endswith("workout"):
            return said({"detail": "scope workout"}, 403)
        return oura(asked)

    service.answers = answers
    temper = here(clone)
    monkeypatch.setenv("OURA_TOKEN", TOKEN)
    params = clone.folder / "params.yaml"
    text = params.read_text()
    options = f"{{start: '2024-01-01', end: '2024-01-21', base_url: '{service.url}'}}"
    params.write_text(text.replace('options: {start: "2026-01-01"}', f"options: {options}"))
    done = temper("collect", "ring")
    assert done.returncode == 2
    assert "workout: status 403: what OURA_TOKEN may read does not include this" in done.stderr
    root = clone.folder / "data" / "raw" / "ring"
    assert len(list(root.glob("*/*.parquet"))) == 6 * 21

    service.answers = oura
    done = temper("collect", "ring")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ring: 21 days fetched, 21 documents; in data/raw/ring" in done.stdout
    tracked = (clone.folder / "data" / "raw" / "ring.dvc").read_text()
    new = clone.git("status", "--short", "-uall", "data").stdout.split()
    assert new == ["??", "data/raw/ring.dvc"]
    assert clone.dvc("status", "data/raw/ring.dvc").stdout.strip().endswith("up to date.")
    again = temper("collect", "ring")
    assert "ring: 0 days fetched" in again.stdout
    assert (clone.folder / "data" / "raw" / "ring.dvc").read_text() == tracked

    ran = temper("run", "ring", "--until", "ingest")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    made = pl.read_parquet(clone.folder / "data" / "ingest" / "ring" / "table" / "table.parquet")
    assert len(made) == 21
    assert made["workout_count"].to_list() == [1] * 21
    assert (root / account.MANIFEST).is_file(), "the view leaves what was collected as it is"


def test_each_source_that_is_described_has_a_section_and_a_schedule():
    text = (ROOT / "docs" / "collect.md").read_text()
    written = {}
    for block in re.findall(
        r"^```yaml\n(  \w+:\n    table.*?)^```", text, re.DOTALL | re.MULTILINE
    ):
        written |= yaml.safe_load(block)
    assert written.keys() == {"air", "station"}
    for name, section in written.items():
        assert not build(name, section).problems()
    sources = {"oura", *(section["ingest"]["dataset"] for section in written.values())}
    assert sources == {n for n in names("dataset") if plugin("dataset", n).ORIGIN == "collected"}
    content = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())
    (collects,) = (d for d in content["deployments"] if d["name"] == "collect")
    scheduled = {each["parameters"]["name"] for each in collects["schedules"]}
    assert scheduled == {"ring", *written}
