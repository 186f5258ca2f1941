"""Runs a function in a child process: it can be killed at its limit, and its peak memory is known.

Children are forked from one server process that has imported the heavy libraries once. They die
with the process that asked for them, however that ends.
"""

import atexit
import ctypes
import gc
import importlib
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, NamedTuple

from tasks.core import errors, progress
from tasks.core.home import NO_TELEMETRY, keras_settings

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_lock = threading.Lock()
_ahead: "dict[str, Future[tuple[Any, Connection]]]" = {}
_planned: tuple[str, ...] = ()
_preloaded: tuple[str, ...] | None = None
Work = tuple[bytes, int, int]  # function and arguments pickled, threads, seed


class Outcome(NamedTuple):
    """What a child gave back, and what it took."""

    value: Any
    wall_s: float
    peak_memory_mib: float


def plan(modules: tuple[str, ...]) -> None:
    """Have the server import these modules when it starts for the first child, if there is one."""
    global _planned
    _planned = modules


def warm(modules: tuple[str, ...]) -> None:
    """Start the server that children are forked from, with these modules imported; once a
    process.
    """
    global _preloaded
    with _lock:
        if _preloaded is not None:
            return
        _preloaded = modules
        for name, value in (NO_TELEMETRY | keras_settings()).items():
            os.environ.setdefault(name, value)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            ["tasks.core.preloading", "tasks.core.child", *modules, "tasks.core.preloaded"]
        )
        kept = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        os.environ.update(dict.fromkeys(kept, "1"))  # a child raises it to its own count
        try:
            from multiprocessing.forkserver import ensure_running

            ensure_running()
        finally:
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def ahead(label: str, get_ready: Callable[[], None]) -> None:
    """Start the child of a later `run(..., label=label)` now: it gets ready, then waits for work.

    For what imports long and comes late. Call `warm` before. What goes wrong in `get_ready` is left
    to the work itself.
    """
    started: Future[tuple[Any, Connection]] = Future()
    _ahead[label] = started

    def start() -> None:
        try:
            started.set_result(_start(_wait_for_work, get_ready))
        except Exception as error:
            started.set_exception(error)

    threading.Thread(target=start, daemon=True).start()  # the server may still be importing
    atexit.register(_dismiss, label)


def run(
    function: Callable[..., Any],
    *args: Any,
    threads: int = 1,
    seed: int = 0,
    time_limit_s: float | None = None,
    label: str = "",
) -> Outcome:
    """Return what `function(*args)` gives in a child process with its own threads and seed.

    Arguments and result are pickled between the two processes, so pass paths, not arrays.

    Raises:
        TimeLimitExceeded: it ran past the limit and was killed, native code included.
        OutOfMemory: an allocation of its failed; a transient error like the next.
        TransientError: killed from outside, or an I/O error; `Crashed`: a library in it ended it.
        TemperError: as raised in the child.
        RuntimeError: any other exception of the child, with its traceback as text.
    """
    warm(_planned)
    work = pickle.dumps((function, args)), threads, seed
    label = label or function.__name__
    started = time.monotonic()
    process, link = _taken(label, work) or _start(_main, work)
    try:
        return _listen(link, process, label, started, time_limit_s)
    finally:
        link.close()
        if process.is_alive():
            process.kill()
        process.join()


def _start(main: Callable[..., None], what: Any) -> tuple[Any, Connection]:
    """Start a child; return its process and the link to it."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=main, args=(theirs, what), daemon=True)
    with _lock, _no_main():  # starting is not thread-safe
        process.start()
    theirs.close()
    return process, ours


def _taken(label: str, work: Work) -> tuple[Any, Connection] | None:
    """Give work to the child that was started ahead for it; None where there is none that lives."""
    waiting = _ahead.pop(label, None)
    if waiting is None:
        return None
    with suppress(Exception):  # it could not start, or it ended: a new one does the work
        process, link = waiting.result()
        link.send(work)
        return process, link
    return None


def _dismiss(label: str) -> None:
    """End a child that no work came to."""
    waiting = _ahead.pop(label, None)
    if waiting is not None and waiting.done() and waiting.exception() is None:
        waiting.result()[0].kill()


@contextmanager
def _no_main() -> Iterator[None]:
    """Hide the main module while a child starts: else the child imports it again, whatever it
    is.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _listen(link: Connection, process: Any, label: str, started: float, limit: float | None):
    while True:
        left = None if limit is None else started + limit - time.monotonic()
        if (left is not None and left <= 0) or not link.poll(left):
            raise errors.TimeLimitExceeded(
                f"{label}: not done after {limit:g} s, ended. Raise its time_limit_s in "
                "params.yaml, or make the work smaller."
            )
        try:
            kind, content = link.recv()
        except EOFError:
            process.join()
            crashed = process.exitcode in [-number for number in CRASHES]
            raise (errors.Crashed if crashed else errors.TransientError)(
                f"{label}: its process ended with {_ending(process.exitcode)} and left no result"
            ) from None
        if kind == "progress":
            share, text = content
            progress.report(share, f"{label}: {text}" if text else label)
        elif kind == "result":
            value, peak = pickle.loads(content)
            return Outcome(value, time.monotonic() - started, peak)
        else:
            raise pickle.loads(content)


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"signal {signal.Signals(-exitcode).name}" + (
            " (out of memory?)" if exitcode == -signal.SIGKILL else ""
        )
    return f"exit code {exitcode}"


def _wait_for_work(link: Connection, get_ready: Callable[[], None]) -> None:
    _die_with_parent()
    gc.disable()  # what is imported stays
    with suppress(Exception):
        get_ready()
    gc.freeze()
    gc.enable()
    try:
        work = link.recv()
    except EOFError:  # none came
        os._exit(0)
    _main(link, work)


def _main(link: Connection, work: Work) -> None:
    _die_with_parent()
    os.umask(0o077)  # it writes into the home alone
    packed, threads, seed = work
    send_lock = threading.Lock()

    def send(kind: str, content: Any) -> None:
        with send_lock:
            link.send((kind, content))

    try:
        function, args = pickle.loads(packed)
        random.seed(seed)
        _set_threads(threads)
        with progress.to(lambda share, text: send("progress", (share, text))):
            value = function(*args)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = "result", pickle.dumps((value, peak))
    except BaseException as error:  # whatever it is, the parent raises it
        answer = "error", pickle.dumps(_portable(error))
    _save_coverage()
    send(*answer)
    link.close()
    os._exit(0)  # no atexit work of libraries that were only borrowed


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        _let_server_go()
        if os.getppid() == 1:
            os._exit(1)


def _save_coverage() -> None:
    """Write what a coverage run has measured here; the parent ends this process once it answers."""
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage else None
    if measuring:
        measuring.stop()
        measuring.save()


def _let_server_go() -> None:
    """Close this child's hold on the server: it ends with its client, and this child with it.

    The descriptor is private to multiprocessing; a test kills a parent and looks for its child.
    """
    from multiprocessing import forkserver

    held = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if held is not None:
        os.close(held)
        forkserver._forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]


def _portable(error: BaseException) -> BaseException:
    """Return an exception that the parent can rebuild: Temper's own as they are, others by kind."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, errors.TemperError):
        return error
    if errors.out_of_memory(error):
        return errors.OutOfMemory(text)
    if isinstance(error, OSError):
        return errors.TransientError(text)
    return RuntimeError(text + "\n" + "".join(traceback.format_exception(error)))


def _set_threads(threads: int) -> None:
    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = str(threads)
    threadpool_limits(threads)
    if "torch" in sys.modules:
        importlib.import_module("torch").set_num_threads(threads)
