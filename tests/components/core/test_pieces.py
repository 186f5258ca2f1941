"""What ran out of memory is done again in pieces; on a device that is faked by its size."""

import pytest

from tasks.core import child, pieces
from tasks.core.errors import OutOfMemory
from tasks.core.plugins import Plugin

BATCH = 256  # rows of 1 MiB each


def on(memory_mib: int):
    """Return work that fits where a piece of its batch does, and the pieces it was tried in."""
    tried: list[int] = []

    def work(count: int) -> str:
        tried.append(count)
        if BATCH / count > memory_mib:
            raise OutOfMemory("CUDA out of memory")
        return f"done in {count}"

    return work, tried


@pytest.mark.parametrize(("memory_mib", "expected"), [(256, 1), (255, 2), (65, 4), (4, 64)])
def test_pieces_are_doubled_until_they_fit(memory_mib, expected):
    work, tried = on(memory_mib)
    told: list[str] = []
    assert pieces.fewest(work, 64, told.append) == (f"done in {expected}", expected)
    assert tried == [2**n for n in range(len(tried))]
    assert len(told) == len(tried) - 1
    assert not told or told[-1].endswith(f"again, each batch in {expected} pieces")


def test_what_fits_in_no_number_of_pieces_says_so():
    work, tried = on(3)
    with pytest.raises(OutOfMemory, match="CUDA out of memory, also in 64 pieces a batch"):
        pieces.fewest(work, 64)
    assert tried == [1, 2, 4, 8, 16, 32, 64]


def test_what_cannot_be_split_is_tried_once():
    work, tried = on(3)
    with pytest.raises(OutOfMemory, match=r"^CUDA out of memory$"):
        pieces.fewest(work, 1)
    assert tried == [1]


def test_only_networks_work_in_pieces():
    assert pieces.most(Plugin(kind="model", name="mlp")) == pieces.MOST
    assert pieces.most(Plugin(kind="model", name="light_gbm")) == 1


def allocate(count: int) -> int:
    """Ask for more than there is, but for a 4th of it."""
    import torch

    return torch.empty(2**56 // (count if count < 4 else 2**50)).numel()


def test_a_real_allocation_that_fails_in_a_child_is_tried_in_pieces():
    outcome, count = pieces.fewest(lambda count: child.run(allocate, count), 8)
    assert (outcome.value, count) == (64, 4)
