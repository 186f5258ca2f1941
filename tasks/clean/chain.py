"""Runs the steps one after the other and accounts for each; or as few lazy plans as may be.

A step is a module of `tasks.clean.steps` with

    class Params(PluginParams)
    def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]
    def note(before: pl.DataFrame, columns: Columns, params: Params) -> str      (optional)
    def findings(before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params)
        -> list[Finding]                                                         (optional)
    def looks_ahead(params: Params) -> str                                       (optional)
    def from_file(frame: pl.LazyFrame, columns: Columns, params: Params, place: Path, device: str,
        demanded: bool) -> tuple[pl.LazyFrame, Columns, account]                 (optional)
    def compute(frame: pl.DataFrame, columns: Columns, params: Params, device: str,
        demanded: bool) -> tuple[pl.DataFrame, Columns, account]                 (optional)
    SCOPE, MAKES_ROWS, REORDERS, ONCE, LOOKS                                     (optional)

`apply` adds lazy expressions; it may first compute a few numbers of the table (`frames.collect`).
It keeps `__row__` as it is, keeps the order of rows, makes no new rows, keeps the target, and
changes nothing where it was applied already. `note` says in words what the numbers do not;
`findings` counts what was found. A step that is many in one has `from_file`, which works in a
bounded memory and accounts for itself, keeps finished parts in a folder and goes on from them; and
`compute`, the same in memory. What differs from this a step states:

SCOPE: how far a value depends on others: `row`, `group` (the rows of its series alone), or `table`
    (the default). Large tables are worked on by groups where that gives the same.
MAKES_ROWS: True where rows stand for many before: they get new numbers, ordered by group and time.
REORDERS: True where rows are put into the order of group and time.
ONCE: True where doing it again adds to what it added.
LOOKS: True where `apply` computes something of the table's values.
looks_ahead: why a row depends on later ones; "" where it does not. No such step makes the inputs
    of a forecast, unless params allow it.

Steps that are one plan (`accounts: rows`) are computed together, without the table between two of
them: nothing can be said of each, nor of cells. A plan ends before a step that looks at values,
for that would compute all before it twice (times alone are cheap), and behind one that makes rows,
whose numbers tell how parts are put together.
"""

import warnings
from typing import Any, Literal

import polars as pl

from tasks.clean import accounting
from tasks.core import frames, progress
from tasks.core.errors import DataError, EngineUnavailable
from tasks.core.plugins import Plugin
from tasks.core.schema import Columns

Accounts = Literal["cells", "rows"]


def run(
    frame: pl.DataFrame,
    columns: Columns,
    steps: list[Plugin],
    device: str = "cpu",
    demanded: bool = False,
    may_empty: bool = False,
    accounts: Accounts = "cells",
) -> tuple[pl.DataFrame, Columns, list[dict[str, Any]]]:
    """Return the table and the columns after all steps, and an account of each step or plan.

    `demanded`: the GPU for every step, or an error. `accounts`: `rows` makes plans of the steps.

    Raises:
        DataError: a step left no row (and that is not said to be fine).
        EngineUnavailable: cuDF was demanded, and is not here or cannot do a step.
        ParamsError: a step names columns that are not there.
    """
    require(device, demanded)
    done, found = 0, []
    for together in _together(steps, accounts):
        progress.report(done / len(steps), together[0].name)
        compute = getattr(together[0].module, "compute", None)
        if compute:
            after, columns, account = compute(frame, columns, together[0].typed, device, demanded)
        else:
            does = _plan if accounts == "rows" else _step
            after, columns, account = does(together, frame, columns, device, demanded)
        found.append(account | {"looks_ahead": looking_ahead(together)})
        if after.height == 0 and frame.height and not may_empty:
            raise DataError(nothing_left(account["step"], frame.height))
        frame, done = after, done + len(together)
    return frame, columns, found


def _together(steps: list[Plugin], accounts: Accounts) -> list[list[Plugin]]:
    """Return the steps by what is computed together, in order."""
    found: list[list[Plugin]] = []
    for step in steps:
        begins = accounts == "cells" or goes_by_itself(step) or hasattr(step.module, "LOOKS")
        if begins or not found or _ends(found[-1][-1]):
            found.append([step])
        else:
            found[-1].append(step)
    return found


def _ends(step: Plugin) -> bool:
    """Return whether a plan ends behind a step."""
    return goes_by_itself(step) or accounting.kind(step.module) == "makes"


def planned(
    frame: pl.LazyFrame, columns: Columns, steps: list[Plugin]
) -> tuple[pl.LazyFrame, Columns]:
    """Return the steps as one lazy plan, and the columns after them."""
    for step in steps:
        frame, columns = step.module.apply(frame, columns, step.typed)
    return frame, columns


def named(steps: list[Plugin]) -> str:
    """Return what the account of steps that are one plan calls them."""
    return ", ".join(step.name for step in steps)


def goes_by_itself(step: Plugin) -> bool:
    """Return whether a step goes from table to table, or from file to file."""
    return hasattr(step.module, "compute")


def _plan(
    steps: list[Plugin], frame: pl.DataFrame, columns: Columns, device: str, demanded: bool
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the table and the columns after steps that are one plan, and its account."""
    lazy, made = planned(frame.lazy(), columns, steps)
    makes = any(accounting.kind(step.module) == "makes" for step in steps)
    after, engine = _collect(named(steps), lazy, device, demanded, not makes)
    sizes = (frame.height, frame.schema, after.height, after.schema)
    return after, made, accounting.of_rows(named(steps), *sizes, makes=makes) | {"engine": engine}


def _step(
    steps: list[Plugin], frame: pl.DataFrame, columns: Columns, device: str, demanded: bool
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the table and the columns after a step, and its account."""
    [step] = steps
    module, params = step.module, step.typed
    lazy, made = module.apply(frame.lazy(), columns, params)
    kind = accounting.kind(module)
    after, engine = _collect(step.name, lazy, device, demanded, kind != "makes")
    account = accounting.account(step.name, frame, after, kind=kind, columns=columns)
    if hasattr(module, "note"):
        account = accounting.noted(account, module.note(frame, columns, params))
    if hasattr(module, "findings"):
        account["found"] = module.findings(frame, after, columns, params)
    return after, made, account | {"engine": engine}


def require(device: str, demanded: bool) -> None:
    """Check that a GPU that is demanded is there.

    Raises:
        EngineUnavailable: it is not.
    """
    if demanded and device != "cuda":
        raise EngineUnavailable(
            "clean.engine: cudf needs a GPU, and this run works on the CPU. Set clean.engine: auto."
        )


def nothing_left(step: str, rows: int) -> str:
    """Return the message for a step after which no row is left."""
    if ", " in step:
        return (
            f"clean: the plan of {step} left none of {rows} rows. `clean.accounts: cells` says "
            "which of them did it."
        )
    return (
        f"clean: step {step!r} left none of {rows} rows. Change its params in clean.steps, or "
        "leave it out."
    )


def looking_ahead(steps: list[Plugin]) -> str:
    """Return why a row that steps made depends on later rows; "" where it does not."""
    if len(steps) == 1:
        return looks_ahead(steps[0])
    return "; ".join(f"{step.name}: {why}" for step in steps if (why := looks_ahead(step)))


def looks_ahead(step: Plugin) -> str:
    """Return why a row that a step made depends on later rows; "" where it does not."""
    check = getattr(step.module, "looks_ahead", None)
    return check(step.typed) if check else ""


def _collect(
    step: str, lazy: pl.LazyFrame, device: str, demanded: bool, streaming: bool
) -> tuple[pl.DataFrame, str]:
    """Return what a step computes, and the engine that did it."""
    cpu = f"cpu: Polars, {'streaming' if streaming else 'in memory'}"
    if device == "cuda" and (demanded or frames.unavailable() is None):
        try:
            return frames.collect(lazy, device, demanded=True), "gpu: cuDF"
        except (NotImplementedError, pl.exceptions.ComputeError) as error:
            first = str(error).splitlines()[0][:120]
            if demanded:
                raise EngineUnavailable(
                    f"clean: cuDF cannot do step {step!r} ({first}). Set clean.engine: auto, and "
                    "Polars does such steps on the CPU."
                ) from error
            found = frames.collect(lazy, streaming=streaming)
            return found, f"{cpu} (not by cuDF: {first})"
    with warnings.catch_warnings():
        # rows are ordered within groups, which Polars cannot see
        warnings.filterwarnings("ignore", "Sortedness of columns cannot be checked", UserWarning)
        return frames.collect(lazy, device, streaming=streaming), cpu
