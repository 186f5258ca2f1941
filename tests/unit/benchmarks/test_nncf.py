"""What the comparison with NNCF states; NNCF itself is no dependency."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import nncf, timed


def test_the_difference_of_two_accuracies_has_an_interval():
    mine = np.array([True] * 90 + [False] * 10)
    other = np.array([True] * 95 + [False] * 5)
    found = nncf._difference(mine, other)
    assert found["value"] == -0.05
    assert (found["only_temper_right"], found["only_nncf_right"]) == (0, 5)
    low, high = found["interval"]
    assert low < -0.05 < high < 0.01
    swapped = nncf._difference(other, mine)["interval"]
    assert swapped == [-high, -low]
    assert (
        nncf._difference(mine, mine)["interval"][0]
        < 0
        < nncf._difference(mine, mine)["interval"][1]
    )


def test_how_many_times_faster_counts_rounds_together():
    random = np.random.default_rng(0)
    noise = random.uniform(1, 2, (20, 1))  # of a round: it hits both alike
    times = {
        ("a", "onnx_runtime"): noise * random.uniform(0.99, 1.01, (20, 30)),
        ("b", "onnx_runtime"): noise * random.uniform(1.98, 2.02, (20, 30)),
    }
    value, low, high = timed.faster(times, "a", "b", "onnx_runtime")
    assert low <= value <= high
    assert 1.9 < low < high < 2.1


@pytest.mark.skipif(find_spec("nncf") is not None, reason="NNCF is installed here")
def test_without_nncf_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nncf"])
    with pytest.raises(SystemExit, match=r"pip install nncf==3\.4\.0"):
        nncf.main()
