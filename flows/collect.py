"""collect: what is missing of a workload's raw data, from its web service, into data/raw.

Each part (an endpoint, a station, a device) is a task of its own: where one fails, the others' data
are kept, and so is what the failed one has so far.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import unmapped

from flows import origin, versioning
from flows.flow import flow
from flows.workload import Workload, load
from tasks.core import locks, usage
from tasks.core.crashes import mark
from tasks.core.errors import ParamsError, TemperError
from tasks.core.home import project, subfolder
from tasks.core.plugins import Plugin, names, plugin
from tasks.ingest.remote import account, days
from tasks.ingest.remote.collecting import Collected
from tasks.ingest.remote.task import collect as collect_part


@flow(name="collect", flow_run_name="collect {name}", on_running=[mark])
def collect(name: str, params: Workload | None = None) -> dict[str, Any]:
    """Fetch the days that are missing or may still change, and put them under DVC.

    Args:
        name: the workload, a section of params.yaml.
        params: its parameters; those of params.yaml where none are given.
    """
    usage.share()  # a deployment's run comes here first
    workload = params or load(name)
    dataset = workload.dataset
    parts = _parts(name, dataset)
    root, today = origin.raw_folder(name), datetime.now(UTC).date()
    with locks.held(subfolder("locks") / f"collect-{name}"):
        account.check(root, dataset.name)
        days.sweep(root)
        futures = collect_part.map(
            unmapped(dataset), parts, unmapped(str(root)), unmapped(str(today))
        )
        ended = [future.result(raise_on_failure=False) for future in futures]
        done = [each for each in ended if isinstance(each, Collected)]
        failed: list[BaseException] = [e for e in ended if not isinstance(e, Collected)]
        manifest = account.write(root, dataset.name) if root.is_dir() else {"parts": {}}
        fresh = account.record(name, manifest, done)
        if root.is_dir() and (project() / ".dvc").is_dir():
            versioning.track_raw(name)
    if failed:
        raise _together(failed)
    return {
        "done": [each._asdict() for each in done],
        "parts": {part: {**account.part(root / part), **fresh[part]} for part in parts},
    }


def _parts(name: str, dataset: Plugin) -> list[str]:
    """Return what is collected; missing tokens and params are told before anything is asked for.

    Raises:
        ParamsError: the dataset is none that is collected, or params or tokens are missing.
    """
    module = dataset.module
    if module.ORIGIN != "collected":
        those = [n for n in names("dataset") if plugin("dataset", n).ORIGIN == "collected"]
        raise ParamsError(
            f"workloads.{name}.ingest.dataset: {dataset.name!r} is not collected from a service; "
            f"those that are: {', '.join(those)}. For the others: `temper fetch {name}`"
        )
    params = dataset.typed
    if params.start is None:
        raise ParamsError(
            f"workloads.{name}.ingest.options.start: missing; the first day to collect, as "
            "2026-01-31"
        )
    module.credentials(params).secrets()
    return list(module.parts(params))


def _together(failed: list[BaseException]) -> BaseException:
    """Return one error for all that failed: the first's kind, and each fault once.

    A message begins with the address that was asked: `https://host/path: what went wrong`.
    """
    first = failed[0]
    if not isinstance(first, TemperError):
        return first
    asked: dict[str, list[str]] = {}
    for text in dict.fromkeys(map(str, failed)):
        address, _, fault = text.partition(": ")
        asked.setdefault(fault, []).append(address)
    return type(first)("\n".join(_told(fault, where) for fault, where in asked.items()))


def _told(fault: str, where: list[str]) -> str:
    others = ", ".join(address.rpartition("/")[2] for address in where[1:])
    likewise = f" (likewise {others})" if others else ""
    return where[0] + likewise + (f": {fault}" if fault else "")
