"""Streams the simulated table to Parquet, a chunk of a home a row group; the truth beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.ingest.simulated import calibration, dirt, sensors
from tasks.ingest.simulated.days import EFFECTS, RING, Records, days, effects, records
from tasks.ingest.simulated.params import Params

FILE = "readiness_simulated.parquet"
TRUTH = b"temper.truth"  # the key of the truth among the Parquet file's metadata


def write(params: Params, folder: Path, truth: Path | None = None) -> dict[str, Any]:
    """Write FILE into `folder`, and return the truth: causes, decoy, noise, counts of the dirt.

    The truth is among FILE's metadata too. With `truth`, that folder gets truth.json, dirt.parquet
    (a row for each run of faults) and days.parquet (each day's signal and effects). One chunk of
    one home is in memory at a time.
    """
    import pyarrow.parquet as pq

    found = calibration.calibrate(params)
    stated = calibration.truth(params, found)
    counts = dict.fromkeys(dirt.KINDS, 0)
    errors, rows = _Moments(), 0
    with (
        pq.ParquetWriter(folder / FILE, _schema(params), compression="zstd") as out,
        _TruthFiles(truth) as files,
    ):
        for home in range(params.homes):
            lived = days(params, home)
            ring = records(params, home, lived, found.noise_sd)
            wrong = dirt.dirty_days(params, home)
            errors.add(ring)
            files.days(home, ring, effects(lived))
            for stretch in sensors.stretches(params):
                clean = sensors.chunk(params, home, lived, stretch)
                shown, log = dirt.spoil(params, home, clean, ring, wrong)
                out.write_table(_table(params, home, shown), row_group_size=len(shown.stamp))
                files.dirt(log)
                rows += len(shown.stamp)
                for record in log:
                    counts[record["kind"]] += record["count"]
        stated |= {"r2": round(errors.r2(), 4), "rows": rows, "dirt": counts}
        out.add_key_value_metadata({TRUTH: json.dumps(stated).encode()})
    files.state(stated)
    return stated


def stated_truth(path: Path) -> dict[str, Any] | None:
    """Return the truth that a file of `write` carries, None where it is another file."""
    import pyarrow.parquet as pq

    content = (pq.read_metadata(path).metadata or {}).get(TRUTH)
    return json.loads(content) if content else None


class _Moments:
    """Sums over all days, for the share of the readiness' variance that the signal explains."""

    def __init__(self) -> None:
        self.sums = np.zeros(4)  # count, readiness, its square, square of what the signal leaves

    def add(self, ring: Records) -> None:
        readiness = ring.values[:, RING.index("readiness")].astype(float)
        left = readiness - ring.signal
        self.sums += [len(left), readiness.sum(), readiness @ readiness, left @ left]

    def r2(self) -> float:
        count, total, squares, left = self.sums
        return float(1 - left / (squares - total**2 / count))


class _TruthFiles:
    """Writes the truth's files into a folder, or nothing where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.writers: dict[str, Any] = {}

    def __enter__(self) -> "_TruthFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self.writers.values():
            writer.close()

    def dirt(self, log: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        whole = pa.int64()
        types = {"kind": pa.string(), "home": whole, "sensor": pa.string()}
        schema = pa.schema({**types, "first": whole, "last": whole, "count": whole})
        self._append("dirt", pa.Table.from_pylist(log, schema))

    def days(self, home: int, ring: Records, points: np.ndarray) -> None:
        import pyarrow as pa

        number = np.arange(len(points))
        columns = {"home": np.full(len(points), home), "day": number, "signal": ring.signal}
        columns |= {name: points[:, index] for index, name in enumerate(EFFECTS)}
        columns["readiness"] = ring.values[:, RING.index("readiness")]
        self._append("days", pa.table(columns))

    def state(self, stated: dict[str, Any]) -> None:
        if self.folder:
            text = json.dumps(stated, indent=1, ensure_ascii=False)
            (self.folder / "truth.json").write_text(text, encoding="utf-8")

    def _append(self, name: str, table: Any) -> None:
        import pyarrow.parquet as pq

        if self.folder is None:
            return
        if name not in self.writers:
            path = self.folder / f"{name}.parquet"
            self.writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self.writers[name].write_table(table)


def _schema(params: Params) -> Any:
    import pyarrow as pa

    stamp = pa.timestamp("ms", tz="UTC" if params.stamps == "utc" else None)
    names = [*(sensor.name for sensor in sensors.SENSORS), *RING]
    return pa.schema({"time": stamp, "home": pa.string(), **dict.fromkeys(names, pa.float32())})


def _table(params: Params, home: int, shown: dirt.Rows) -> Any:
    import pyarrow as pa

    width = max(2, len(str(params.homes)))
    schema = _schema(params)
    names = pa.DictionaryArray.from_arrays(
        np.zeros(len(shown.stamp), np.int32), [f"home_{home + 1:0{width}d}"]
    )
    columns = [shown.values, shown.ring]
    numbers = [pa.array(column, from_pandas=True) for part in columns for column in part.T]
    stamps = pa.array(shown.stamp * 1000).cast(schema.field("time").type)
    return pa.Table.from_arrays([stamps, names.cast(pa.string()), *numbers], schema=schema)
