"""`temper compress`: a workload of a model that was fitted elsewhere, from its file to the report.

The model is tried on the table before anything is written.
"""

import hashlib
import re
import sys
from contextlib import suppress
from pathlib import Path

import yaml

from flows import newly
from flows.workload import Workload, build
from tasks.core import child, params, progress
from tasks.core.errors import Crashed, ParamsError
from tasks.core.home import project
from tasks.core.plugins import unavailable
from tasks.core.schema import Column
from tasks.ingest.proposal import Proposal

WHERE = re.compile(r"train\.models\.given(_keras)?\.path")  # as the plugins name the file
NUMBERS = ("float", "integer", "boolean")  # types of columns that a model may want


def compress(
    model: Path, data: Path, target: str | None, task: str | None, name: str | None
) -> int:
    """Make a workload of a model and a table, and run it; return the exit code.

    Where the run stops before the model was taken in, and the params or the data are why, nothing
    of the workload stays.

    Raises:
        TemperError: what stopped it, as the user can understand it.
    """
    from flows.failures import told
    from flows.running import run_workload

    name = name or _name(model)
    change = make(name, model, data, target, task)
    fitted: list[str] = []

    def hear(event: progress.Event) -> None:
        if (event.kind, event.name) == ("ended", "fit"):
            fitted.append(event.run)

    try:
        with progress.listening(hear):
            return run_workload(name, [], "report", False, False)
    except Exception as error:
        wrong = told(error).exit_code == ParamsError.exit_code
        if wrong and not fitted and newly.take_back(name, change):
            print(f"note: {name} was taken out of params.yaml and data/raw again", file=sys.stderr)
        raise


def make(name: str, model: Path, data: Path, target: str | None, task: str | None) -> newly.Change:
    """Make a workload of a model and a table; return how params.yaml changed.

    Raises:
        ParamsError: there is no such file, the name is taken or not usable, the library that reads
            the file is not here, or the model does not suit the table.
        DataError: the table cannot be used as it is.
    """
    from tasks.ingest.infer import check_name

    given = _given(model)
    check_name(project() / params.FILE, name)

    def settled(proposal: Proposal, file: Path) -> Proposal:
        return suiting(proposal._replace(given=given), file, str(model))

    return newly.put(name, data, target, task, settled)


def suiting(proposal: Proposal, file: Path, where: str) -> Proposal:
    """Return the proposal, or one with every column of numbers as a feature if the model wants it.

    Raises:
        ParamsError: the model cannot be read, or does not suit the table.
        DataError: the table lacks values.
    """
    try:
        attempt(proposal, file)
        return proposal
    except ParamsError as error:
        wide = _wider(proposal)
        if wide:
            with suppress(ParamsError):
                attempt(wide, file)
                return wide
        raise ParamsError(WHERE.sub(lambda _: where, str(error))) from None


def _wider(proposal: Proposal) -> Proposal | None:
    """Return the proposal with the columns of numbers that were left out; None where none was."""
    columns = proposal.columns
    left = [n for n, c in columns.items() if c.role == "ignore" and c.type in NUMBERS]
    if not left:
        return None
    taken = {n: Column(type=columns[n].type) for n in left}
    return proposal._replace(
        table=proposal.table.model_copy(update={"columns": columns | taken}),
        why_columns=proposal.why_columns | dict.fromkeys(left, "the model wants it"),
    )


def attempt(proposal: Proposal, file: Path) -> None:
    """Read the model's file, and have it predict rows of the table, as the run will; in a process
    of its own, for libraries may end it over a damaged file.

    Raises:
        ParamsError, DataError: as `suiting`.
    """
    from flows.running import preload

    workload = _workload(proposal)
    (model,) = workload.models
    path = str(project() / Path(model.typed.path).expanduser())
    proposal = proposal._replace(given={**(proposal.given or {}), "path": path})
    child.warm(preload(workload))
    try:
        child.run(_try, proposal, file, label="the model's file")
    except Crashed as error:
        raise ParamsError(
            f"train.models.{model.name}.path: it is damaged or cut off: its library does not "
            f"survive reading it ({error}). Save it anew"
        ) from None


def _workload(proposal: Proposal) -> Workload:
    from tasks.ingest.infer import section

    return build(proposal.name, yaml.safe_load(section(proposal))[proposal.name])


def _try(proposal: Proposal, file: Path) -> None:
    from tasks.core import preparation, target
    from tasks.core.fitting import FitContext, FitData
    from tasks.core.schema import ROW
    from tasks.features.prepare import candidates
    from tasks.ingest.options import ReadOptions
    from tasks.ingest.reading import read_table

    workload = _workload(proposal)
    spec, (model,) = workload.table, workload.models
    read = read_table(file, spec, ReadOptions())
    frame = read.frame.filter(~read.frame[ROW].is_in(read.unparsed[ROW].implode()))
    frame = frame.drop_nulls(spec.target)
    recipes = [p for p in workload.features.plugins() if p.kind == "recipe"]
    state = preparation.fit(frame, candidates(spec, workload.features), recipes)
    X, values = preparation.transform(frame, state), frame[spec.target]
    classes: list[str] = []
    if spec.task == "classification":
        classes = target.classes_of(values)
        y = target.class_indices(values, classes)
    else:
        y = target.values_of(values)
    names = preparation.feature_names(state)
    data = FitData(
        *(X, y, X[:0], y[:0], spec.task, len(classes)), feature_names=names, classes=classes
    )
    model.module.fit(data, model.typed, FitContext())


def _given(model: Path) -> dict[str, str]:
    """Return the path of a model's file, within the project relative to it, and its sha256."""
    from tasks.train.foreign.reading import READ, kinds, whole

    path = model.expanduser().resolve()
    if path.suffix.lower() not in (*READ, ".keras"):
        raise ParamsError(f"{model}: expected a model's file: {kinds()}, .keras (Keras)")
    if path.suffix.lower() == ".keras" and (reason := unavailable("model", "given_keras")):
        raise ParamsError(f"{model}: {reason}")
    sha256 = hashlib.sha256(whole(path, str(model))).hexdigest()
    if path.is_relative_to(project()):
        path = path.relative_to(project())
    return {"path": str(path), "sha256": sha256}


def _name(model: Path) -> str:
    """Return the name of a workload for a model's file."""
    plain = re.sub(r"[^a-z0-9_]+", "_", model.stem.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"model_{plain}"
