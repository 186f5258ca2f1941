"""The step `validate`: good rows go on, bad rows are set aside with a reason each."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from tasks.core import child, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.home import subfolder
from tasks.core.schema import Table
from tasks.validate import expectations as suite
from tasks.validate import freshness as clock
from tasks.validate.judge import judge
from tasks.validate.params import Params


@task(name="validate", task_run_name="validate", **cached("polars", "pandera"))
def validate(
    table: Artifact, spec: Table, params: Params, series: bool = False
) -> tuple[Artifact, Artifact]:
    """Return the good rows (`validate/rows`), and checks and quarantine (`validate/report`).

    series: rows that have no target stay, for what else they say (`schema.rules`).
    """
    kept = quarantine_file(table)
    with store.writing() as rows, store.writing() as report:
        child.run(
            judge,
            *(table.path, rows, report, spec, params, kept, series),
            time_limit_s=params.time_limit_s,
            label="validate",
        )
        return store.put("validate/rows", rows), store.put("validate/report", report)


@task(
    name="expectations",
    task_run_name="expectations",
    **cached("polars", "great-expectations", "pandas"),
)
def expectations(table: Artifact, spec: Table, params: Params, series: bool = False) -> Artifact:
    """Return the Great Expectations result and its Data Docs (`validate/expectations`): a leaf."""
    asked = params.expectations
    limit = asked.time_limit_s if asked else None
    with store.writing() as out:
        child.run(
            suite.document,
            *(table.path, out, spec, params, series),
            time_limit_s=limit,
            label="expectations",
        )
        return store.put("validate/expectations", out)


@task(name="freshness", task_run_name="freshness")
def freshness(report: Artifact, params: Params) -> None:
    """Check the newest time by the clock; never cached, because the answer changes by itself.

    Raises:
        DataError: it is older than `limits.max_age_days`.
    """
    clock.check(report.file("checks.json"), params.limits, datetime.now(UTC))


def quarantine_file(table: Artifact) -> Path:
    """Return the CSV file for the bad cells of a table."""
    return subfolder("quarantine") / f"{table.digest[:12]}.csv"
