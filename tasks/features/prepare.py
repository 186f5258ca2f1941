"""Makes `features/prepared` of a clean table: its parts, and the preparation fitted on `train`."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core import preparation, target
from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import Plugin
from tasks.core.prepared import Meta
from tasks.core.schema import ROW, Columns, Table, by_role, save_columns
from tasks.core.sequence import FUTURE, PAST, Sequence
from tasks.core.stopping import stop_mask
from tasks.features import windows
from tasks.features.params import Params
from tasks.features.splitting import checked, chosen

Parts = dict[str, np.ndarray]


def prepare(frame: pl.DataFrame, spec: Table, params: Params, seed: int, out: Path) -> None:
    """Write the files of `features/prepared`; `spec.columns` are all columns of `frame`, resolved.

    Raises:
        DataError: the target or the split cannot be used, or no feature column is left.
    """
    frame, unlabelled = _labelled(frame, spec)
    _check_target(frame, spec)
    plugins = params.plugins()
    sequence, whole, y = None, frame, np.zeros(0)
    if spec.task == "forecast":
        made = windows.cut(frame, spec, params.forecast)
        frame, spec, y, sequence = made.frame, made.spec, made.y, made.sequence
        plugins = _for_windows(plugins, sequence)
    split = chosen(plugins, spec)
    module, split_params = split.module, split.typed
    parts = module.parts(frame, spec, split_params, seed)
    judged = "test" if "test" in parts else "val"
    checked(frame, spec, parts, judged)
    tables = {part: frame[rows] for part, rows in parts.items()}
    train = tables["train"]

    recipes = [p for p in plugins if p.kind == "recipe"]
    state = preparation.fit(train, candidates(spec, params), recipes)
    classes = target.classes_of(train[spec.target]) if spec.task == "classification" else None
    feature_names = preparation.feature_names(state)
    if sequence:
        sequence = _scaled(sequence, whole, train, spec, feature_names)
        feature_names = sequence.feature_names
    meta = Meta(
        task=spec.task,
        target=spec.target,
        classes=classes,
        inputs=preparation.inputs(state),
        feature_names=feature_names,
        image_shape=preparation.image_shape(state),
        parts={part: len(rows) for part, rows in parts.items()},
        judged=judged,
        split={
            "name": split.name,
            "params": split_params.model_dump(mode="json"),
            "note": "; ".join(filter(None, (module.note(frame, spec, split_params), unlabelled))),
        },
        sequence=sequence,
    )

    kept = _kept(spec, meta, split)
    for part, table in tables.items():
        table.select(kept).write_parquet(out / f"{part}.parquet")
        np.save(out / f"X_{part}.npy", preparation.transform(table, state))
        own = y[parts[part]] if sequence else _y(table, spec, classes)
        np.save(out / f"y_{part}.npy", own)
    np.save(out / "stop.npy", stop_mask(split, train, spec, params.stop_share, seed))
    save_columns({name: spec.columns[name] for name in kept if name != ROW}, out)
    preparation.save(state, out / "preparation.json")
    (out / "prepare.onnx").write_bytes(preparation.to_onnx(state).SerializeToString())
    content = meta.model_dump(mode="json")
    (out / "meta.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))
    more = {
        "notes": state["notes"],
        "recipes": [r.model_dump() for r in recipes],
        "stop_share": params.stop_share,
    }
    (out / "choices.json").write_text(json.dumps(more, indent=1, ensure_ascii=False))


def candidates(spec: Table, params: Params) -> Columns:
    """Return the columns that may become features: role feature, and time's calendar if wanted.

    Of windows: theirs first, then the columns that do not change; their calendar is in `future`.
    """
    calendar = params.time_features and spec.task != "forecast"
    found = {
        name: column
        for name, column in spec.columns.items()
        if name != spec.target
        and (
            column.role == "feature"
            or (column.role == "time" and column.type == "datetime" and calendar)
        )
    }
    first = {n: found[n] for n in (PAST, FUTURE) if n in found and found[n].type == "window"}
    return first | found


def _for_windows(plugins: list[Plugin], sequence: Sequence) -> list[Plugin]:
    """Return the plugins as windows want them: split by time with an embargo, `sequence` first.

    Raises:
        ParamsError: another split was named.
    """
    named = [p.name for p in plugins if p.kind == "split" and p.name != "given"]
    if named and "by_time" not in named:
        raise ParamsError(
            f"features.split.name: a forecast is split by_time, found {named[0]}: windows overlap, "
            "and what follows a row would be known to others"
        )
    embargo = {"embargo_s": int(sequence.ahead[-1]) * sequence.step_s}
    splits = [p.with_params(**embargo) for p in plugins if p.name == "by_time"]
    recipes = [p for p in plugins if p.kind == "recipe"]
    return [*sorted(recipes, key=lambda p: p.name != "sequence"), *splits]


def _scaled(
    sequence: Sequence, frame: pl.DataFrame, train: pl.DataFrame, spec: Table, names: list[str]
) -> Sequence:
    """Return the sequence with the scale of the training part, and the features that are static."""
    time = by_role(spec.columns, "time")[0]
    seen = frame.filter(pl.col(time) <= train[time].max())
    first = sequence.past_size + sequence.horizon * len(sequence.known)
    changed = {"scale": windows.scale(seen, spec, sequence), "static": tuple(names[first:])}
    return sequence.model_copy(update=changed)


def _kept(spec: Table, meta: Meta, split: Plugin) -> list[str]:
    """Return the columns of the parts' tables: what the graph, the split and resamples read."""
    reads = getattr(split.module, "reads", None)  # columns beside those of its roles
    wanted = {i.name for i in meta.inputs} | {spec.target}
    wanted |= {name for role in ("group", "time") for name in by_role(spec.columns, role)}
    wanted |= set(reads(list(spec.columns), split.typed)) if reads else set()
    return [ROW, *(name for name in spec.columns if name in wanted)]


def _y(table: pl.DataFrame, spec: Table, classes: list[str] | None) -> np.ndarray:
    if classes is None:
        return target.values_of(table[spec.target])
    return target.class_indices(table[spec.target], classes)


def _labelled(frame: pl.DataFrame, spec: Table) -> tuple[pl.DataFrame, str]:
    """Return the rows that have a target, and words on those that have none.

    Of a table with times alone: its grid has periods in which nothing was measured. In any other
    table a missing target is a fault. The windows of a forecast see to it themselves.
    """
    timed = spec.task != "forecast" and by_role(spec.columns, "time")
    if not timed or spec.target not in frame.columns or not frame[spec.target].null_count():
        return frame, ""
    kept = frame.filter(pl.col(spec.target).is_not_null())
    left_out = len(frame) - len(kept)
    return kept, f"{left_out:,} of {len(frame):,} rows have no {spec.target} and are left out"


def _check_target(frame: pl.DataFrame, spec: Table) -> None:
    if spec.target not in frame.columns:
        raise DataError(f"target {spec.target!r}: no such column in the clean table")
    column = frame[spec.target]
    missing = column.null_count()
    if spec.task == "forecast":  # windows leave out what is missing
        column = column.drop_nulls()
    elif missing:
        rows = frame.filter(pl.col(spec.target).is_null())[ROW].head(5).to_list()
        raise DataError(
            f"target {spec.target!r}: missing in {missing} of {len(frame)} rows (first: {rows}). "
            "`validate` lets no such row through, so a step of `clean` made them: leave the target "
            "out of its `columns`, or let it drop such rows"
        )
    if spec.task in ("regression", "forecast"):
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise DataError(
                f"target {spec.target!r}: {spec.task} needs numbers, found {column.dtype}; "
                "set table.task to classification, or choose another target"
            )
        if not np.isfinite(target.values_of(column)).all():
            raise DataError(
                f"target {spec.target!r}: it has infinite or NaN values; clean them first"
            )
    if column.n_unique() < 2:
        what = "class" if spec.task == "classification" else "value"
        raise DataError(
            f"target {spec.target!r}: it has a single {what} in {len(frame)} rows, so there is "
            "nothing to predict"
        )
