"""Guesses what `temper new` needs of a table: task, target, types, roles, checks, split, models."""

import re
from pathlib import Path
from typing import cast

import polars as pl

from tasks.core.counting import counted
from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import names as plugin_names
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Column, Columns, Table, Task, Type, by_role
from tasks.ingest.conversion import typed
from tasks.ingest.leaks import telling
from tasks.ingest.options import ReadOptions
from tasks.ingest.proposal import Proposal
from tasks.ingest.reading import Reading, read_table, unknown_column
from tasks.ingest.roles import RoleGuess, roles
from tasks.ingest.section import check_name, section, write_section

__all__ = ["Proposal", "check_name", "propose", "section", "write_section"]

TARGET_NAMES = ("target", "label", "class", "y", "outcome", "response")
MIN_ROWS = 20  # as validate.limits.min_rows
MOST_CLASSES = 20
SENTINELS = (-99.0, -999.0, -9999.0, -99999.0)
MOST_UNPARSED = 0.01  # of a feature's values: half of what validate.max_bad_share allows of rows
FEW_UNPARSED = 20  # so many a user can correct
LISTED_LEVELS = 12  # so few levels are listed as the only ones allowed
SMALL, LARGE = 1_000, 200_000  # rows
AMOUNTS = re.compile(
    r"age|count|num|n_|total|sum|amount|price|cost|income|salary|rooms|population|households|area"
    r"|length|width|height|weight|mass|size|distance|steps|minutes|hours|days|duration|humid|light"
    r"|co2|pm[0-9]|speed|calories"
)
EARTH = (
    (re.compile(r"^lat(itude)?$|_lat(itude)?$"), 90),
    (re.compile(r"^(lon|lng|long)(gitude)?$|^longitude$|_(lon|lng|longitude)$"), 180),
)


def propose(path: Path, target: str | None, name: str, task: str | None = None) -> Proposal:
    """Return a section for a table file, verified by reading the file with it.

    Raises:
        DataError: the file is no table that can be used, or the target is unknown, or cannot be
            guessed.
        ParamsError: the task is neither regression nor classification.
    """
    if task not in (None, "regression", "classification"):
        known = ("regression", "classification")
        raise ParamsError(unknown(f"task {task!r}", str(task), known))
    options = ReadOptions()
    first = read_table(path, None, options)
    target, why_target = _target(first.columns, target, path.name)
    guessed, why_task = _task(first.frame[target], path.name)
    if task is not None:
        guessed, why_task = cast(Task, task), "given"
    columns, guesses, why_columns = _roles(first, target, options)
    sure = read_table(path, Table(task=guessed, target=target, columns=columns), options)
    if spoilt := _spoilt(sure):
        columns |= {column: Column(type="text", role="ignore") for column in spoilt}
        why_columns |= spoilt
        sure = read_table(path, Table(task=guessed, target=target, columns=columns), options)
    if len(first.frame) < MIN_ROWS:
        raise DataError(
            f"{path.name}: {len(first.frame)} rows, expected {MIN_ROWS} or more: fewer cannot be "
            "split, fitted and judged"
        )
    checked = {
        column: _checked(sure, column, why_columns) if column in guesses else given
        for column, given in (columns | sure.columns).items()
    }
    doubts = _doubts(sure, target, guessed)
    why_columns |= {column: f"{why_columns[column]}; {doubt}" for column, doubt in doubts.items()}
    table = Table(task=guessed, target=target, columns=checked)
    split, why_split = _split(table, guesses, sure)
    models, why_models = _models(len(sure.frame), checked)
    return Proposal(
        name=name,
        file=path.name,
        rows=len(sure.frame),
        table=table,
        split=split,
        models=models,
        why={"task": why_task, "target": why_target, "split": why_split, "models": why_models},
        why_columns=why_columns,
        doubts=doubts,
        notes=_said(sure, first),
    )


def _target(columns: Columns, target: str | None, file: str) -> tuple[str, str]:
    known = list(columns)
    if target is not None:
        if target not in columns:
            raise DataError(f"{file}: " + unknown_column("target column", target, known))
        return target, "given"
    matches = [c for word in TARGET_NAMES for c in known if c.lower() == word]
    if len(matches) == 1:
        return matches[0], f"a column of the name {matches[0]!r}"
    found = f"several could be it: {', '.join(matches)}" if matches else "no name says it"
    shown = ", ".join(known[:40]) + (f" … ({len(known)} in all)" if len(known) > 40 else "")
    raise DataError(
        f"{file}: which column is the target? {found}. State --target; columns: {shown}"
    )


def _task(values: pl.Series, file: str) -> tuple[Task, str]:
    present = values.drop_nulls()
    distinct = present.n_unique()
    dtype = values.dtype
    if dtype.is_temporal() or dtype.is_nested():
        raise DataError(
            f"{file}: target {values.name!r} holds {dtype}, expected numbers or classes; choose "
            "another with --target"
        )
    if dtype == pl.String or dtype == pl.Boolean:
        return "classification", f"{distinct} distinct values that are not numbers"
    whole = dtype.is_integer() or bool((present == present.round()).all())
    limit = min(MOST_CLASSES, max(2, len(present) // 10))
    if whole and distinct <= limit:
        low, high = present.min(), present.max()
        words = f"{distinct} distinct whole numbers from {low:g} to {high:g}"
        return "classification", words + "; if they are amounts, set regression"
    return "regression", f"numbers, {distinct} distinct values in {len(present)} rows"


def _roles(
    first: Reading, target: str, options: ReadOptions
) -> tuple[Columns, dict[str, RoleGuess], dict[str, str]]:
    """Return the columns with types and roles, the guesses behind them, and reasons by column."""
    types: dict[str, Type] = {n: each.type or "text" for n, each in first.columns.items()}
    frame, why = first.frame, {}
    guesses = roles(frame.get_column, types, target)
    text_file = first.source["format"]["kind"] == "delimited text"
    for name, guess in guesses.items():
        if text_file or types[name] not in ("category", "text") or guess.role == "split":
            continue
        read = typed(frame[name], None, options, comma_file=False, label=False)
        if read.type not in ("category", "text") and "identifier" not in guess.reason:
            types[name] = read.type
            frame = frame.with_columns(read.values)
            why[name] = f"text in the file that reads as {read.type}"
    if why:
        guesses = roles(frame.get_column, types, target)
    columns: Columns = {}
    for name in first.source["format"].get("left_out", []):
        columns[name] = Column(role="ignore")
        why[name] = "of a kind that has no use as a column"
    for name, kind in types.items():
        if name == target:
            columns[name] = Column(role="target")
            continue
        guess = guesses[name]
        columns[name] = Column(type=kind, role=guess.role)
        reason = guess.reason + (f"; {guess.suggestion}" if guess.suggestion else "")
        why[name] = "; ".join(filter(None, (why.get(name), reason)))
    return columns, guesses, why


def _spoilt(sure: Reading) -> dict[str, str]:
    """Return columns in which many values are not of the type, with words; no feature like this.

    Else each of these rows would be quarantined for it.
    """
    found = {}
    for (name,), cells in sure.unparsed.group_by("column", maintain_order=True):
        column = sure.columns.get(str(name))
        many = len(cells) > max(FEW_UNPARSED, MOST_UNPARSED * len(sure.frame))
        if many and column and column.role == "feature":
            row, value = cells[ROW][0], cells["value"][0]
            found[str(name)] = (
                f"{counted(len(cells), 'value is', 'values are')} not {column.type}, "
                f"such as {value!r} (row {row}): correct them, then make it {{type: {column.type}}}"
            )
    return found


def _doubts(sure: Reading, target: str, task: Task) -> dict[str, str]:
    """Return the features that alone tell the target, with words: they may be leaks."""
    features: dict[str, Type] = {
        name: column.type or "text"
        for name, column in sure.columns.items()
        if column.role == "feature"
    }
    return {
        name: f"alone it tells {share:.1%} of the target: would you know it when you predict? "
        "If not: role: ignore"
        for name, share in telling(sure.frame, features, target, task).items()
    }


def _checked(sure: Reading, name: str, why: dict[str, str]) -> Column:
    """Return a column with the checks that its values suggest; the reasons go into `why`."""
    column = sure.columns[name]
    if column.role not in ("feature", "time"):
        return column
    unparsed = sure.unparsed.filter(pl.col("column").is_in([name, "__line__"]))[ROW]
    sound = sure.table.filter(~pl.col(ROW).is_in(unparsed.implode()))
    values = sound.select(name).collect()[name]
    more: dict = {}
    reasons = [why[name]]
    missing = values.null_count()
    if missing:
        reasons.append(f"{missing} missing")
    else:
        more["nullable"] = False
        reasons.append("none missing")
    present = values.drop_nulls()
    if column.type in ("integer", "float") and len(present):
        low, high = present.to_frame("x").select(low=pl.min("x"), high=pl.max("x")).row(0)
        low, high = float(low), float(high)
        earth = next((limit for word, limit in EARTH if word.search(name.lower())), None)
        if earth and low >= -earth and high <= earth:
            more |= {"min": -earth, "max": earth}
            reasons.append("degrees")
        elif low >= 0 and (low == 0 or column.type == "integer" or AMOUNTS.search(name.lower())):
            more["min"] = 0
            two = set(present.unique()) == {0, 1}
            more |= {"max": 1} if two else {}
            reasons.append("0 or 1" if two else "never negative")
        if low in SENTINELS:
            reasons.append(f"does {low:g} stand for missing?")
        reasons[0] = f"{low:g} to {high:g}" if "distinct" in reasons[0] else reasons[0]
    if column.type == "category":
        levels = sorted(present.unique().to_list())
        if len(levels) <= LISTED_LEVELS and all(len(level) <= 40 for level in levels):
            more["values"] = levels
    why[name] = ", ".join(reasons)
    return column.model_copy(update=more)


def _split(table: Table, guesses: dict[str, RoleGuess], sure: Reading) -> tuple[str, str]:
    columns = table.columns
    if given := by_role(columns, "split"):
        return "given", f"column {given[0]} {guesses[given[0]].reason}"
    if clock := by_role(columns, "time"):
        return "by_time", f"column {clock[0]} holds times: fit on the past, judge on what follows"
    if table.task == "classification":
        rarest = sure.frame[table.target].drop_nulls().value_counts()["count"].min()
        return (
            "stratified",
            f"each part gets its share of every class (the rarest has {rarest} rows)",
        )
    places = [n for n in columns if any(word.search(n.lower()) for word, _ in EARTH)]
    if len(places) >= 2:
        return "at_random", (
            f"no time, no groups; {' and '.join(places[:2])} are places: spatial_blocks judges on "
            "places not seen"
        )
    dates = [name for name in columns if name.lower() in ("year", "month", "day", "hour")]
    if len(dates) >= 2:
        return "at_random", (
            f"no column of times; {', '.join(dates)} may be parts of one: a column of dates would "
            "let the split follow time"
        )
    return "at_random", "no column of times, groups or parts"


def _models(rows: int, columns: Columns) -> tuple[tuple[str, ...], str]:
    if any(column.type == "image" for column in columns.values()):
        wanted, why = ("baseline", "linear", "light_gbm", "mlp", "convnet"), "images"
    elif rows < SMALL:
        wanted = ("baseline", "linear", "random_forest", "light_gbm")
        why = f"{rows} rows: few for larger models"
    elif rows > LARGE:
        wanted = ("baseline", "linear", "light_gbm", "xg_boost")
        why = f"{rows} rows: those that are fast on many"
    else:
        wanted = ("baseline", "linear", "random_forest", "xg_boost", "light_gbm", "mlp")
        why = f"{rows} rows: every family"
    here = plugin_names("model")
    return tuple(name for name in wanted if name in here), why


def _said(sure: Reading, first: Reading) -> list[str]:
    """Return what the reader took for what, where it is worth a word."""
    form = sure.source["format"]
    said = []
    if form["kind"] == "delimited text":
        said.append(
            f"{form['encoding']}, delimiter {form['delimiter']!r}, decimal mark "
            f"{form['decimal_mark']!r}, {'a' if form['header'] else 'no'} header "
            f"({first.source['format']['header_because']})"
        )
    for name, column in form["columns"].items():
        if column.get("missing_marks"):
            marks = ", ".join(f"{m!r} {n} times" for m, n in column["missing_marks"].items())
            said.append(f"{name}: taken for missing: {marks}")
        if column.get("taken_for"):
            said.append(f"{name}: {column['type']} ({column['taken_for']})")
    return said + sure.source["notes"]
