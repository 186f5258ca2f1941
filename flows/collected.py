"""`temper collect`: runs the flow, and says what there is and how fresh it is."""

from typing import Any

from tasks.core import params
from tasks.core.errors import ParamsError
from tasks.core.home import project


def collect_workload(name: str, settings: list[str]) -> None:
    """Fetch what is missing of a workload's raw data, and print what there is.

    Raises:
        TemperError: what stopped it, as the user can understand it.
    """
    from flows import session
    from flows.workload import build

    workload = build(name, params.override(params.section(params.read(project()), name), settings))
    problems = workload.problems()
    if problems:
        raise ParamsError("\n".join(f"workloads.{name}.{line}" for line in problems))
    with session.started() as run_flow:
        from flows.collect import collect

        found = run_flow(collect, name=name, params=workload)
    for line in summary(name, found):
        print(line)


def summary(name: str, found: dict[str, Any]) -> list[str]:
    """Return the lines that say what a collection came to."""
    lines = [
        f"{name}: {sum(each['days'] for each in found['done'])} days fetched, "
        f"{sum(each['documents'] for each in found['done'])} documents; in data/raw/{name}"
    ]
    for part, state in found["parts"].items():
        lines.append(
            f"  {part}: {state['documents']} documents of {state['days']} days to "
            f"{state['last_day']}; the newest of {state['last_moment'] or '(none)'}"
        )
    for each in found["done"]:
        if each["repeated"]:
            lines.append(f"  note: {each['part']}: {each['repeated']} documents came twice: once")
        if each["kept"]:
            lines.append(
                f"  note: {each['part']}: the service has nothing any more for "
                f"{', '.join(each['kept'][:5])}: what was there is kept"
            )
    return lines
