"""The tasks of `ingest`: obtain the raw data, and read it into a typed table."""

import json
from pathlib import Path

from prefect import task

from tasks.core import store, temporary
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.plugins import Plugin
from tasks.core.schema import Table, save_columns
from tasks.ingest.raw import kept_in


@task(name="fetch", task_run_name="fetch", **cached("polars"))
def fetch(dataset: Plugin, label_source: str | None, origin: str) -> Artifact:
    """Return the raw data as it was obtained.

    `origin` is what the plugin's `origin()` said just now; `label_source` (the user's file) is only
    where to take it from and no part of the identity.
    """
    source = Path(label_source) if label_source else None
    with store.writing() as out:
        dataset.module.fetch(dataset.typed, source, out)
        return store.put("raw", out)


@task(name="ingest", task_run_name="ingest", **cached("polars"))
def ingest(raw: Artifact, dataset: Plugin, table: Table) -> Artifact:
    """Return `ingest/table`: table.parquet, columns.json, source.json, unparsed.parquet."""
    with store.writing() as out, temporary.folder() as between, kept_in(between):
        reading = dataset.module.read(raw.path, dataset.typed, table)
        reading.table.sink_parquet(out / "table.parquet")
        reading.unparsed.write_parquet(out / "unparsed.parquet")
        save_columns(reading.columns, out)
        source = json.dumps(reading.source, indent=1, ensure_ascii=False, sort_keys=True)
        (out / "source.json").write_text(source, encoding="utf-8")
        return store.put("ingest/table", out)
