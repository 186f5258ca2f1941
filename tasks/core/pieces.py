"""Work that runs out of memory is done again in smaller pieces."""

from collections.abc import Callable
from typing import TypeVar

from tasks.core.errors import OutOfMemory
from tasks.core.plugins import Plugin

MOST = 64
Result = TypeVar("Result")


def fewest(
    work: Callable[[int], Result], most: int, tell: Callable[[str], None] = lambda text: None
) -> tuple[Result, int]:
    """Return what `work(pieces)` gives, and the pieces: 1, doubled after each out-of-memory.

    Args:
        work: does the whole work in so many pieces.
        most: pieces at most; 1 where it cannot be split.
        tell: is told of each doubling.

    Raises:
        OutOfMemory: it does not fit in `most` pieces either.
    """
    pieces = 1
    while True:
        try:
            return work(pieces), pieces
        except OutOfMemory as error:
            if pieces >= most:
                tried = f", also in {pieces} pieces a batch" if pieces > 1 else ""
                raise OutOfMemory(f"{error}{tried}") from error
            pieces *= 2
            tell(f"out of memory ({error}): again, each batch in {pieces} pieces")


def most(model: Plugin) -> int:
    """Return in how many pieces a model plugin can work on a batch at most."""
    return MOST if getattr(model.module, "SPLITS", False) else 1
