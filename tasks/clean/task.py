"""The step `clean`: declared steps on lazy frames, each accounted for."""

import json

import polars as pl
from prefect import task

from tasks.clean import chain
from tasks.clean.params import Params
from tasks.core import frames, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.schema import load_columns, save_columns


@task(name="clean", task_run_name="clean", **cached("polars"))
def clean(rows: Artifact, params: Params, device: str) -> Artifact:
    """Return the cleaned table with an account of every step (`clean/table`)."""
    frame = pl.read_parquet(rows.file("table.parquet"))
    frame, columns, steps = chain.run(frame, load_columns(rows.path), params.steps, device)
    with store.writing() as out:
        frames.write(frame, out / "table.parquet")
        save_columns(columns, out)
        (out / "steps.json").write_text(json.dumps(steps, indent=1, ensure_ascii=False))
        return store.put("clean/table", out)
