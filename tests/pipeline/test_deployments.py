"""Deploy, start a worker, trigger runs, see them Completed; from another working directory."""

import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.workload import load
from tests.pipeline.conftest import Project, until
from tests.services import TOKEN, oura, serving

ENDED = ("Completed", "Failed", "Crashed")


class Working(NamedTuple):
    """A project with a worker, the client of its server, and its deployments by name."""

    project: Project
    client: Any
    known: dict[str, Any]

    def state(self, run: Any) -> str:
        """Return the state in which a run ended."""
        state = lambda: str(self.client.read_flow_run(run.id).state_name)  # noqa: E731
        assert until(lambda: state() in ENDED, 150, 0.5), state()
        return state()


@pytest.fixture(scope="module")
def working(ran: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Working]:
    """Give a project whose deployments a worker serves; its ring is a service of this machine."""
    from tasks.core import server

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    params = ran.folder / "params.yaml"
    text, environment = params.read_text(), dict(ran.environment)
    ran.environment |= {"OURA_TOKEN": TOKEN}
    with pytest.MonkeyPatch.context() as patch, serving(oura) as service:
        patch.setenv("TEMPER_HOME", str(ran.home))
        options = f"{{start: '2024-01-01', end: '2024-01-09', base_url: '{service.url}'}}"
        params.write_text(text.replace('options: {start: "2026-01-01"}', f"options: {options}"))
        deployed = ran.temper("deploy", cwd=elsewhere)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        worker = ran.start("worker", cwd=elsewhere)
        try:
            assert until(lambda: server.running() and server.healthy(str(server.running())), 60)
            url = str(server.running())
            with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
                yield Working(ran, client, {d.name: d for d in client.read_deployments()})
            os.killpg(worker.pid, signal.SIGTERM)
            said, _ = worker.communicate(timeout=60)
            assert "Traceback" not in said
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            ran.end()
            ran.environment = environment
            params.write_text(text)
            shutil.rmtree(ran.folder / "data" / "raw" / "ring", ignore_errors=True)
            (ran.folder / "data" / "raw" / "ring.dvc").unlink(missing_ok=True)


def test_a_triggered_run_completes(working: Working):
    ran, client = working.project, working.client
    had = registered(ran)
    view = {k: v for k, v in ran.shown().items() if "/metrics/" in k}
    assert {"digits", "micro", "housing"} <= set(working.known)
    micro = working.known["micro"]
    _check_form(micro.parameter_openapi_schema)
    assert micro.schedules[0].schedule.cron == "0 1 * * *"
    assert micro.global_concurrency_limit.limit == 1
    other = load("micro", ["seed=7"]).model_dump(mode="json", by_alias=True)
    run = client.create_flow_run_from_deployment(
        micro.id, parameters={"name": "micro", "params": other}
    )
    assert working.state(run) == "Completed", client.read_logs()
    nights = {r.expected_start_time.hour for r in client.read_flow_runs() if r.auto_scheduled}
    assert nights == {1, 2}, "micro and digits; the schedule of housing is off"
    assert len(registered(ran) - had) == 1
    assert not (ran.user / ".prefect").exists()
    assert {k: v for k, v in ran.shown().items() if "/metrics/" in k} == view


def test_the_deployment_collects(working: Working):
    """With the parameters of its schedule; each source has a schedule."""
    collects = working.known["collect"]
    schedules = {each.slug: each for each in collects.schedules}
    assert not any(each.active for each in schedules.values())
    of = {slug: each.parameters["name"] for slug, each in schedules.items()}
    assert of == {"ring": "ring", "air": "air", "station": "station"}
    run = working.client.create_flow_run_from_deployment(
        collects.id, parameters=schedules["ring"].parameters
    )
    assert working.state(run) == "Completed", working.client.read_logs()
    assert len(list((working.project.folder / "data/raw/ring").glob("*/*.parquet"))) == 7 * 9


def registered(project: Project) -> set[str]:
    """Return the keys of the registrations that were done in a project's home."""
    return {p.name for p in (project.home / "records").glob("register-*")}


def _check_form(schema: dict) -> None:
    """The parameters are typed down to the fields of a step."""
    assert set(schema["properties"]) == {"name", "params", "until", "measure_again"}
    workload = schema["definitions"]["Workload"]["properties"]
    assert {"seed", "device", "table", "train", "compress", "recommend"} <= set(workload)
    assert workload["seed"]["type"] == "integer"
    assert schema["properties"]["until"]["enum"][0] == "ingest"
