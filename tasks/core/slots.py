"""The `gpu` slots and the quiet lane: Prefect limits that a dead holder gives back at once.

OS file locks decide, and who waits for one waits in the kernel, in turn at a gate. A slot's file
says who holds it and which Prefect lease shows it; whoever gets the slot of a dead holder releases
that lease first. Timed measurements hold the quiet lane alone, all other heavy work shares it.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.core import devices, locks, server
from tasks.core.home import subfolder

LEASE_S = 60.0  # the shortest that Prefect takes
POLL_S = 0.25  # by the first in the queue alone: 0.6 ms of CPU a second
SLOW_POLL_S = 1.0  # for what this machine's kernel cannot tell: GPU memory, holders elsewhere
RECORD_BYTES = 1024  # a record is one write of this size: whole, or not there


@contextmanager
def working(device: str, need_mib: int = 0) -> Iterator[None]:
    """Share the machine with other work for a block; on a GPU, in one of its slots.

    Not within itself: a measurement that waits between the two would wait for ever.

    Args:
        device: `cpu` or `cuda`.
        need_mib: GPU memory that the work needs by its estimate; it waits until that is free.

    Raises:
        EngineUnavailable: the GPU is smaller than the need.
    """
    with _lane(shared=True), _gpu(device, need_mib):
        yield


@contextmanager
def quiet(device: str) -> Iterator[None]:
    """Have the machine alone for a block: no work of any Temper process beside it."""
    with _lane(shared=False), slot("benchmark", 1), _gpu(device, 0):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Have the machine alone for a block, as `quiet` does, but without a Prefect server: for what
    no flow runs.
    """
    with _lane(shared=False):
        yield


@contextmanager
def slot(limit: str, count: int, need_mib: int = 0) -> Iterator[None]:
    """Hold one of a limit's `count` slots for a block, once there is `need_mib` of GPU memory.

    Raises:
        EngineUnavailable: the GPU is smaller than the need.
    """
    devices.require(need_mib)
    descriptor, record = _admitted(limit, count, need_mib)
    try:
        with _shown(limit, count, descriptor, record):
            yield
    finally:
        locks.release(descriptor)


def holders() -> list[dict[str, Any]]:
    """Return who holds each slot: limit, slot, pid, what it does, since when, need_mib, lease."""
    found = []
    for path in sorted(subfolder("slots").glob("*.slot")):
        if locks.is_free(path):
            continue
        limit, _, number = path.stem.rpartition("-")
        if (record := _read(path)) and locks.alive(record["pid"]):  # else it is being released
            found.append({"limit": limit, "slot": int(number), **record})
    return found


def release_dead() -> None:
    """Let Prefect's leases go of holders that died, where nobody has taken their slot since."""
    for path in subfolder("slots").glob("*.slot"):
        descriptor = locks.acquire(path, timeout_s=0)
        if descriptor is None:
            continue
        try:
            if record := _read(path):
                with _client() as client:
                    _release(client, record["lease"])
                os.ftruncate(descriptor, 0)
        finally:
            locks.release(descriptor)


def waiting(limit: str) -> list[int]:
    """Return the processes that wait for a limit's slots, the first of the queue first."""
    return _queue(_gate(limit))


def lane() -> tuple[list[int], list[int]]:
    """Return the processes that share the quiet lane, or have it, and those that wait for it."""
    return locks.processes(_lane_file())[0], _queue(_lane_gate())


@contextmanager
def _lane(shared: bool) -> Iterator[None]:
    """Hold the quiet lane. Who waits for it holds the gate, so that work which comes later does not
    overtake a measurement: the kernel alone would let it.
    """
    with locks.held(_lane_gate()):
        descriptor = locks.acquire(_lane_file(), shared=shared)
        assert descriptor is not None
    try:
        yield
    finally:
        locks.release(descriptor)


def _gpu(device: str, need_mib: int) -> AbstractContextManager[None]:
    if device != "cuda":
        return nullcontext()
    return slot("gpu", max(1, len(devices.gpus())), need_mib)


def _admitted(limit: str, count: int, need_mib: int) -> tuple[int, dict[str, Any]]:
    """Return the lock of a slot, and its record with the lease of the last holder if it died.

    Only the first in the queue looks for a slot and for memory. So it may poll, and a large need is
    not overtaken by small ones.
    """
    with locks.held(_gate(limit)):
        path, descriptor = _any_free(limit, count)
        try:
            lease = (_read(path) or {}).get("lease")
            record = {"pid": os.getpid(), "what": _what(), "since": time.time(), "lease": lease}
            _write(descriptor, record | {"need_mib": 0})
            while not devices.admits(need_mib, _promised(limit)):
                time.sleep(SLOW_POLL_S)
            record |= {"need_mib": need_mib}
            _write(descriptor, record)
        except BaseException:
            locks.release(descriptor)
            raise
    return descriptor, record


def _any_free(limit: str, count: int) -> tuple[Path, int]:
    paths = [subfolder("slots") / f"{limit}-{number}.slot" for number in range(count)]
    if count == 1:
        descriptor = locks.acquire(paths[0])
        assert descriptor is not None
        return paths[0], descriptor
    while True:
        for path in paths:
            descriptor = locks.acquire(path, timeout_s=0)
            if descriptor is not None:
                return path, descriptor
        time.sleep(POLL_S)


def _promised(limit: str) -> int:
    """Return the GPU memory that the holders of a limit's slots were admitted with, MiB."""
    return sum(holder["need_mib"] for holder in holders() if holder["limit"] == limit)


@contextmanager
def _shown(limit: str, count: int, descriptor: int, record: dict[str, Any]) -> Iterator[None]:
    """Show a held slot in Prefect for a block, by a lease that is renewed."""
    with _client() as client:
        with suppress(Exception):  # it may have expired, or its server may be gone
            _release(client, record["lease"])
        record["lease"] = _lease(client, limit, count)
    _write(descriptor, record)
    stop = threading.Event()
    renewal = threading.Thread(
        target=_renew, args=(limit, descriptor, record, stop), name="lease", daemon=True
    )
    renewal.start()
    try:
        yield
    finally:
        stop.set()
        renewal.join()
        with suppress(Exception):  # the work is done; the next holder releases it
            with _client() as client:
                _release(client, record["lease"])
            os.ftruncate(descriptor, 0)


def _client() -> Any:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _release(client: Any, lease: str | None) -> None:
    if lease is not None:
        client.release_concurrency_slots_with_lease(UUID(lease))


def _lease(client: Any, limit: str, count: int) -> str | None:
    """Return a lease; None where the project's own server counts a holder that no longer lives.

    One that died while its lease was being made left it without a record: it stands for this one
    until it expires. On a server of others a full limit has holders elsewhere: they are waited for.
    """
    from prefect.exceptions import ObjectAlreadyExists

    with suppress(ObjectAlreadyExists):  # another process made it meanwhile
        client.upsert_global_concurrency_limit_by_name(limit, count)
    while (lease := _increment(client, limit)) is None:
        if str(client.api_url).rstrip("/") == server.running():
            break
        time.sleep(SLOW_POLL_S)
    return lease


def _increment(client: Any, limit: str) -> str | None:
    """Return a new lease of a limit; None where Prefect counts all slots as taken."""
    from httpx import HTTPStatusError

    try:
        answer = client.increment_concurrency_slots_with_lease(
            names=[limit], slots=1, mode="concurrency", lease_duration=LEASE_S
        )
    except HTTPStatusError as error:
        if error.response.status_code != 423:  # locked
            raise
        return None
    return str(answer.json()["lease_id"])


def _renew(limit: str, descriptor: int, record: dict[str, Any], stop: threading.Event) -> None:
    """Keep a lease alive, and take a new one where there is none: after a long sleep, say."""
    while not stop.wait(LEASE_S / 3):
        with suppress(Exception), _client() as client:  # the lock decides; the lease only shows
            if record["lease"] is None or not _renewed(client, record["lease"]):
                record["lease"] = _increment(client, limit)
                _write(descriptor, record)


def _renewed(client: Any, lease: str) -> bool:
    """Renew a lease; return whether there still is one."""
    from httpx import HTTPStatusError

    try:
        client.renew_concurrency_lease(UUID(lease), LEASE_S)
    except HTTPStatusError as error:
        if error.response.status_code != 410:  # gone
            raise
        return False
    return True


def _what() -> str:
    """Return what this thread works on by the names of its flow run and its task run."""
    from prefect.context import FlowRunContext, TaskRunContext

    flow, task = FlowRunContext.get(), TaskRunContext.get()
    runs = (flow.flow_run if flow else None, task.task_run if task else None)
    return "/".join(run.name for run in runs if run)[: RECORD_BYTES // 4]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(descriptor: int, record: dict[str, Any]) -> None:
    os.pwrite(descriptor, json.dumps(record).ljust(RECORD_BYTES).encode(), 0)


def _queue(gate: Path) -> list[int]:
    """Return the processes at a gate: the first in the queue holds it."""
    first, others = locks.processes(gate)
    return first + others


def _gate(limit: str) -> Path:
    return subfolder("slots") / f"{limit}.gate"


def _lane_file() -> Path:
    return subfolder("locks") / "quiet-lane"


def _lane_gate() -> Path:
    return subfolder("locks") / "quiet-lane.gate"
