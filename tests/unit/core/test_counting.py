"""Numbers with their nouns."""

import pytest

from tasks.core.counting import counted


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("1 layer", (1, "layer")),
        ("0 layers", (0, "layer")),
        ("2,048 layers", (2048, "layer")),
        ("1 value is", (1, "value is", "values are")),
        ("3 values are", (3, "value is", "values are")),
    ],
)
def test_one_is_singular(said, given):
    assert counted(*given) == said
