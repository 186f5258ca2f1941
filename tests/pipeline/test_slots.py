"""Slots and the quiet lane: a dead holder gives back at once, a cache hit needs neither."""

import subprocess
import sys
import threading
import time
from contextvars import copy_context

import pytest

from tasks.core import slots
from tests.pipeline.conftest import Project, counts

HOLD = """
import time
from tasks.core import server, slots
server.connect()
with slots.{hold}:
    print("held", flush=True)
    time.sleep(120)
"""


def holder(hold: str, **options) -> subprocess.Popen[str]:
    """Start a process that holds a slot, and return it once it does."""
    code = HOLD.format(hold=hold)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def active(limit: str) -> int:
    """Return how many of a limit's slots Prefect shows as taken."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limit).active_slots


@pytest.mark.parametrize(
    ("hold", "limit"), [("working('cuda')", "gpu"), ("quiet('cpu')", "benchmark")]
)
def test_a_killed_holders_slot_is_back_within_a_second(api: str, hold: str, limit: str):
    with eval(f"slots.{hold}"):  # makes the limit, and opens the connection
        assert active(limit) == 1
    times = []
    for _ in range(3):
        process = holder(hold)
        assert [h["pid"] for h in slots.holders()] == [process.pid]
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        start = time.monotonic()
        with eval(f"slots.{hold}"):
            times.append(time.monotonic() - start)
            assert active(limit) == 1, "the dead holder's lease is released, not added to"
        assert active(limit) == 0
    assert min(times) < 1.0, times
    assert slots.holders() == []


def test_a_measurement_has_the_machine_to_itself(api: str):
    order: list[str] = []
    working, measured = threading.Event(), threading.Event()

    def work() -> None:
        with slots.working("cpu"), slots.working("cpu"):  # work shares the machine
            working.set()
            time.sleep(0.5)
            order.append("worked")

    def measure() -> None:
        working.wait()
        with slots.quiet("cpu"):
            measured.set()
            time.sleep(0.5)
            order.append("measured")

    def more_work() -> None:
        measured.wait()
        with slots.working("cpu"):
            order.append("worked more")

    threads = [  # each with this thread's Prefect settings, as Prefect's own threads have them
        threading.Thread(target=copy_context().run, args=[target])
        for target in (work, measure, more_work)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert order == ["worked", "measured", "worked more"]


def test_a_cache_hit_waits_for_no_slot(ran: Project):
    process = holder("quiet('cuda')", cwd=ran.folder, env=ran.environment)
    try:
        shown = ran.temper("slots").stdout
        assert f"benchmark-0: process {process.pid}" in shown
        assert f"gpu-0: process {process.pid}" in shown
        done = ran.temper("run", "micro", timeout=100)  # would wait for the lane for ever
        assert counts(done.stdout)[0] == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
