"""Adds where a time lies in the day, the week and the year, as sine and cosine.

Both together tell 23:50 from 00:10 as neighbours. Harmonics of the day (12 h, 8 h) let linear
models have two peaks a day. Times are UTC; `zone` says by which clock people live. Not needed by a
forecast, whose windows carry their own calendar, nor for series shorter than the cycle.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.series import Zone, clock, local_time
from tasks.core.plugins import PluginParams
from tasks.core.schema import Column, Columns

SCOPE = "row"
KEEPS_ROWS = True
FULL = {"day": 86_400.0, "week": 7 * 86_400.0, "year": 365.2425 * 86_400.0}  # seconds


class Params(PluginParams):
    """`cycles`: of which cycles; `harmonics`: of the day, 1 is the day itself."""

    cycles: list[Literal["day", "week", "year"]] = Field(default=["day", "week", "year"])
    harmonics: int = Field(default=1, ge=1, le=4)
    zone: Zone = "UTC"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with `time_of_<cycle>_sin` and `_cos`, Float32."""
    time = clock(columns, frame, "calendar")
    local = local_time(pl.col(time), params.zone)
    since = {
        "day": local - local.dt.truncate("1d"),
        "week": local - local.dt.truncate("1w"),
        "year": local - local.dt.truncate("1y"),
    }
    added, made = [], dict(columns)
    for cycle in params.cycles:
        share = since[cycle].dt.total_microseconds() / (1e6 * FULL[cycle])
        for harmonic in range(1, (params.harmonics if cycle == "day" else 1) + 1):
            angle = share * (2 * harmonic) * 3.141592653589793
            name = f"time_of_{cycle}" + (f"_{harmonic}" if harmonic > 1 else "")
            for way, wave in (("sin", angle.sin()), ("cos", angle.cos())):
                added.append(wave.cast(pl.Float32).alias(f"{name}_{way}"))
                made[f"{name}_{way}"] = Column(type="float", min=-1, max=1)
    return frame.with_columns(added), made
