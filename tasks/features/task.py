"""The step `features`: a clean table to prepared parts."""

import polars as pl
from prefect import task

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.plugins import Plugin
from tasks.core.schema import Table, load_columns
from tasks.features.params import Params
from tasks.features.prepare import prepare


@task(name="features", task_run_name="features", **cached("numpy", "onnx", "polars"))
def features(
    table: Artifact, spec: Table, params: Params, plugins: list[Plugin], seed: int
) -> Artifact:
    """Return `features/prepared` of a clean table; `plugins` is what `params` may use, for the key.

    Raises:
        DataError: the target or the split cannot be used, or no feature column is left.
    """
    frame = pl.read_parquet(table.file("table.parquet"))
    resolved = spec.model_copy(update={"columns": load_columns(table.path)})
    with store.writing() as out:
        prepare(frame, resolved, params, seed, out)
        return store.put("features/prepared", out)
