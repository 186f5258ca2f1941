"""Deploy, start a worker, trigger a run, see it Completed; from another working directory."""

import os
import signal
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.workload import load
from tests.pipeline.conftest import Project, until


def test_a_triggered_run_completes(ran: Project, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TEMPER_HOME", str(ran.home))
    from tasks.core import server

    had = registered(ran)
    view = {k: v for k, v in ran.shown().items() if "/metrics/" in k}
    deployed = ran.temper("deploy", cwd=tmp_path)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    worker = ran.start("worker", cwd=tmp_path)
    try:
        assert until(lambda: server.running() and server.healthy(str(server.running())), 60)
        url = str(server.running())
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
            known = {item.name: item for item in client.read_deployments()}
            assert {"digits", "micro", "housing"} <= set(known)
            micro = known["micro"]
            _check_form(micro.parameter_openapi_schema)
            assert micro.schedules[0].schedule.cron == "0 1 * * *"
            assert micro.global_concurrency_limit.limit == 1
            other = load("micro", ["seed=7"]).model_dump(mode="json", by_alias=True)
            run = client.create_flow_run_from_deployment(
                micro.id, parameters={"name": "micro", "params": other}
            )

            def state() -> str:
                return str(client.read_flow_run(run.id).state_name)

            assert until(lambda: state() in ("Completed", "Failed", "Crashed"), 150, 0.5), state()
            assert state() == "Completed", client.read_logs()
            nights = {
                r.expected_start_time.hour for r in client.read_flow_runs() if r.auto_scheduled
            }
            assert nights == {1, 2}, "micro and digits; the schedule of housing is off"
        os.killpg(worker.pid, signal.SIGTERM)
        text, _ = worker.communicate(timeout=60)
        assert "Traceback" not in text
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        ran.end()
    assert len(registered(ran) - had) == 1
    assert not (ran.user / ".prefect").exists()
    assert {k: v for k, v in ran.shown().items() if "/metrics/" in k} == view


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
