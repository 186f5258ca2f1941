"""Rows drawn with replacement."""

import numpy as np
import pytest

from tasks.core import draws


@pytest.mark.parametrize("block", [1, 4])
def test_every_draw_has_as_many_rows_and_chunks_change_none(monkeypatch, block):
    (whole,) = draws.weights(30, 40, seed=1, block=block)
    assert whole.shape == (40, 30)
    assert (whole.sum(1) == 30).all()
    monkeypatch.setattr(draws, "CELLS", 30 * 16)
    chunks = list(draws.weights(30, 40, seed=1, block=block))
    assert [len(chunk) for chunk in chunks] == [16, 16, 8]
    assert (np.concatenate(chunks) == whole).all()


def test_what_is_kept_is_of_the_same_draws_and_cannot_be_changed():
    (first,), (again,) = (draws.weights(30, 40, seed=1) for _ in range(2))
    assert again is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1
    (other,) = draws.weights(30, 40, seed=2)
    assert (other != first).any()
    (back,) = draws.weights(30, 40, seed=1)
    assert (back == first).all()
