"""Adds up which buffers live at the same time over the steps of an execution order, and lays them
out in one block of memory, as ONNX Runtime does.
"""

from dataclasses import dataclass

GIVEN = -1  # the step before the first: the caller's tensors


@dataclass
class Buffer:
    """Memory that lives from the step that writes it to its last reader, both included."""

    size: int
    first: int
    last: int

    def lives(self, step: int) -> bool:
        return self.first <= step <= self.last


class Buffers:
    """Buffers by the tensors in them.

    Several tensors may share one buffer: what is computed in place. It then has the size last
    given.
    """

    def __init__(self) -> None:
        self._all: list[Buffer] = []
        self._of: dict[str, Buffer] = {}

    def write(self, tensor: str, size: int, step: int) -> None:
        """A new buffer of `size` bytes from this step on; `GIVEN`: before the first."""
        self._of[tensor] = Buffer(size, step, step)
        self._all.append(self._of[tensor])

    def read(self, tensor: str, step: int) -> None:
        """The tensor's buffer lives up to this step."""
        buffer = self._of.get(tensor)
        if buffer is not None:
            buffer.last = max(buffer.last, step)

    def share(self, tensor: str, other: str, size: int) -> None:
        """From now on `other` is in the buffer of `tensor`, which has `size` bytes."""
        self._of[other] = self._of[tensor]
        self._of[other].size = size

    def live(self) -> int:
        """Return the most bytes that live at one step."""
        steps = range(GIVEN, max((b.last for b in self._all), default=GIVEN) + 1)
        return max((sum(b.size for b in self._all if b.lives(s)) for s in steps), default=0)

    def block(self) -> int:
        """Return the bytes of one block that holds all buffers at fixed places, and the caller's
        tensors beside it.

        Buffers are placed as they are written, each into the tightest gap that is free at that
        step, else at the end: what ONNX Runtime's MemPatternPlanner does. Gaps that stay empty
        make it larger than the largest live set.
        """
        end, placed = 0, list[tuple[int, Buffer]]()
        for new in sorted((b for b in self._all if b.first != GIVEN), key=lambda b: b.first):
            placed = [(at, b) for at, b in placed if b.last >= new.first]
            at = _tightest(placed, new.size, end)
            placed.append((at, new))
            end = max(end, at + new.size)
        return end + sum(b.size for b in self._all if b.first == GIVEN)


def _tightest(placed: list[tuple[int, Buffer]], size: int, end: int) -> int:
    """Return where the smallest gap begins that has room; past the last buffer where none has."""
    gaps, at = [], 0
    for start, buffer in sorted(placed, key=lambda entry: entry[0]):
        gaps.append((start - at, at))
        at = max(at, start + buffer.size)
    gaps.append((end - at, at))
    return min((gap for gap in gaps if gap[0] >= size), default=(0, at))[1]
