"""Makes places missing where no sensor hangs: 0 degrees by 0 degrees, and far from its usual place.

For fixed sensors whose place is set by hand, or starts at 0, 0 until it is. Not for what moves.
"""

import re

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, finding
from tasks.clean.series import groups, over
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "group"
KEEPS_ROWS = True
LATITUDE = re.compile(r"(^|_)lat(itude)?$")
LONGITUDE = re.compile(r"(^|_)(lon|lng|long|longitude)$")


class Params(PluginParams):
    """`latitude`, `longitude`: the columns; null: found by their names."""

    latitude: str | None = None
    longitude: str | None = None
    far: float = Field(default=1.0, gt=0, description="degrees from the series' usual place")


def looks_ahead(params: Params) -> str:
    """Return why: the usual place is that of the whole series."""
    return "a sensor's usual place is that of its whole series"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with wrong places made missing, both coordinates together."""
    names = _pair(frame, columns, params)
    if names is None:
        return frame, columns
    wrong = _nowhere(*names) | _elsewhere(*names, groups(columns), params.far)
    return frame.with_columns(pl.when(~wrong).then(pl.col(n)).alias(n) for n in names), columns


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return the places taken out, each with its rows."""
    names = _pair(before.lazy(), columns, params)
    if names is None:
        return []
    gone = before.filter(before[names[0]].is_not_null() & after[names[0]].is_null())
    of = gone.group_by(list(names)).agg(n=pl.len(), row=pl.min(ROW)).sort("row")
    return [
        finding("wrong place", names[0], f"{lat:g}, {lon:g}", n, row)
        for lat, lon, n, row in of.head(20).iter_rows()
    ]


def _nowhere(latitude: str, longitude: str) -> pl.Expr:
    return ((pl.col(latitude) == 0) & (pl.col(longitude) == 0)).fill_null(False)


def _elsewhere(latitude: str, longitude: str, keys: list[str], far: float) -> pl.Expr:
    there = ~_nowhere(latitude, longitude)
    away = [
        (pl.col(n) - over(pl.col(n).filter(there).median(), keys)).abs() > far
        for n in (latitude, longitude)
    ]
    return pl.any_horizontal(away).fill_null(False)


def _pair(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[str, str] | None:
    given = [name for name in (params.latitude, params.longitude) if name]
    require_columns("clean.steps.places", given, columns)
    schema = frame.collect_schema()
    numbers = [name for name in columns if schema[name].is_numeric()]
    found = [
        own or next((name for name in numbers if word.search(name.lower())), None)
        for own, word in ((params.latitude, LATITUDE), (params.longitude, LONGITUDE))
    ]
    return (found[0], found[1]) if found[0] and found[1] else None
