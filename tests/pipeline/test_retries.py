"""What is tried again, and what is not: by the kind of error, through Prefect itself."""

from collections import Counter
from pathlib import Path

import pytest
from prefect import flow, task

from tasks.core import child, errors, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import RETRIES, cached

KINDS = {
    "transient": errors.TransientError,
    "store": errors.StoreError,
    "memory": errors.OutOfMemory,
    "disk": OSError,
    "connection": ConnectionResetError,
    "host memory": MemoryError,
    "data": errors.DataError,
    "params": errors.ParamsError,
    "parity": errors.ParityError,
    "constraint": errors.ConstraintError,
    "unavailable": errors.EngineUnavailable,
    "time": errors.TimeLimitExceeded,
    "bug": ZeroDivisionError,
    "wrong value": ValueError,
}
AGAIN = {"transient", "store", "memory", "disk", "connection", "host memory"}
tries: Counter[str] = Counter()


def raise_in_child(kind: str) -> None:
    raise KINDS[kind](f"{kind} went wrong")


@task(name="failing", task_run_name="{kind}", **cached())
def failing(kind: str, times: int, in_child: bool, salt: str) -> Artifact:
    """Fail some times, then return an artifact."""
    name = f"{kind} {salt}"
    tries[name] += 1
    if tries[name] <= times:
        if in_child:
            child.run(raise_in_child, kind)
        raise_in_child(kind)
    with store.writing() as folder:
        (folder / "kind").write_text(name)
        return store.put("failing/done", folder)


@pytest.fixture
def made(api: str, temper_home: Path, monkeypatch: pytest.MonkeyPatch):
    """Give a function that runs the task once for each kind, and returns the states' names."""
    monkeypatch.setenv("PREFECT_LOCAL_STORAGE_PATH", str(temper_home / "records"))
    quick = failing.with_options(retry_delay_seconds=[0.0] * len(RETRIES))

    def run(kinds: list[str], times: int, in_child: bool, salt: str) -> dict[str, str]:
        @flow
        def every() -> dict[str, str]:
            futures = {k: quick.submit(k, times, in_child, salt) for k in kinds}
            for future in futures.values():
                future.wait()
            return {k: str(future.state.name) for k, future in futures.items()}

        return every()

    return run


@pytest.mark.parametrize("in_child", [False, True])
def test_transient_errors_alone_are_tried_again(made, in_child: bool):
    salt = f"once {in_child}"
    kinds = ["disk", "host memory", "data", "bug"] if in_child else list(KINDS)
    states = made(kinds, 1, in_child, salt)
    assert states == {kind: "Completed" if kind in AGAIN else "Failed" for kind in kinds}
    assert {kind: tries[f"{kind} {salt}"] for kind in kinds} == {
        kind: 2 if kind in AGAIN else 1 for kind in kinds
    }


def test_not_for_ever(made):
    assert made(["transient"], 99, False, "ever") == {"transient": "Failed"}
    assert tries["transient ever"] == 1 + len(RETRIES)
