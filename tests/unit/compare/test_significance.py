"""The tests of differences, against scipy and a case worked by hand."""

import numpy as np
import pytest

from tasks.compare.significance import corrected_t, holm


def test_without_correction_it_is_the_paired_t_test():
    from scipy.stats import ttest_rel

    random = np.random.default_rng(0)
    a, b = random.normal(0.9, 0.02, 10), random.normal(0.88, 0.02, 10)
    expected = ttest_rel(a, b)
    found = corrected_t(a - b, ratio=0.0)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


def test_the_correction_worked_by_hand():
    """Differences 1, 2, 3 and ratio 1/4: t = 2 / sqrt((1/3 + 1/4) * 1), 2 degrees of freedom."""
    from scipy.stats import t

    found = corrected_t(np.array([1.0, 2.0, 3.0]), ratio=0.25)
    error = np.sqrt(7 / 12)
    assert found.mean == 2
    assert found.p == pytest.approx(2 * t.sf(2 / error, 2), rel=1e-9)
    assert found.high - 2 == pytest.approx(t.ppf(0.975, 2) * error, rel=1e-9)


def test_equal_differences_are_no_division_by_zero():
    assert corrected_t(np.zeros(5), 0.25).p == 1
    assert corrected_t(np.full(5, 0.1), 0.25).p == 0


def test_the_correction_keeps_the_level_where_the_plain_test_does_not():
    """Two models of equal skill on overlapping resamples: rejected too often without it."""
    random = np.random.default_rng(3)
    rejected = {0.0: 0, 0.25: 0}
    for _ in range(400):
        rows = random.normal(0, 1, 100)  # the difference in loss of each row, mean 0
        folds = [np.array_split(random.permutation(100), 5) for _ in range(2)]
        means = np.array([rows[fold].mean() for repeat in folds for fold in repeat])
        for ratio in rejected:
            rejected[ratio] += corrected_t(means, ratio).p < 0.05
    assert rejected[0.25] / 400 < 0.07
    assert rejected[0.0] > 2 * rejected[0.25]


def test_holm_worked_by_hand():
    """Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, made non-decreasing."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
