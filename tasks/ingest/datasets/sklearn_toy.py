"""The small tables that come with scikit-learn, for a first try: `temper new wine --example`.

iris (150 rows), wine (178), breast_cancer (569): classification; diabetes (442): regression. Too
small to tell good models from very good ones.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from tasks.core.plugins import PluginParams
from tasks.core.schema import Table
from tasks.ingest.files import sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

ORIGIN = "bundled"
LIBRARIES = ("scikit-learn", "polars")
LICENCES = {
    "iris": "CC BY 4.0 (UCI)",
    "wine": "CC BY 4.0 (UCI)",
    "breast_cancer": "CC BY 4.0 (UCI)",
    "diabetes": None,  # Efron et al. 2004: none stated
}


class Params(PluginParams):
    """Which of the tables."""

    table: Literal["iris", "wine", "breast_cancer", "diabetes"] = Field(
        default="wine", description="the target column is `target`"
    )


def origin(params: Params, source: Path | None) -> str:
    """Return the version of scikit-learn, which bundles the data."""
    return f"scikit-learn {version('scikit-learn')}"


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write <name>.csv: the features under plain names, and `target` (class names as text)."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{params.table}")()
    names = [_plain(str(name)) for name in bunch.feature_names]
    target = bunch.target
    if "target_names" in bunch:
        target = [str(bunch.target_names[index]) for index in bunch.target]
    columns = {name: bunch.data[:, index] for index, name in enumerate(names)}
    pl.DataFrame({**columns, "target": target}).write_csv(folder / f"{params.table}.csv")


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the typed table."""
    return read_table(
        sole_file(raw),
        table,
        ReadOptions(licence=LICENCES[params.table]),
        f"bundled with scikit-learn: {params.table}",
    )


def _plain(name: str) -> str:
    """Return a name without blanks, signs and units: 'sepal length (cm)' -> 'sepal_length_cm'."""
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())
