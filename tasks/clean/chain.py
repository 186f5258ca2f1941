"""Runs the steps one after the other and accounts for each; or as few lazy plans as may be.

A step is a module of `tasks.clean.steps` with

    class Params(PluginParams)
    def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]
    def note(before: pl.DataFrame, columns: Columns, params: Params) -> str      (optional)
    def findings(before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params)
        -> list[Finding]                                                         (optional)
    def looks_ahead(params: Params) -> str                                       (optional)
    def includes_now(params: Params, target: str) -> bool                        (optional)
    def looks(params: Params) -> bool                                            (optional)
    def leaves(params: Params) -> Known                                          (optional)
    def from_file(frame: pl.LazyFrame, columns: Columns, params: Params, place: Path, device: str,
        demanded: bool) -> tuple[pl.LazyFrame, Columns, account]                 (optional)
    def compute(frame: pl.DataFrame, columns: Columns, params: Params, device: str,
        demanded: bool) -> tuple[pl.DataFrame, Columns, account]                 (optional)
    SCOPE, MAKES_ROWS, REORDERS, KEEPS_ROWS, ONCE                                (optional)

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
KEEPS_ROWS: True where no row goes, and times stay as they are.
ONCE: True where doing it again adds to what it added.
looks: whether `apply` computes something of the table's values, beyond its times.
leaves: what is known of the order and the grid of the rows behind it.
looks_ahead: why a row depends on later ones; "" where it does not. No such step makes the inputs
    of a forecast, unless params allow it.
includes_now: whether it makes features of the target as it is in the row itself. None does where
    the target of that row is to be told.

Steps that are one plan (`accounts: rows`) are computed together, without the table between two of
them: nothing can be said of each, nor of cells. A plan ends before a step that looks at values,
where a step before it looks further than its row: all of those would be computed twice.
"""

import warnings
from functools import reduce
from typing import Any, Literal

import polars as pl

from tasks.clean import accounting, series
from tasks.core import frames, progress
from tasks.core.errors import DataError, EngineUnavailable
from tasks.core.plugins import Plugin
from tasks.core.schema import Columns

Accounts = Literal["cells", "rows"]
MADE = "__made__"  # how many rows the last step made that makes rows


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
    done, found, known = 0, [], series.Known()
    for together in _together(steps, accounts):
        progress.report(done / len(steps), together[0].name)
        planning = _plan if accounts == "rows" else _step
        does = _by_itself if goes_by_itself(together[0]) else planning
        with series.knowing(known):
            after, columns, account = does(together, frame, columns, device, demanded)
        known = reduce(_known, together, known)
        found.append(account | {"looks_ahead": looking_ahead(together)})
        if after.height == 0 and frame.height and not may_empty:
            raise DataError(nothing_left(account["step"], frame.height))
        frame, done = after, done + len(together)
    return frame, columns, found


def _together(steps: list[Plugin], accounts: Accounts) -> list[list[Plugin]]:
    """Return the steps by what is computed together, in order."""
    found: list[list[Plugin]] = []
    for step in steps:
        alone = accounts == "cells" or goes_by_itself(step)
        if alone or not found or goes_by_itself(found[-1][-1]) or _twice(found[-1], step):
            found.append([step])
        else:
            found[-1].append(step)
    return found


def _twice(before: list[Plugin], step: Plugin) -> bool:
    """Return whether one plan would compute more than rows twice, for a step to look at."""
    return looks(step) and any(scope(each) != "row" for each in before)


def scope(step: Plugin) -> str:
    """Return how far a step looks: `row`, `group` or `table`."""
    return getattr(step.module, "SCOPE", "table")


def looks(step: Plugin) -> bool:
    """Return whether a step computes something of the table's values for its plan."""
    check = getattr(step.module, "looks", None)
    return bool(check and check(step.typed))


def planned(
    frame: pl.LazyFrame, columns: Columns, steps: list[Plugin]
) -> tuple[pl.LazyFrame, Columns]:
    """Return the steps as one lazy plan, and the columns after them.

    Behind the last step that makes rows, unless it ends the plan, a column `MADE` says how many.
    """
    known, makes = series.known(), _makes(steps)
    for number, step in enumerate(steps, 1):
        with series.knowing(known):
            frame, columns = step.module.apply(frame, columns, step.typed)
        known = _known(known, step)
        if number == makes != len(steps):
            frame = frame.with_columns(pl.len().cast(pl.UInt32).alias(MADE))
    return frame, columns


def _known(before: series.Known, step: Plugin) -> series.Known:
    """Return what is known of the rows behind a step."""
    if hasattr(step.module, "leaves"):
        return step.module.leaves(step.typed)
    return before if getattr(step.module, "KEEPS_ROWS", False) else series.Known()


def _makes(steps: list[Plugin]) -> int:
    """Return the number of the last step that makes rows, from 1; 0 where there is none."""
    made = (n for n, step in enumerate(steps, 1) if accounting.kind(step.module) == "makes")
    return max(made, default=0)


def named(steps: list[Plugin]) -> str:
    """Return what the account of steps that are one plan calls them."""
    return ", ".join(step.name for step in steps)


def goes_by_itself(step: Plugin) -> bool:
    """Return whether a step goes from table to table, or from file to file."""
    return hasattr(step.module, "compute")


def _by_itself(
    steps: list[Plugin], frame: pl.DataFrame, columns: Columns, device: str, demanded: bool
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the table and the columns after a step that goes from table to table, its account."""
    [step] = steps
    return step.module.compute(frame, columns, step.typed, device, demanded)


def _plan(
    steps: list[Plugin], frame: pl.DataFrame, columns: Columns, device: str, demanded: bool
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the table and the columns after steps that are one plan, and its account."""
    lazy, made = planned(frame.lazy(), columns, steps)
    makes = _makes(steps)
    after, engine = _collect(steps, lazy, device, demanded)
    rows = after.height
    if MADE in after.columns:
        until = planned(frame.lazy(), columns, steps[:makes])[0].select(pl.len())
        rows = after[MADE][0] if rows else until.collect().item()
        after = after.drop(MADE)
    sizes = (frame.height, frame.schema, after.height, after.schema)
    account = accounting.of_rows(named(steps), *sizes, rows_made=rows if makes else None)
    return after, made, account | {"engine": engine}


def _step(
    steps: list[Plugin], frame: pl.DataFrame, columns: Columns, device: str, demanded: bool
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the table and the columns after a step, and its account."""
    [step] = steps
    module, params = step.module, step.typed
    lazy, made = module.apply(frame.lazy(), columns, params)
    kind = accounting.kind(module)
    after, engine = _collect([step], lazy, device, demanded)
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
    steps: list[Plugin], lazy: pl.LazyFrame, device: str, demanded: bool
) -> tuple[pl.DataFrame, str]:
    """Return what steps compute, and the engine that did it.

    Streaming where none looks further than its row: else that takes the table into memory too, adds
    up in the order in which rows happen to come, and needs a minute for hundreds of columns.
    """
    streaming = all(scope(step) == "row" for step in steps)
    cpu = f"cpu: Polars, {'streaming' if streaming else 'in memory'}"
    if device == "cuda" and (demanded or frames.unavailable() is None):
        try:
            return frames.collect(lazy, device, demanded=True), "gpu: cuDF"
        except (NotImplementedError, pl.exceptions.ComputeError) as error:
            first = str(error).splitlines()[0][:120]
            if demanded:
                raise EngineUnavailable(
                    f"clean: cuDF cannot do step {named(steps)!r} ({first}). Set clean.engine: "
                    "auto, and Polars does such steps on the CPU."
                ) from error
            found = frames.collect(lazy, streaming=streaming)
            return found, f"{cpu} (not by cuDF: {first})"
    with warnings.catch_warnings():
        # rows are ordered within groups, which Polars cannot see
        warnings.filterwarnings("ignore", "Sortedness of columns cannot be checked", UserWarning)
        return frames.collect(lazy, device, streaming=streaming), cpu
