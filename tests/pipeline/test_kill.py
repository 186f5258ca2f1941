"""Killing a run at any time leaves no process and no lock, and the next run goes on."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from benchmarks import kills
from tasks.core.crashes import STARTED_WITHIN
from tests.pipeline.conftest import Project, counts, until

MEASURED = (
    "benchmark",
    "recommend",
    "register",
    "report",
    "telemetry",
)  # hold times, or follow them


def records(project: Project) -> set[str]:
    """Return the names of the tasks with a record."""
    folder = project.home / "records"
    return {p.name.rsplit("-", 1)[0] for p in folder.glob("*")} if folder.exists() else set()


def killed(project: Project, condition: Callable[[], bool], group: bool) -> None:
    """Start a run, and kill it (its group, or its main process alone) once a condition holds."""
    process = project.start("run", "micro")
    try:
        assert until(lambda: condition() or process.poll() is not None, 120, 0.02)
        assert process.poll() is None, process.communicate()[0]
    finally:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def killed_at_random(project: Project, drawn: random.Random) -> None:
    """Start a run, and kill its group or one of its processes at some instant of its first 4 s."""
    process = project.start("run", "micro")
    try:
        time.sleep(drawn.uniform(0.3, 4.0))
        children = psutil.Process(process.pid).children(recursive=True)
        ours = [p.pid for p in children if os.getpgid(p.pid) == process.pid]  # not the server
        one = drawn.choice([process.pid, *ours])
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
        if drawn.random() < 0.5:
            os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.communicate(timeout=120)
    assert until(lambda: not project.processes(server=False), 15), project.processes(server=False)


def settled(project: Project) -> bool:
    """Return whether every run has ended: one killed while Pending ends with the next server, when
    it has been Pending for longer than a start takes.
    """
    if until(lambda: not open_runs(project), 20):
        return True
    time.sleep(STARTED_WITHIN.total_seconds())
    assert project.temper("run", "micro").returncode == 0
    return until(lambda: not open_runs(project), 20)


def open_runs(project: Project) -> list[str]:
    """Return the states of flow and task runs that have not ended."""
    query = "SELECT state_name FROM {} WHERE state_type IN ('RUNNING', 'PENDING')"
    with closing(sqlite3.connect(project.home / "prefect.db", timeout=20)) as database:
        return [
            row[0]
            for table in ("flow_run", "task_run")
            for row in database.execute(query.format(table))
        ]


def states(database: Path, name: str) -> list[str]:
    """Return how the flow runs of a name ended, oldest first, from Prefect's database."""
    query = "SELECT state_name FROM flow_run WHERE name = ? ORDER BY created"
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        return [row[0] for row in connection.execute(query, (name,))]


@pytest.mark.harness
def test_killed_ten_times_the_next_run_goes_on(clone: Project, ran: Project):
    moments = [  # (condition, whole group): in start-up, in the fits, before and in the benchmark
        (lambda: (clone.home / "server.json").exists(), True),
        (lambda: "ingest" in records(clone), False),
        (lambda: "fit" in records(clone), True),
        (lambda: "compress" in records(clone), False),
    ]
    for condition, group in moments:
        before = records(clone)
        killed(clone, condition, group)
        assert until(lambda: not clone.processes(server=False), 15), clone.processes(server=False)
        assert records(clone) >= before
    drawn = random.Random(11)
    for _ in range(6):
        killed_at_random(clone, drawn)
    had = records(clone)
    assert {"fetch", "ingest", "validate", "clean", "features", "fit"} <= had

    done = clone.temper("run", "micro")

    assert done.returncode == 0, done.stdout + done.stderr
    ran_now, cached = counts(done.stdout)
    assert cached >= len(had), "finished tasks are not run again"
    assert ran_now + cached >= 15
    ours, theirs = clone.manifests(), ran.manifests()
    assert set(ours) == set(theirs)
    fixed = [name for name in ours if name.split("/")[0] not in MEASURED]
    assert len(fixed) >= 12
    assert {n: ours[n] for n in fixed} == {n: theirs[n] for n in fixed}

    assert settled(clone), open_runs(clone)
    pipelines = states(clone.home / "prefect.db", "micro")
    assert pipelines[-1] == "Completed"
    assert set(pipelines[:-1]) <= {"Crashed", "Failed", "Completed"}
    assert pipelines.count("Crashed") >= 3
    assert until(lambda: not clone.processes(), 25), clone.processes()
    assert until(lambda: not clone.held(), 5), clone.held()  # a process lets go as it ends
    leftovers = list((clone.home / "tmp").glob("*"))
    assert not leftovers, leftovers


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_in_each_way_of_running(new_database: Path):
    found = kills.trials(len(kills.WAYS), seed=1, database=new_database)
    assert {entry["way"] for entry in found} == set(kills.WAYS)
    assert [entry for entry in found if not entry["right"]] == []
    assert all(entry["compared"] >= 12 for entry in found)


@pytest.mark.parametrize(
    "sign", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_ends_without_a_traceback(ran: Project, sign: signal.Signals):
    folder, had = ran.home / "records", len(list((ran.home / "records").iterdir()))
    seed = f"seed={int(sign) + 100}"  # nothing of it is cached from `features` on
    process = ran.start("run", "micro", "--until", "train", "--set", seed)
    assert until(lambda: len(list(folder.iterdir())) > had, 120, 0.02)
    process.send_signal(sign)
    try:
        text, _ = process.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        ran.end()
        raise
    assert process.returncode not in (0, 2, 3)
    assert "Traceback" not in text
    again = f"`temper run micro --set {seed} --until train` goes on from what is finished"
    assert (again in text) == (sign == signal.SIGINT)
    assert until(lambda: not ran.processes(server=False), 10)
