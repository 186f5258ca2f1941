"""Reads what `features` made: the parts of the data, as tables and as matrices, and their
description.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Task
from tasks.core.sequence import Sequence


class Input(PluginParams):
    """One named input tensor of the exported graph: a column of the table after `clean`.

    `dtype` is numpy's name (`float32`, `float64`, `uint8`) or `string`; `shape` that of one row:
    (1,) for a scalar column, (height, width, channel) for an image. Missing numbers are NaN,
    missing strings "".
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = (1,)


class Meta(PluginParams):
    """`meta.json` of the artifact `features/prepared`."""

    task: Task
    target: str
    classes: list[str] | None = None  # classification: the label of each class index
    inputs: list[Input]
    feature_names: list[str]  # of the matrix X
    image_shape: tuple[int, int, int] | None = None  # X's rows are flattened images of this shape
    parts: dict[str, int]  # rows a part: train, and val and/or test
    judged: str  # the part that results are stated on: test, or val where there is none
    split: dict  # {"name": plugin, "params": {...}, "note": words}
    sequence: Sequence | None = None  # forecast: what windows and quantiles are

    @property
    def outputs(self) -> int:
        """Return how many numbers a prediction of one row has."""
        return self.sequence.outputs if self.sequence else len(self.classes or [0])


@dataclass(frozen=True)
class Prepared:
    """The artifact `features/prepared`, opened.

    Files: `meta.json`; `<part>.parquet` (row number, input columns, target, group and time
    columns); `X_<part>.npy` (n, feature) float32; `y_<part>.npy` (n,) float64, or int64 class
    indices, or (n, horizon) float64; `stop.npy` (n_train,): 1 for the rows of `train` kept for
    early stopping and calibration, 2 for those of a forecast that overlap them and are fitted on
    by nobody, else 0; `preparation.json` (the fitted recipes); `prepare.onnx` (inputs -> X).
    """

    folder: Path

    @cached_property
    def meta(self) -> Meta:
        return Meta(**json.loads((self.folder / "meta.json").read_text()))

    def X(self, part: str) -> np.ndarray:
        """Return the matrix of a part, (n, feature) float32."""
        return np.load(self.folder / f"X_{part}.npy")

    def y(self, part: str) -> np.ndarray:
        """Return the target of a part: (n,) float64 or int64 classes, or (n, horizon) float64."""
        return np.load(self.folder / f"y_{part}.npy")

    def table(self, part: str) -> pl.DataFrame:
        """Return the rows of a part as `clean` left them."""
        return pl.read_parquet(self.folder / f"{part}.parquet")

    @property
    def stop(self) -> np.ndarray:
        """Return which training rows are kept for early stopping, (n_train,): 1; see above."""
        return np.load(self.folder / "stop.npy")

    def feed(self, part: str, rows: slice | np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the graph's inputs for rows of a part, by name: (n, *shape) each."""
        frame = self.table(part)
        if rows is not None:
            frame = frame[rows]
        return feed(frame, self.meta.inputs)

    def row_numbers(self, part: str) -> np.ndarray:
        """Return the raw row numbers of a part, (n,) uint32."""
        return self.table(part)[ROW].to_numpy()


def feed(frame: pl.DataFrame, inputs: list[Input]) -> dict[str, np.ndarray]:
    """Return a frame's columns as the graph's input tensors, by name: (n, *shape) each."""
    tensors = {}
    for spec in inputs:
        column = frame[spec.name]
        if spec.dtype == "string":
            values = column.cast(pl.String).fill_null("").to_numpy().astype(object)
        elif len(spec.shape) > 1:
            values = np.asarray(column.to_numpy(), dtype=spec.dtype)
        else:
            kind = pl.Float32 if spec.dtype == "float32" else pl.Float64
            if column.dtype.is_temporal():  # seconds since 1970
                column = column.dt.epoch("us").cast(pl.Float64) / 1e6
            values = column.cast(kind).fill_null(float("nan")).to_numpy()
        tensors[spec.name] = np.ascontiguousarray(values.reshape(len(frame), *spec.shape))
    return tensors
