"""`temper why`: what would run and why, before a run as after it; it runs and writes nothing."""

import re
from collections.abc import Callable

from tests.pipeline.conftest import Done, Project

STATES = ("cached", "restored", "would run")


def verdicts(temper: Callable[..., Done], *arguments: str) -> dict[str, tuple[str, str]]:
    """Return for each task what `temper why micro` says of now: the state and the cause."""
    done = temper("why", "micro", *arguments)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines()[1:]:  # the last state: how it last ended comes before
        told = re.fullmatch(rf"(\S+(?: \S+)*)  .*  ({'|'.join(STATES)})(?:  +(.*?))? *", line)
        if told:
            found[told[1]] = (told[2], told[3] or "")
    assert len(found) >= 15, done.stdout
    return found


def states(found: dict[str, tuple[str, str]]) -> set[str]:
    return {state for state, _ in found.values()}


def test_it_says_what_would_run_and_why_and_changes_nothing(ran: Project, here):
    temper = here(ran)
    before = {
        p: p.stat().st_mtime_ns
        for top in ("store", "records", "traces")
        for p in (ran.home / top).rglob("*")
    }

    assert states(verdicts(temper)) <= {"cached", "restored"}  # by what other tests ran before

    other = verdicts(temper, "--set", "train.models.linear.c=0.31")
    assert other["fit linear"][0] == "would run"
    assert re.fullmatch(
        r"params workloads\.micro\.train\.models\.linear\.c \S+ -> 0\.31", other["fit linear"][1]
    )
    assert other["features"][0] in ("cached", "restored")
    assert other["compare"][1].endswith(" may change")

    after = {
        p: p.stat().st_mtime_ns
        for top in ("store", "records", "traces")
        for p in (ran.home / top).rglob("*")
    }
    assert after == before


def test_it_names_the_code_that_was_changed(beside: Project):
    model = beside.folder / "tasks" / "train" / "models" / "linear.py"
    model.write_text(model.read_text() + "\nUNUSED = 1\n")
    package = beside.folder / "tasks" / "clean" / "__init__.py"
    package.write_text(package.read_text() + "\nUNUSED = 1\n")

    found = verdicts(beside.temper)

    assert found["fit linear"] == ("would run", "code tasks/train/models/linear.py")
    assert found["clean"] == ("would run", "code tasks/clean/__init__.py")
    assert found["validate"] == ("cached", "")


def test_a_task_is_picked_by_name_or_step_and_an_unknown_one_is_told(ran: Project, here):
    temper = here(ran)
    one = temper("why", "micro", "fit")
    assert one.returncode == 0, one.stderr
    rows = [line for line in one.stdout.splitlines()[1:] if line.strip()]
    labels = [line.split("  ")[0] for line in rows if line[0] != " "]  # others go on with a reason
    assert labels
    assert all(label.startswith("fit ") for label in labels), one.stdout

    wrong = temper("why", "micro", "liner")
    assert wrong.returncode == 2
    assert "unknown task 'liner'. Did you mean 'linear'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr
