"""How long Temper takes: first run, cached run beside plain Prefect, the small commands, `micro`.

    .venv/bin/python -m benchmarks.run_times

Cached runs and plain Prefect flows of as many empty tasks are interleaved; medians are stated.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Timed, median, no_arguments, project, table, temper, timed, write

ROUNDS = 5
PLAIN = """
import sys
from prefect import flow, task

@task
def nothing(x):
    return x

@flow
def plain(count):
    for x in range(count):
        nothing(x)

if __name__ == "__main__":
    plain(int(sys.argv[1]))
"""


def main() -> None:
    """Measure, print the table, write benchmarks/results/run_times.json."""
    no_arguments("run_times", __doc__)
    with project() as environment, TemporaryDirectory() as folder:
        script = Path(folder) / "plain.py"
        script.write_text(PLAIN)
        first = _checked(temper(environment, "run", "digits", watched=True))
        tasks = sum(map(int, re.findall(r"(\d+) (?:tasks ran|cached)", first.output)))
        alone = _cached_beside_plain(environment, script, tasks, folder)
        server = _serve(environment)
        try:
            served = _cached_beside_plain(environment, script, tasks, folder)
            small = {
                "help": [temper(environment, "--help").wall_s for _ in range(ROUNDS)],
                "check": [temper(environment, "check").wall_s for _ in range(ROUNDS)],
                "micro": [
                    _checked(temper(environment, "run", "micro", "--set", f"seed={n}")).wall_s
                    for n in range(1, ROUNDS + 1)
                ],
            }
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    rows = [
        ("first run of digits, new databases, s", round(first.wall_s, 1), "120"),
        ("its peak memory, its processes without the server, MiB", round(first.peak_mib), "3072"),
    ]
    for name, runs in (("no server", alone), ("with a server", served)):
        bar = 1.3 * median(runs["plain"]) + 1
        rows.append((f"cached run, {tasks} tasks, {name}, s", median(runs["temper"]), f"{bar:.2f}"))
        rows.append((f"plain Prefect, {tasks} empty tasks, {name}, s", median(runs["plain"]), ""))
    rows += [
        ("temper --help, s", median(small["help"]), "0.5"),
        ("temper check, s", median(small["check"]), "1.5"),
        ("micro, nothing cached, beside a server, s", median(small["micro"]), "5"),
    ]
    table(rows)
    seconds = {"alone": alone, "served": served, "small": small}
    write(
        "run_times",
        {
            "tasks": tasks,
            "first_run_s": round(first.wall_s, 1),
            "peak_memory_mib": round(first.peak_mib),
            "seconds": {
                k: {n: [round(x, 3) for x in v] for n, v in d.items()} for k, d in seconds.items()
            },
        },
    )


def _cached_beside_plain(
    environment: dict[str, str], script: Path, tasks: int, folder: str
) -> dict[str, list[float]]:
    """Return the seconds of cached runs and of plain flows, taken in turn."""
    url = environment.get("PREFECT_API_URL")
    plain = {**environment, "PREFECT_HOME": f"{folder}/prefect", "PREFECT_LOGGING_LEVEL": "WARNING"}
    if url is None:
        plain["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    runs: dict[str, list[float]] = {"temper": [], "plain": []}
    _checked(timed([sys.executable, str(script), "1"], plain))  # its first one makes a database
    for _ in range(ROUNDS):
        if url is None:
            time.sleep(8)  # until the server of the last run has gone
        cached = _checked(temper(environment, "run", "digits"))
        if not re.search(r"\b0 tasks ran", cached.output):
            raise RuntimeError(f"not all was cached:\n{cached.output}")
        runs["temper"].append(cached.wall_s)
        runs["plain"].append(
            _checked(timed([sys.executable, str(script), str(tasks)], plain)).wall_s
        )
    return runs


def _serve(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the project's server by `temper ui`, and set its address in the environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "ui"],
        env=environment,
        cwd=environment["TEMPER_PROJECT"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    environment["PREFECT_API_URL"] = line.split()[-1] + "/api"
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _checked(run: Timed) -> Timed:
    if run.code:
        raise RuntimeError(f"exit code {run.code}:\n{run.output}")
    return run


if __name__ == "__main__":
    main()
