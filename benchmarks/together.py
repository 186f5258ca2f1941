"""Eight runs of `micro` at once, each with other params: eight right results, and one view.

    .venv/bin/python -m benchmarks.together

The right results are those of the same runs, one after the other, in another project.
"""

import subprocess
import time
from pathlib import Path

from benchmarks.harness import no_arguments, project, table, write
from benchmarks.micro import TEMPER, Project

RUNS = 8


def main() -> None:
    """Run, compare, print the table, write benchmarks/results/together.json."""
    no_arguments("together", __doc__)
    with project() as environment, project() as other:
        together, alone = Project(environment), Project(other)
        for place in (together, alone):
            place.run("run", "micro")
        shown = together.digests()
        began = time.monotonic()
        processes = [_started(together, seed) for seed in range(1, RUNS + 1)]
        outputs = [process.communicate()[0] for process in processes]
        took = time.monotonic() - began
        right = sum(
            process.returncode == 0 and _leaderboard(text) == _leaderboard(_one(alone, seed))
            for seed, (process, text) in enumerate(zip(processes, outputs, strict=True), 1)
        )
        same_view = together.digests() == shown
        together.executed()  # what ran until now does not count
        together.run("run", "micro")
        cached = not together.executed() and together.digests() == shown
    kept = same_view and cached
    table(
        [
            (f"runs at once that gave what they give alone, of {RUNS}", right, str(RUNS)),
            ("the view is still that of params.yaml, and cached", kept, "True"),
            ("all of them, s", round(took, 1), ""),
        ]
    )
    write(
        "together",
        {"runs": RUNS, "right": right, "view": kept, "seconds": round(took, 1)},
    )


def _started(place: Project, seed: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*TEMPER, "run", "micro", "--set", f"seed={seed}"],
        cwd=place.folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _one(place: Project, seed: int) -> str:
    return place.run("run", "micro", "--set", f"seed={seed}")


def _leaderboard(output: str) -> bytes | None:
    """Return the leaderboard of the report that a run's output names."""
    for line in output.splitlines():
        if line.startswith("Report: "):
            return (Path(line.removeprefix("Report: ")).parent / "leaderboard.csv").read_bytes()
    return None


if __name__ == "__main__":
    main()
