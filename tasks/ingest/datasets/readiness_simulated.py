"""Homes with sensors and their sleepers with a ring, whose readiness has known causes; from a seed.

One table. A row is a home's sensors every `period_min` minutes (`temperature_c`, `humidity_pct`,
`co2_ppm`, `pm25`, `voc_ppb`, `noise_dba`, `light_lux`). The day's first row at eight by the clock
on the wall holds the ring's record of that day too (`steps`, `sleep_h`, `sleep_efficiency_pct`,
`resting_hr_bpm`, `hrv_ms`, `readiness`), which is null in all other rows. It has the dirt of the
real thing (`dirt`): outages, rows sent twice and out of order, clocks that are off, sensors that
stick, spikes, sentinels, days in Fahrenheit, nights without the ring; with `stamps: local` daylight
saving too.

**What a forecast knows.** Readiness of day d + 1 is predicted at its wake-up. Known are all days up
to d, the steps of day d among them (the ring's record of a day is complete when the day is over),
and the night from d to d + 1. So that the rows up to an origin d hold all of that, the night's
statistics (22:00 to 07:00) belong to the day of the evening, the ring's record to its own day:

    row d:  the night d -> d + 1 by the sensors | the ring's record of day d, with readiness[d]
    target: readiness[d + 1]

Where nights belong to the day on which they end, the same is said by declaring their columns as
known at the target's row. Without either, the two strongest causes are not among the inputs. The
ring's own measures of the night d -> d + 1 come with the score itself and are no inputs.

**What is true** (tasks.ingest.simulated.days). In falling strength: the night's CO2 (from 1000 ppm
on), the night's temperature (away from 18.5 °C), the sleep lacking the day before, the night's
loudest noise, the steps of the day before; besides, a person's own level and a weak season. `pm25`
follows the same closed windows as CO2 and does nothing: a decoy. The rest is noise of no cause, so
that the best possible R² is `best_r2` = Var(signal) / Var(readiness). The truth, with each cause's
share and counts of the dirt, is among the Parquet file's metadata and in source.json (`truth`);
`python -m tasks.ingest.simulated FOLDER` writes it with every fault and every day's effects. In a
table of a few hundred nights the order of the causes may be another one: the truth says which.

Not for claims about sleep, air or health: the effects are chosen, not measured.
"""

from importlib.metadata import version
from pathlib import Path

from tasks.core.schema import Column, Columns, Table
from tasks.ingest.files import sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table
from tasks.ingest.simulated.params import Dirt, Params

__all__ = ["Dirt", "Params", "fetch", "origin", "read"]

ORIGIN = "generated"
LIBRARIES = ("numpy", "polars", "pyarrow", "scipy")
LICENCE = "CC0 1.0 (generated)"
RING_UNITS = {"sleep_h": "h", "sleep_efficiency_pct": "%", "resting_hr_bpm": "bpm", "hrv_ms": "ms"}


def origin(params: Params, source: Path | None) -> str:
    """Return the versions of the libraries that draw and write the data."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write readiness_simulated.parquet."""
    from tasks.ingest.simulated.writing import write

    write(params, folder)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the typed table; columns that the workload does not list get their roles and units."""
    from tasks.ingest.simulated.writing import stated_truth

    path = sole_file(raw)
    found = f"generated from seed {params.seed}"
    reading = read_table(path, table, ReadOptions(licence=LICENCE), found)
    columns = reading.columns if table.columns else _described(reading.columns)
    truth = stated_truth(path)
    source = reading.source | ({"truth": truth} if truth else {})
    return reading._replace(columns=columns, source=source)


def _described(columns: Columns) -> Columns:
    """Return the columns with home as the group, and the units of the others."""
    from tasks.ingest.simulated.sensors import SENSORS

    units = {sensor.name: sensor.unit for sensor in SENSORS} | RING_UNITS
    described: Columns = {}
    for name, column in columns.items():
        more = {"unit": units[name]} if name in units else {}
        if name == "home":
            more["role"] = "group"
        described[name] = Column(**{**column.model_dump(), **more})
    return described
