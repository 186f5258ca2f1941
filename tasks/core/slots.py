"""The `gpu` slots and the quiet lane: Prefect limits that a dead holder gives back at once.

An OS file lock decides; its file holds the id of the Prefect lease behind it, and whoever gets the
lock of a dead holder releases that lease first. Timed measurements hold the quiet lane alone, all
other heavy work shares it.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from tasks.core import devices, locks
from tasks.core.home import subfolder

LEASE_S = 60.0  # the shortest that Prefect takes
POLL_S = 0.2


@contextmanager
def working(device: str) -> Iterator[None]:
    """Share the machine with other work for a block; on a GPU, in one of its slots."""
    with locks.held(_quiet_file(), shared=True):
        if device == "cuda":
            with _slot("gpu", max(1, len(devices.gpus()))):
                yield
        else:
            yield


@contextmanager
def quiet(device: str) -> Iterator[None]:
    """Have the machine alone for a block: no work of any Temper process beside it."""
    with locks.held(_quiet_file()), _slot("benchmark", 1):
        if device == "cuda":
            with _slot("gpu", max(1, len(devices.gpus()))):
                yield
        else:
            yield


def holders() -> list[dict]:
    """Return who holds each slot now: limit, slot, process id, lease."""
    found = []
    for path in sorted(subfolder("slots").glob("*.slot")):
        descriptor = locks.acquire(path, timeout_s=0)
        if descriptor is not None:
            locks.release(descriptor)
            continue
        with suppress(OSError, ValueError):
            found.append({"slot": path.stem, **json.loads(path.read_text())})
    return found


@contextmanager
def _slot(limit: str, count: int) -> Iterator[None]:
    """Hold one of a limit's slots: the file lock first, then the lease that Prefect shows."""
    path, descriptor = _any_free(limit, count)
    try:
        with _client() as client:
            _release_lease_of_dead(client, path)
            lease = _lease(client, limit, count)
        path.write_text(json.dumps({"pid": os.getpid(), "lease": lease}))
        stop = threading.Event()
        renewal = threading.Thread(target=_renew, args=(lease, stop), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            stop.set()
            with _client() as client:
                client.release_concurrency_slots_with_lease(UUID(lease))
            path.write_text("")
    finally:
        locks.release(descriptor)


def _any_free(limit: str, count: int) -> tuple[Path, int]:
    paths = [subfolder("slots") / f"{limit}-{number}.slot" for number in range(count)]
    if count == 1:  # wait in the kernel: costs nothing, wakes at once
        descriptor = locks.acquire(paths[0])
        assert descriptor is not None
        return paths[0], descriptor
    pause = threading.Event()
    while True:
        for path in paths:
            descriptor = locks.acquire(path, timeout_s=0)
            if descriptor is not None:
                return path, descriptor
        pause.wait(POLL_S)


def _client():
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _release_lease_of_dead(client, path: Path) -> None:
    with suppress(ValueError, KeyError):
        lease = UUID(json.loads(path.read_text())["lease"])
        with suppress(Exception):  # it may have expired, or its server may be gone
            client.release_concurrency_slots_with_lease(lease)


def _lease(client, limit: str, count: int) -> str:
    from prefect.exceptions import ObjectAlreadyExists

    with suppress(ObjectAlreadyExists):  # another process made it meanwhile
        client.upsert_global_concurrency_limit_by_name(limit, count)
    while True:
        try:
            answer = client.increment_concurrency_slots_with_lease(
                names=[limit], slots=1, mode="concurrency", lease_duration=LEASE_S
            )
            return str(answer.json()["lease_id"])
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status != 423:  # locked: a lease that is about to expire on its server
                raise
            threading.Event().wait(POLL_S)


def _renew(lease: str, stop: threading.Event) -> None:
    while not stop.wait(LEASE_S / 3):
        with (
            suppress(Exception),
            _client() as client,
        ):  # the file lock decides; the lease only shows
            client.renew_concurrency_lease(UUID(lease), LEASE_S)


def _quiet_file() -> Path:
    return subfolder("locks") / "quiet-lane"
