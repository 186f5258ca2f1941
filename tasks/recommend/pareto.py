"""The Pareto front: what nothing else beats in everything at once."""

from collections.abc import Sequence


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the positions of the points that no other point dominates, in order.

    points: every coordinate is "less is better". One point dominates another if it is no worse in
    every coordinate and better in at least one; equal points stay together.
    """
    return [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point) for j, other in enumerate(points) if j != i)
    ]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether `one` is no worse anywhere and better somewhere."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
