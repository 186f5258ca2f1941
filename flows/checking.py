"""`temper check` and `temper plugins`: what params.yaml says, and what there is to say in it."""

from flows import calibrations
from flows.workload import build
from tasks.core import params
from tasks.core.errors import DataError, ParamsError
from tasks.core.home import project
from tasks.core.plugins import KINDS, names, plugin, unavailable


def check_all() -> int:
    """Print every problem of params.yaml; return 2 where there is one, else 0."""
    content = params.read(project())
    problems = []
    for name in content["workloads"]:
        try:
            workload = build(name, params.section(content, name))
        except ParamsError as error:
            problems.append(str(error))
            continue
        problems += [f"workloads.{name}.{line}" for line in workload.problems()]
        try:
            calibrations.of(name)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise ParamsError("\n".join(problems))
    print(f"params.yaml is sound: {', '.join(content['workloads'])}")
    return 0


def list_plugins() -> None:
    """Print every plugin of every kind, with what keeps it from being used here."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for kind, package in KINDS.items():
        table = Table(
            title=f"{kind} ({package.replace('.', '/')})", title_justify="left", width=110
        )
        table.add_column("name", no_wrap=True)
        table.add_column("here")
        table.add_column("what it is", ratio=1)
        for name in names(kind):
            reason = unavailable(kind, name)
            words = (plugin(kind, name).__doc__ or "").strip().splitlines()
            table.add_row(name, reason or "yes", words[0] if words else "")
        console.print(table)
