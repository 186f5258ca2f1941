"""`temper check` and `temper plugins`: what params.yaml says, and what there is to say in it."""

import sys
from typing import TYPE_CHECKING

from flows import calibrations
from flows.workload import build
from tasks.core import params
from tasks.core.errors import DataError, ParamsError
from tasks.core.home import project
from tasks.core.plugins import KINDS, names, plugin, unavailable

if TYPE_CHECKING:
    from rich.table import Table

UNBROKEN = 1000  # columns, where no terminal says how many: each text in one line


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

    console = Console(width=None if sys.stdout.isatty() else UNBROKEN)
    for kind in KINDS:
        console.print(_table(kind))


def _table(kind: str) -> "Table":
    """Return the plugins of a kind: name, whether it can be used, what it is and what it lacks."""
    from rich.table import Table
    from rich.text import Text

    title = f"{kind} ({KINDS[kind].replace('.', '/')})"
    table = Table(title=title, title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for name in names(kind):
        reason = unavailable(kind, name)
        lines = [_first_paragraph(kind, name), *([f"why not: {reason}"] if reason else [])]
        # as Text: brackets are no markup
        table.add_row(name, "no" if reason else "yes", Text("\n".join(lines)))
    return table


def _first_paragraph(kind: str, name: str) -> str:
    paragraph, _, _ = (plugin(kind, name).__doc__ or "").strip().partition("\n\n")
    return " ".join(paragraph.split())
