"""Slots and the quiet lane: a dead holder gives back at once, a cache hit needs neither."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from contextvars import copy_context

import pytest
from prefect import flow, task

from benchmarks.slots.stress import longest_gap, most_at_once
from tasks.core import devices, locks, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.errors import EngineUnavailable
from tasks.core.home import subfolder
from tests.pipeline.conftest import Project, counts, until

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


@contextmanager
def held(hold: str, **options):
    """Let a process hold a slot for a block."""
    process = holder(hold, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def active(limit: str) -> int:
    """Return how many of a limit's slots Prefect shows as taken."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limit).active_slots


@pytest.mark.parametrize(
    ("hold", "limit"), [("working('cuda')", "gpu"), ("quiet('cpu')", "benchmark")]
)
def test_a_killed_holders_slot_and_lease_are_taken_over(api: str, hold: str, limit: str):
    with eval(f"slots.{hold}"):  # makes the limit, and opens the connection
        assert active(limit) == 1
    process = holder(hold)
    assert [h["pid"] for h in slots.holders()] == [process.pid]
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    with locks.held(subfolder("slots") / f"{limit}-0.slot"):  # as who takes it over does
        assert slots.holders() == []
    with eval(f"slots.{hold}"):
        assert active(limit) == 1, "the dead holder's lease is released, not added to"
    assert active(limit) == 0
    assert slots.holders() == []


def test_a_measurement_has_the_machine_to_itself(api: str):
    order: list[str] = []
    working, measured = threading.Event(), threading.Event()
    both = threading.Barrier(2, working.set)

    def work() -> None:
        with slots.working("cpu"):  # work shares the machine
            both.wait(20)
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
        for target in (work, work, measure, more_work)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert order == ["worked", "worked", "measured", "worked more"]


def test_work_that_comes_later_does_not_overtake_a_measurement(api: str):
    order: list[str] = []

    def measure() -> None:
        with slots.quiet("cpu"):
            order.append("measured")

    def more_work() -> None:
        with slots.working("cpu"):
            order.append("worked")

    waits = []
    with slots.working("cpu"):
        for place, target in enumerate((measure, more_work), start=1):
            waits.append(threading.Thread(target=copy_context().run, args=[target]))
            waits[-1].start()
            assert until(lambda place=place: len(slots.lane()[1]) == place)
        assert order == []
    for wait in waits:
        wait.join(30)
    assert order == ["measured", "worked"]


def test_intervals_are_counted_as_they_overlap():
    assert most_at_once([(0.0, 1.0), (1.0, 2.0), (3.0, 4.0)]) == 1
    assert most_at_once([(0.0, 5.0), (1.0, 2.0), (1.5, 4.0)]) == 3
    assert longest_gap([(0.0, 5.0), (1.0, 2.0), (7.0, 8.0)]) == 2.0


def test_kills_a_stress_and_a_stream_of_work(api: str):
    """The short version of benchmarks/slots; it counts by what the holders wrote down."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.slots", "--short"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["slot_back_s"]["one slot"]["n"] == 10
    back = [*found["slot_back_s"].values(), *found["lane_back_s"].values()]
    assert all(times["p50"] < 1 for times in back), back
    for run in found["stress"]:
        assert run["held"] > run["slots"]
        assert 1 <= run["most_holders"] <= run["slots"]
        assert run["most_active_slots"] <= run["slots"]
    assert max(found["waiting_ms_cpu_a_second"].values()) < 10
    lane = found["measurement_in_a_stream_of_work"]
    assert lane["waits_s"]["max"] < 10
    assert lane["without_the_gate_s"] is None, "the kernel's lock alone would do: drop the gate"


def test_a_lease_without_a_record_keeps_nobody_waiting(api: str):
    """Its holder died while it was made: Prefect counts it for a minute, the file lock does not."""
    from prefect.client.orchestration import get_client

    with slots.slot("orphan", 1):
        pass
    with get_client(sync_client=True) as client:
        assert slots._increment(client, "orphan")
    begin = time.monotonic()
    with slots.slot("orphan", 1):
        assert time.monotonic() - begin < 5
        assert slots.holders()[0]["lease"] is None
        assert active("orphan") == 1


def test_a_dead_holder_that_nobody_follows_is_taken_off_prefects_count(api: str):
    with held("slot('alone', 2)"):
        assert active("alone") == 1
    assert until(lambda: active("alone") == 0)  # the server looks every five seconds


def test_work_is_not_lost_where_the_server_is_gone_at_its_end(api: str, monkeypatch):
    def gone():
        raise ConnectionError

    with slots.slot("ending", 1):
        client = slots._client
        monkeypatch.setattr(slots, "_client", gone)
    monkeypatch.setattr(slots, "_client", client)
    assert active("ending") == 1
    with slots.slot("ending", 1):
        assert active("ending") == 1, "the next holder releases it"
    assert active("ending") == 0


BODIES: list[str] = []


@task(name="on-gpu", task_run_name="{word}", **cached())
def on_gpu(word: str) -> Artifact:
    """Return a word as an artifact; made in a slot."""
    with slots.working("cuda"), store.writing() as out:
        BODIES.append(slots.holders()[0]["what"])
        (out / "word").write_text(word)
        return store.put("test/word", out)


def test_a_cached_task_takes_no_slot(api: str):
    run = flow(lambda word: on_gpu(word), name="words", flow_run_name="words of a test")
    made = run("first")
    assert BODIES == ["words of a test/first"]
    with held("slot('gpu', 1)") as process:
        assert run("first") == made  # would wait for ever
        assert BODIES == ["words of a test/first"]
        late = threading.Thread(target=copy_context().run, args=[run, "second"])
        late.start()
        assert until(lambda: len(slots.waiting("gpu")) == 1)
        assert [h["pid"] for h in slots.holders()] == [process.pid]
    late.join(30)
    assert BODIES[1:] == ["words of a test/second"]


def test_a_cached_run_waits_for_no_slot_and_the_holder_is_shown(ran: Project):
    with held("quiet('cuda')", cwd=ran.folder, env=ran.environment) as process:
        waiter = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(hold="working('cpu')")],
            cwd=ran.folder,
            env=ran.environment,
        )
        lane = ran.home / "locks" / "quiet-lane"
        assert until(lambda: locks.processes(lane) == ([process.pid], [waiter.pid]))
        lines = ran.temper("slots").stdout.splitlines()
        waiter.kill()
        waiter.wait()
        assert lines[0].startswith(f"benchmark-0: process {process.pid}, -c import time")
        assert " since " in lines[0]
        assert lines[1].startswith(f"gpu-0: process {process.pid}, ")
        assert lines[2].startswith(f"quiet lane: process {process.pid}, ")
        assert lines[3].startswith(f"  waiting: process {waiter.pid}, ")
        done = ran.temper("run", "micro", timeout=100)  # would wait for the lane for ever
        assert counts(done.stdout)[0] == 0
    assert ran.temper("slots").stdout == "no slot is held\n"


@pytest.fixture
def gpu(monkeypatch):
    """Give a GPU of 1000 MiB, whose free memory the test sets."""
    free = [1000]
    monkeypatch.setattr(devices, "gpus", lambda: (devices.Gpu("A GPU", 1000, "1"),))
    monkeypatch.setattr(devices, "memory", lambda: devices.Memory(free[0], 1000))
    monkeypatch.setattr(slots, "SLOW_POLL_S", 0.05)
    return free


def test_work_waits_until_its_need_is_free(api: str, gpu):
    admitted = threading.Event()

    def work() -> None:
        with slots.working("cuda", 400):
            assert slots.holders()[0]["need_mib"] == 400
            admitted.set()

    gpu[0] = 399
    thread = threading.Thread(target=copy_context().run, args=[work])
    thread.start()
    assert not admitted.wait(1)
    gpu[0] = 400
    assert admitted.wait(10)
    thread.join(10)


def test_what_others_were_promised_is_not_free(api: str, gpu):
    """Two slots of one GPU: the first has not taken its memory yet."""
    order: list[str] = []

    def work() -> None:
        with slots.slot("memory", 2, 500):
            order.append("second")

    with slots.slot("memory", 2, 600):
        thread = threading.Thread(target=copy_context().run, args=[work])
        thread.start()
        time.sleep(1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_gpu_that_is_too_small_is_told_at_once(api: str, gpu):
    with (
        pytest.raises(EngineUnavailable, match=r"needs 1,001 MiB .* A GPU has 1,000 MiB"),
        slots.working("cuda", 1001),
    ):
        pass
    assert slots.holders() == []
    with slots.working("cpu", 1001):  # no question of the GPU's memory
        pass
