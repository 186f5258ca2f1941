"""The target column as numbers: values, or indices into the sorted classes."""

import numpy as np
import polars as pl

from tasks.core.errors import DataError


def classes_of(target: pl.Series) -> list[str]:
    """Return the classes in natural order (numbers by value, false before true), as strings."""
    return _labels(target.drop_nulls().unique().sort()).to_list()


def class_indices(target: pl.Series, classes: list[str]) -> np.ndarray:
    """Return the index of each row's class, (n,) int64.

    Raises:
        DataError: a class is not among `classes`.
    """
    labels = _labels(target)
    others = labels.filter(~labels.is_in(classes)).unique().sort().to_list()
    if others:
        raise DataError(
            f"target {target.name!r}: classes that training has not seen: {others[:10]}"
        )
    places = {label: i for i, label in enumerate(classes)}
    return labels.replace_strict(places, return_dtype=pl.Int64).to_numpy().copy()


def values_of(target: pl.Series) -> np.ndarray:
    """Return the values to predict, (n,) float64."""
    return target.cast(pl.Float64).to_numpy().copy()


def _labels(values: pl.Series) -> pl.Series:
    if values.dtype.is_float() and (values.drop_nulls() % 1 == 0).all():
        values = values.cast(pl.Int64)  # 1.0 is the class "1"
    return values.cast(pl.String)
