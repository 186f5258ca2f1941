"""The engines `polars`, `cudf` and `cudf_ray`: the lazy plan, sensor by sensor on a CPU, part by
part on GPUs.

A sort by sensor and time of the whole table costs more than all else, so the rows of a pass are
split by sensor first. Memory: twice the rows of the sensors of a pass, and two parts' results.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from tasks.core import frames
from tasks.core.errors import DataError, EngineUnavailable
from tasks.frames import plan
from tasks.frames.spec import Work
from tasks.frames.survey import check, check_spans, keys_of
from tasks.frames.tables import Tables

ROW_BYTES = 2 * 8  # of a value, a time or a key: read, then split
Rows = dict[int, pl.DataFrame]  # by sensor


class Engine:
    """A table and the work on it; `load` and `compute` take sensors by number."""

    def __init__(
        self, frame: pl.LazyFrame, work: Work, threads: int, name: str, demanded: bool
    ) -> None:
        """Count the rows of each sensor: one pass over the keys.

        Raises:
            ParamsError: a column is not there.
        """
        check(frame, work)
        self.frame, self.work, self.threads = frame, work, threads
        self.name, self.demanded = name, demanded
        self.keys, self.counts = keys_of(frame, work)

    @property
    def weights(self) -> list[int]:
        """Return the bytes that decide how many sensors a part has."""
        return self.sizes

    @property
    def sizes(self) -> list[int]:
        """Return the bytes that each sensor's rows take once they are loaded."""
        return [count * ROW_BYTES * (2 + len(self.work.columns)) for count in self.counts]

    def load(self, begin: int, end: int) -> Rows:
        """Return the rows of sensors `begin` to `end`: one pass over the table.

        Raises:
            DataError: a time cannot be read.
        """
        work = self.work
        rows = plan.read(self.frame, work)
        if work.key is not None and end - begin < len(self.keys):
            rows = rows.filter(
                pl.col(work.key).is_between(pl.lit(self.keys[begin]), pl.lit(self.keys[end - 1]))
            )
        try:
            read = rows.collect(engine="streaming")
        except pl.exceptions.InvalidOperationError as error:
            raise DataError(f"{work.time}: {error}") from None
        if work.key is None:
            return {0: read}
        split = read.partition_by(work.key, as_dict=True)
        nothing = read.clear()  # of a sensor none of whose rows has a time
        return {n: split.get((self.keys[n],), nothing) for n in range(begin, end)}

    def compute(self, rows: Rows, begin: int, end: int) -> tuple[Tables, str]:
        """Return the tables of sensors `begin` to `end`, which leave `rows`, and what made them.

        Raises:
            DataError: a sensor's grid would be mostly empty.
        """
        taken = [rows.pop(sensor) for sensor in range(begin, end)]
        self._check(taken, begin, end)
        if self.name != "polars":
            return self._on_gpu(pl.concat(taken))
        with ThreadPoolExecutor(self.threads) as pool:
            made = list(pool.map(self._sensor, taken))
        daily = [t.daily for t in made if t.daily is not None]
        features, rows_used = pl.concat([t.features for t in made]), sum(t.rows for t in made)
        return Tables(features, pl.concat(daily) if daily else None, rows_used), "polars"

    def _check(self, taken: list[pl.DataFrame], begin: int, end: int) -> None:
        """Check that no sensor's grid is mostly empty.

        Raises:
            DataError: one is.
        """
        times = pl.col(self.work.time).dt.epoch("us")
        spans = [rows.select(times.min().alias("a"), times.max().alias("b")) for rows in taken]
        span = pl.concat(spans).fill_null(0)
        count = np.array([rows.height for rows in taken])
        first, last = span["a"].to_numpy(), span["b"].to_numpy()
        check_spans(self.keys[begin:end], count, first, last, self.work)

    def _sensor(self, rows: pl.DataFrame) -> Tables:
        """Return the tables of one sensor: without the key, no expression has to group."""
        work = self.work
        alone = work.model_copy(update={"key": None})
        cleaned = plan.clean(rows.lazy(), alone).collect()
        features = plan.features(cleaned.lazy(), alone).collect()
        daily = plan.daily(cleaned.lazy(), alone).collect() if work.daily else None
        if work.key is not None:
            features = features.insert_column(0, _same(rows[work.key], features))
            daily = daily if daily is None else daily.insert_column(0, _same(rows[work.key], daily))
        return Tables(features, daily, cleaned.height)

    def _on_gpu(self, rows: pl.DataFrame) -> tuple[Tables, str]:
        """Return the tables of a part, and which of its steps were done by which engine.

        Raises:
            EngineUnavailable: the GPU was demanded, and cuDF cannot do a step.
        """
        work, used = self.work, {self.name: [], "polars": []}
        cleaned = self._step("clean", plan.clean(rows.lazy(), work), used)
        features = self._step("features", plan.features(cleaned.lazy(), work), used)
        days = plan.daily(cleaned.lazy(), work)
        daily = self._step("daily", days, used) if work.daily else None
        said = [f"{engine}: {', '.join(steps)}" for engine, steps in used.items() if steps]
        return Tables(features, daily, cleaned.height), "; ".join(said)

    def _step(self, name: str, step: pl.LazyFrame, used: dict[str, list[str]]) -> pl.DataFrame:
        """Return what a step computes, by cuDF where it can do all of it, else by Polars."""
        try:
            made = frames.collect(step, "cuda", demanded=True)
            used[self.name].append(name)
        except (pl.exceptions.PolarsError, NotImplementedError) as error:
            said = f"cuDF cannot do the step {name!r}: {str(error)[:200]}"
            if self.demanded:
                raise EngineUnavailable(said) from error
            logging.getLogger(__name__).warning("%s", said)
            made = frames.collect(step)
            used["polars"].append(name)
        return made


def _same(keys: pl.Series, table: pl.DataFrame) -> pl.Series:
    """Return the one key of a sensor's rows, for each row of a table."""
    return keys.clear(table.height) if keys.is_empty() else keys.new_from_index(0, table.height)
