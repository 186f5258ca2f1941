"""The task that collects one part of a workload's raw data; never cached: the world changes."""

from datetime import date
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.core import logs
from tasks.core.plugins import Plugin
from tasks.ingest.remote import collecting
from tasks.ingest.remote.collecting import Collected


@task(name="collect", task_run_name="collect {part}", cache_policy=NO_CACHE, persist_result=False)
def collect(dataset: Plugin, part: str, root: str, today: str) -> Collected:
    """Return what came of fetching the days of a part that are missing, into data/raw.

    No argument is secret: the tokens are read from the environment by who sends them.
    """
    done = collecting.collect(
        dataset.module, dataset.typed, part, Path(root), date.fromisoformat(today)
    )
    if done.kept:
        logs.warn(
            f"{part}: the service has nothing any more for {', '.join(done.kept[:5])}; kept as is"
        )
    if done.undated:
        logs.warn(f"{part}: {done.undated} documents without a sound day: set aside")
    return done
