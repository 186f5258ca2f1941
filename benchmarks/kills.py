"""Kills runs of `micro` at random instants, runs them again, and looks at what is left.

    .venv/bin/python -m benchmarks.kills [--trials N] [--seed N]

Each trial begins with an empty home. SIGKILL goes to the whole process group or to one of its
processes, during `temper run` (a server of its own, or one that is kept), `temper repro`, or a
deployment's run by a worker. Then the same again, undisturbed. The artifacts that hold no times
must have the bytes of an undisturbed run in another project; no task with a record may run again;
no process, lock, slot or temporary file may be left; the killed runs must be Crashed.
"""

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks import harness
from benchmarks.micro import TEMPER, Project, fixed, fresh_database, held_server, let_go
from tasks.core import locks

WAYS = {"run": 5, "run, server kept": 3, "repro": 3, "worker": 2}  # how often, in proportion
CRASHED_WITHIN_S = 60.0
GONE_WITHIN_S = 20.0


class Trial:
    """One kill and what came after."""

    def __init__(self, project: Project, way: str, random: random.Random, spare: Path) -> None:
        self.project, self.way, self.random = project, way, random
        self.entry: dict[str, Any] = {"way": way, "right": False, "compared": 0}
        for folder in (project.home, project.folder / "data", project.folder / "models"):
            shutil.rmtree(folder, ignore_errors=True)
        (project.folder / "dvc.lock").unlink(missing_ok=True)
        project.home.mkdir(mode=0o700)
        shutil.copyfile(spare, project.home / "prefect.db")
        project.environment.pop("PREFECT_API_URL", None)
        self.server = held_server(project.environment) if way != "run" else None

    def end(self) -> None:
        """End the server that was kept, and whatever else still lives."""
        if self.server:
            let_go(self.server)
        for process in self.processes(servers=True):
            with suppress(psutil.Error):
                process.kill()

    def judge(self, usual_s: float, reference: dict[str, str]) -> None:
        """Kill, run again, and note how it went."""
        whole = self.random.random() < 0.5
        moment = self.random.uniform(0.2, usual_s)
        entry = self.entry
        entry["moment_s"] = round(moment, 2)
        entry["killed"] = self._kill(moment, whole)
        if self.server:
            entry["crashed_after_s"] = self._settled(CRASHED_WITHIN_S)
        had = self._records()
        self.project.executed()  # what ran until now does not count
        self._again()
        entry["finished_before"] = len(had)
        keys = self.project.keys()
        entry["done_twice"] = sorted(t for t in self.project.executed() if keys[t] in had)
        ours = fixed(self.project.digests())
        entry["compared"] = len(reference)
        entry["differ"] = sorted(n for n in reference if ours.get(n) != reference[n])
        entry["still_open"] = None if self._settled(GONE_WITHIN_S) is not None else self._open()
        entry["left"] = self._left()
        entry["right"] = not any(
            (entry["done_twice"], entry["differ"], entry["still_open"], entry["left"])
        ) and (not self.server or entry["crashed_after_s"] is not None)

    def _kill(self, moment: float, whole: bool) -> str:
        """Start, wait, kill; return what was killed."""
        command = {"repro": ("repro",), "worker": ("worker",)}.get(self.way, ("run", "micro"))
        if self.way == "worker":
            self.project.run("deploy")
        process = self._start(command)
        if self.way == "worker":
            self._trigger()
        time.sleep(moment)
        family = [process.pid, *(p.pid for p in self._family(process.pid))]
        victim = process.pid if whole else self.random.choice(family)
        words = self._words(victim) if not whole else f"group of {len(family)}"
        with suppress(ProcessLookupError):
            (os.killpg if whole else os.kill)(victim, signal.SIGKILL)
        if whole or victim == process.pid or self.way == "worker":
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=300)
        return words

    def _start(self, command: tuple[str, ...]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*TEMPER, *command],
            cwd=self.project.folder,
            env=self.project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _again(self) -> None:
        """The same once more, undisturbed."""
        if self.way == "worker":
            worker = self._start(("worker",))
            try:
                run = self._trigger()
                _until(lambda: self._state(run) in ("COMPLETED", "FAILED", "CRASHED"), 240)
                if self._state(run) != "COMPLETED":
                    raise RuntimeError(f"the second run is {self._state(run)}")
            finally:
                os.killpg(worker.pid, signal.SIGTERM)
                worker.communicate(timeout=60)
        else:
            self.project.run(*(("repro",) if self.way == "repro" else ("run", "micro")))

    def _trigger(self) -> str:
        """Ask for a run of the deployment `pipeline/micro`; return its id."""
        text = (
            "from prefect.deployments import run_deployment;"
            "print(run_deployment('pipeline/micro', timeout=0).id)"
        )
        done = subprocess.run(
            [TEMPER[0], "-c", text],
            cwd=self.project.folder,
            env=self.project.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[-1]

    def _state(self, run: str) -> str:
        query = "SELECT state_type FROM flow_run WHERE id = ?"
        with closing(sqlite3.connect(self.project.home / "prefect.db", timeout=20)) as database:
            row = database.execute(query, (run,)).fetchone()
            return row[0] if row else ""

    def _open(self) -> list[str]:
        """Return the flow and task runs that have not ended, though no process works at them."""
        query = "SELECT name FROM {} WHERE state_type IN ('RUNNING', 'PENDING', 'CANCELLING')"
        with closing(sqlite3.connect(self.project.home / "prefect.db", timeout=20)) as database:
            return [
                row[0]
                for table in ("flow_run", "task_run")
                for row in database.execute(query.format(table))
            ]

    def _settled(self, limit_s: float) -> float | None:
        """Return after how many seconds no run was open any more; None after the limit."""
        began = time.monotonic()
        if _until(lambda: not self._open(), limit_s):
            return round(time.monotonic() - began, 1)
        return None

    def _records(self) -> set[str]:
        folder = self.project.home / "records"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def _left(self) -> list[str]:
        """Return what should not be there: processes, held locks, temporary files."""
        _until(lambda: not self.processes(), GONE_WITHIN_S)
        left = [self._words(process.pid) for process in self.processes()]
        _until(lambda: not self._temporary(), GONE_WITHIN_S)
        left += self._temporary()
        _until(lambda: not self._held(), GONE_WITHIN_S)
        return left + self._held()

    def _held(self) -> list[str]:
        """Return the locks that somebody holds, but those of a server that lingers or is kept."""
        home = self.project.home
        files = (p for top in ("locks", "slots", "runs") for p in (home / top).rglob("*"))
        servers = ("server", "server-clients")
        return [
            str(p.relative_to(home))
            for p in files
            if p.is_file() and p.name not in servers and not locks.is_free(p)
        ]

    def _temporary(self) -> list[str]:
        home, folder = self.project.home, self.project.folder
        found = [*(home / "tmp").glob("*"), *folder.rglob("*.tmp")]
        return [str(p.relative_to(folder)) for p in found]

    def processes(self, servers: bool = False) -> list[psutil.Process]:
        """Return the living processes that work in this home."""
        found = []
        keeper = self.server.pid if self.server else None
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = process.environ().get("TEMPER_HOME") == str(self.project.home)
                server = "tasks.core.serving" in process.cmdline() or process.pid == keeper
                if mine and process.status() != psutil.STATUS_ZOMBIE and (servers or not server):
                    found.append(process)
        return found

    def _family(self, pid: int) -> list[psutil.Process]:
        """Return the processes of a group's leader, without the server: it has its own session."""
        with suppress(psutil.Error):
            children = psutil.Process(pid).children(recursive=True)
            return [p for p in children if "tasks.core.serving" not in p.cmdline()]
        return []

    def _words(self, pid: int) -> str:
        with suppress(psutil.Error):
            return " ".join(psutil.Process(pid).cmdline()[1:4])[:80]
        return "a process that had ended"


def main() -> None:
    """Kill, run again, judge; print a table, write results/kills.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = trials(asked.trials, asked.seed)
    total, right = Counter(e["way"] for e in found), Counter()
    for entry in found:
        right[entry["way"]] += entry["right"]
        if not entry["right"]:
            print(entry)
    crashed = [e["crashed_after_s"] for e in found if e.get("crashed_after_s") is not None]
    rows = [(f"  {way}", f"{right[way]} of {count}", "") for way, count in total.items()]
    rows += [
        ("right after a kill", f"{sum(right.values())} of {len(found)}", "all"),
        ("largest time to Crashed, beside a server, s", max(crashed, default="-"), "60"),
        ("artifacts compared, bytes", sum(e["compared"] for e in found), ""),
    ]
    harness.table(rows)
    harness.write("kills", {"seed": asked.seed, "trials": found})


def trials(count: int, seed: int, database: Path | None = None) -> list[dict[str, Any]]:
    """Return how so many trials went; the first go each way once."""
    drawn = random.Random(seed)
    more = [way for way, weight in WAYS.items() for _ in range(weight - 1)]
    drawn.shuffle(more)
    ways, found = [*WAYS, *more], []
    with harness.project() as environment, harness.project() as other:
        spare = database or Path(other["TEMPER_PROJECT"]).parent / "fresh.db"
        if database is None:
            fresh_database(other, spare)
        undisturbed = Project(other, spare)
        began = time.monotonic()
        undisturbed.run("run", "micro")
        usual_s = time.monotonic() - began
        reference = fixed(undisturbed.digests())
        for number in range(count):
            way = ways[number % len(ways)]
            trial = Trial(Project(dict(environment)), way, drawn, spare)
            try:
                trial.judge(usual_s * (2 if way == "repro" else 1), reference)
            except (RuntimeError, subprocess.SubprocessError) as error:
                trial.entry["error"] = str(error)
            finally:
                trial.end()
            found.append({"trial": number, **trial.entry})
            print("ok   " if found[-1]["right"] else "WRONG", found[-1], flush=True)
    return found


def _until(condition: Callable[[], Any], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


if __name__ == "__main__":
    main()
