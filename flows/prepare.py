"""prepare: ingest -> validate -> clean -> features (and split)."""

from collections.abc import Callable, Sequence

from flows import origin, versioning
from flows.workload import Step, Workload, ends
from tasks.clean import matters
from tasks.clean.task import clean
from tasks.core import logs, progress
from tasks.core.artifacts import Made, named
from tasks.features.task import features
from tasks.ingest.task import fetch, ingest
from tasks.validate import aside
from tasks.validate.task import expectations, freshness, quarantine_file, validate


def prepare(name: str, workload: Workload, device: str, until: Step = "report") -> Made:
    """Return the artifacts of the steps up to `until`; the last is `features/prepared`."""
    dataset = workload.dataset
    source = origin.source(name, workload)
    with origin.advice(name):
        raw = fetch(dataset, str(source or ""), origin.identity(dataset, source))
    versioning.check_raw(name, raw, workload.ingest)
    table = ingest(raw, dataset, workload.table)
    if ends(until, "ingest"):
        return named(raw, table)
    wanted = workload.validate_.expectations is not None
    given = (table, workload.table, workload.validate_, workload.series)
    documents = [expectations.submit(*given)] if wanted else []  # a leaf: it runs beside the rest
    rows, checks = validate(*given)
    tell(lambda: [aside.told(checks.path, quarantine_file(table))])
    if workload.validate_.limits.max_age_days is not None:
        freshness(checks, workload.validate_)
    made = named(raw, table, rows, checks)
    if not ends(until, "validate"):
        cleaned = clean(rows, workload.clean, device)
        tell(lambda: matters.told(cleaned.path))
        made |= named(cleaned)
        if not ends(until, "clean"):
            plugins = workload.features.plugins()
            prepared = features(cleaned, workload.table, workload.features, plugins, workload.seed)
            made |= named(prepared)
    return made | named(*(future.result() for future in documents))


def tell(found: Callable[[], Sequence[str | None]]) -> None:
    """Say what was set aside or found, in the run's log and to who listens; None says nothing.

    found: reads it from the artifacts. `temper why`, which has none, leaves it out.
    """
    for words in filter(None, found()):
        logs.warn(words)
        progress.tell(progress.Event("notice", text=words))
