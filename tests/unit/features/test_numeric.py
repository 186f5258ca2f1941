"""The scaling of numbers by the libraries' estimators, and the distance to the nearest centre."""

from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import EngineUnavailable
from tasks.core.schema import Column
from tasks.features.recipes import numeric

COLUMNS = {"a": Column(type="float")}


def scale(values: np.ndarray, **params: str) -> tuple[float, float]:
    """Return centre and scale of a column."""
    state = numeric.fit(pl.DataFrame({"a": values}), COLUMNS, numeric.Params(**params))
    [column] = [c for group in state["groups"].values() for c in group]
    return column["center"], column["scale"]


@pytest.mark.parametrize("factor", [1.0, 1.349, 1e-17, 1e200])
def test_the_scale_is_that_of_the_definition_however_small_or_large(factor: float):
    values = np.random.default_rng(0).lognormal(size=500) * factor
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert scale(values) == pytest.approx((middle, (high - low) / 1.349), rel=1e-12, abs=0)
    if factor < 1e150:  # whose square is finite
        wanted = (values.mean(), values.std())
        assert scale(values, scale="standard") == pytest.approx(wanted, rel=1e-9, abs=0)


def test_a_column_whose_middle_half_is_one_value_is_scaled_by_its_range():
    assert scale(np.array([0.0] * 90 + [10.0] * 10)) == (0.0, 5.0)
    values = np.array([0.0] * 50 + [1.0] * 50)  # whose quartiles really are 1 apart
    assert scale(values) == pytest.approx((0.5, 1 / 1.349))


def test_a_row_unlike_all_others_is_far_from_every_centre():
    random = np.random.default_rng(1)
    groups = random.choice([-4.0, 4.0], 400)
    frame = pl.DataFrame({name: groups + random.normal(size=400) for name in ("a", "b")})
    columns = {name: Column(type="float") for name in ("a", "b")}
    state = numeric.fit(frame, columns, numeric.Params(outliers="keep", centres=2))
    assert numeric.feature_names(state) == ["a", "b", "distance_to_centre"]
    rows = pl.DataFrame({"a": [4.0, 4.0], "b": [4.0, -4.0]})  # usual in each column
    like_many, like_none = numeric.transform(rows, state)[:, 2]
    assert like_many < 0.1
    assert like_none > 1
    again = numeric.fit(frame, columns, numeric.Params(outliers="keep", centres=2))
    assert again == state


def test_there_are_no_more_centres_than_different_rows():
    frame = pl.DataFrame({"a": [1.0, 2.0, 2.0] * 20})
    state = numeric.fit(frame, COLUMNS, numeric.Params(centres=8))
    assert len(state["centres"]) == 2
    assert numeric.transform(frame, state)[:, 1].max() == pytest.approx(0, abs=1e-6)


@pytest.mark.skipif(find_spec("cuml") is not None, reason="cuml is here")
def test_cuml_that_is_not_here_is_an_error_that_says_so():
    with pytest.raises(EngineUnavailable, match=r"numeric.estimator: cuml is not installed"):
        scale(np.arange(9.0), estimator="cuml")
