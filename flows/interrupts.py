"""Ctrl-C, answered at once: what runs takes some seconds to end."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told(again: str) -> Iterator[None]:
    """Say on Ctrl-C within a block that it was heard, and which command goes on."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or not _in_main_thread():
        yield  # somebody else answers, or nobody is to
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        words = f"\nstopping; `{again}` goes on from what is finished\n"
        os.write(2, words.encode())  # not print: it may be what was interrupted
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
