"""Several sources in one table: a ring beside the sensors of a home, and the weather outside.

The rows of all sources one below the other, each with its own columns, by one clock; what belongs
together in time is put together by clean (`resample`, `nights`, `daily`). Each source is read as
its own dataset reads it. `ingest.path`: a folder with one for each source, if they do not lie in
data/raw. Not for tables that share a key other than time.
"""

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
from pydantic import Field, ValidationError, field_validator

from tasks.core.errors import DataError
from tasks.core.home import project
from tasks.core.params import explain
from tasks.core.plugins import PluginParams, unknown
from tasks.core.schema import ROW, Column, Role, Table, by_role
from tasks.ingest.datasets import fitbit_export, oura, oura_export, sensor_table, tsi
from tasks.ingest.datasets import weather_underground as weather
from tasks.ingest.reading import About, Reading
from tasks.ingest.sensors import made

ORIGIN = "generated"  # nothing of its own: each source says where it lies
FOLDER = True
LIBRARIES = ("polars",)
TIME = "time"
MOST = 300  # columns of a source; more is a mistake
DATASETS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (fitbit_export, oura, oura_export, sensor_table, tsi, weather)
}


class Source(PluginParams):
    """A dataset of its own."""

    dataset: str
    path: str | None = Field(
        default=None, description="null: NAME in data/raw, as `temper collect NAME` leaves it"
    )
    options: dict[str, Any] = Field(default={}, description="the dataset's own")

    @property
    def module(self) -> ModuleType:
        """Return the dataset's plugin."""
        return DATASETS[self.dataset]

    @property
    def typed(self) -> Any:
        """Return the dataset's own params."""
        return self.module.Params(**self.options)


class Params(PluginParams):
    """`sources`: by name, which is that of the workload that collects it."""

    sources: dict[str, Source] = Field(min_length=2)
    group: str | None = Field(
        default=None,
        description="the column of every source that says whose rows belong together (a home, a "
        "person); null: all are one series. Other sensors of a source become columns of their own",
    )

    @field_validator("sources")
    @classmethod
    def _sound(cls, sources: dict[str, Source]) -> dict[str, Source]:
        problems = []
        for name, source in sources.items():
            if not name.replace("-", "_").isidentifier():
                problems.append(f"{name}: expected a name of letters, digits, - and _")
            if source.dataset not in DATASETS:
                known = tuple(DATASETS)
                problems.append(unknown(f"dataset {source.dataset!r}", source.dataset, known))
                continue
            try:
                _ = source.typed
            except ValidationError as error:
                where = f"{name}.options"
                problems += explain(error, source.module.Params, where)
        if problems:
            raise ValueError("\n".join(problems))
        return sources


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 over what each source says of itself."""
    return _digest(params, _places(params, source))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy each source into a folder of its name."""
    for name, place in _places(params, source).items():
        (folder / name).mkdir()
        params.sources[name].module.fetch(params.sources[name].typed, place, folder / name)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the rows of all sources, one below the other.

    Raises:
        DataError: a source has no column of times or lacks `group`, or the table has no target.
    """
    found = {
        name: each.module.read(raw / name, each.typed, None)
        for name, each in params.sources.items()
    }
    parts = {name: _aligned(name, reading, params.group) for name, reading in found.items()}
    keys = [TIME, *([params.group] if params.group else [])]
    shared = _shared([part.frame.columns for part in parts.values()], [ROW, *keys])
    frames, units, notes, unparsed, rows = [], {}, [], [], 0
    for name, part in parts.items():
        names = {n: f"{name}_{n}" for n in part.frame.columns if n in shared}
        frames.append(part.frame.rename(names).with_columns(_further(rows)))
        units |= {names.get(n, n): unit for n, unit in part.units.items()}
        notes += [f"{name}: {note}" for note in part.notes]
        unparsed.append(found[name].unparsed.with_columns(_further(rows)))
        rows = max(each[-1][ROW].max() or rows for each in (frames, unparsed))
    about = About(
        ", ".join(parts),
        _digest(params, {name: raw / name for name in parts}),
        "; ".join(f"{name}: {reading.source['origin']}" for name, reading in found.items()),
    )
    roles: dict[str, Role] = {key: "time" if key == TIME else "group" for key in keys}
    together = made.Made(pl.concat(frames, how="diagonal_relaxed"), units, notes)
    reading = made.reading(together, about, table, roles, None)
    kept = [reading.unparsed, *unparsed]
    return reading._replace(unparsed=pl.concat(kept, how="diagonal_relaxed"))


def _further(rows: int) -> pl.Expr:
    """Return row numbers that go on behind so many rows."""
    return (pl.col(ROW) + rows).cast(pl.UInt32)


def _places(params: Params, folder: Path | None) -> dict[str, Path]:
    """Return the file or folder of each source.

    Raises:
        DataError: nothing is there.
    """
    base, found, problems = folder or project() / "data" / "raw", {}, []
    for name, source in params.sources.items():
        place = project() / Path(source.path).expanduser() if source.path else base / name
        found[name] = place
        if not place.is_file() and not any(p.is_file() for p in place.rglob("*")):
            collected = source.module.ORIGIN == "collected"
            how = f"`temper collect {name}`, `dvc pull`" if collected else "set its `path`"
            problems.append(f"ingest.options.sources.{name}: nothing in {place}: {how}")
    if problems:
        raise DataError("\n".join(problems))
    return found


def _digest(params: Params, places: dict[str, Path]) -> str:
    total = hashlib.sha256()
    for name, each in params.sources.items():
        total.update(f"{name}\0{each.module.origin(each.typed, places[name])}\n".encode())
    return total.hexdigest()


def _aligned(name: str, reading: Reading, group: str | None) -> made.Made:
    """Return a source's rows by one clock, its other sensors as columns of their own."""
    frame, columns = reading.frame, reading.columns
    times, groups = by_role(columns, "time"), by_role(columns, "group")
    if len(times) != 1:
        raise DataError(
            f"ingest.options.sources.{name}: expected one column of times, found "
            f"{', '.join(times) or 'none'}"
        )
    if group and group not in columns:
        raise DataError(f"ingest.options.sources.{name}: {unknown(group, group, tuple(columns))}")
    clock = pl.col(times[0]).cast(pl.Datetime("us"))
    if getattr(frame.schema[times[0]], "time_zone", None):
        clock = pl.col(times[0]).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    keys = [pl.col(group)] if group else []
    values = [n for n in by_role(columns, "feature") if n != group]
    others = [n for n in groups if n != group]
    sensors = frame.select(others).unique(maintain_order=True).sort(others) if others else None
    if sensors is not None and len(sensors) * len(values) > MOST:
        raise DataError(
            f"ingest.options.sources.{name}: {len(sensors)} sensors with {len(values)} values each "
            f"are more than {MOST} columns; read fewer of them"
        )
    made_of: list[pl.Expr] = []
    units: dict[str, str] = {}
    for value in values:
        for sensor in sensors.iter_rows() if sensors is not None else ((),):
            own = pl.all_horizontal(
                pl.lit(True),
                *(pl.col(n).eq_missing(v) for n, v in zip(others, sensor, strict=True)),
            )
            several = sensors is not None and len(sensors) > 1
            out = "_".join([value, *map(str, sensor)]) if several else value
            made_of.append(pl.when(own).then(pl.col(value)).alias(out))
            if unit := columns.get(value, Column()).unit:
                units[out] = unit
    notes = [note for note in reading.source["notes"] if ": role " not in note]
    return made.Made(frame.select(ROW, clock.alias(TIME), *keys, *made_of), units, notes)


def _shared(names: list[list[str]], keys: list[str]) -> set[str]:
    """Return the columns that several sources have."""
    every = [name for each in names for name in each if name not in keys]
    return {name for name in every if every.count(name) > 1}
