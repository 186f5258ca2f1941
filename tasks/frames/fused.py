"""The engine `numba`: sensors on dense grids, no sort and no join; one pass for all windows.

Rows go straight from the file's batches into their slots. A sensor whose times are on no grid has
its rows sorted instead. Memory: 12 bytes a row of the table, the slots of the sensors of a pass,
and two parts' results.
"""

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from tasks.frames import survey as surveying
from tasks.frames.compiled import kernels
from tasks.frames.spec import DAY_S, Work
from tasks.frames.survey import Survey
from tasks.frames.tables import Tables, shown, time_type
from tasks.frames.windows import quantile

MICROS = 1_000_000
DAY = DAY_S * MICROS
KINDS = ("mean", "min", "max", "std", "last", "count", "slope")  # numbered as in `kernels`
VALUE_BYTES = 8
_OWN = threading.local()  # a thread's columns, kept: fresh memory costs more than the copy


class Slots(NamedTuple):
    """The rows of some sensors: begin (sensor,) int64, the first slot of each, negative where it
    is not here; stamps (slot,) int64; values (slot, column) float64.
    """

    begin: np.ndarray
    stamps: np.ndarray
    values: np.ndarray


class Results(NamedTuple):
    """Space for a part's results: `at` (sensor,), `bins` (row,) int64, `values` (column, row)."""

    at: np.ndarray
    bins: np.ndarray
    values: np.ndarray


class Engine:
    """A table and the work on it; `load` and `compute` take sensors by number."""

    name = "numba"

    def __init__(self, frame: pl.LazyFrame, work: Work, threads: int) -> None:
        """Survey the table: one pass over its keys and times.

        Raises:
            DataError, ParamsError: see `survey.look`.
        """
        self.frame, self.work, self.threads = frame, work, threads
        self.survey: Survey = surveying.look(frame, work)
        self.rows = len(self.survey.codes)

    @property
    def sizes(self) -> list[int]:
        """Return the bytes that each sensor's rows take once they are loaded."""
        slot = VALUE_BYTES * (1 + len(self.work.columns))
        return (self.survey.slots * slot).tolist()

    @property
    def weights(self) -> list[int]:
        """Return the bytes that decide how many sensors a part has: its rows and its results."""
        survey, work = self.survey, self.work
        steps = (survey.last - survey.first) // (work.grid_s * MICROS) + 1
        results = steps * len(work.features) * VALUE_BYTES
        return [a + b for a, b in zip(self.sizes, results.tolist(), strict=True)]

    def load(self, begin: int, end: int) -> Slots:
        """Return the rows of sensors `begin` to `end`: one pass over the table's values."""
        module, survey, work = kernels(), self.survey, self.work
        needed = survey.slots[begin:end]
        starts = np.full(len(survey.keys), -1, np.int64)
        starts[begin:end] = np.cumsum(needed) - needed
        stamps = np.full(needed.sum(), module.ABSENT, np.int64)
        values = np.empty((len(stamps), len(work.columns)))  # read only where there is a row
        filled = np.zeros(len(survey.keys), np.int64)
        wanted = [pl.col(c.name).cast(pl.Float64) for c in work.columns]
        batches = self.frame.select(wanted).collect_batches(maintain_order=True)
        row = 0
        with ThreadPoolExecutor(self.threads) as pool:  # rows of two batches share no slot
            written: deque[Future[None]] = deque()
            for batch in batches:
                codes = survey.codes[row : row + batch.height]
                times = survey.times[row : row + batch.height]
                row += batch.height
                slots = np.empty(len(codes), np.int64)
                module.place(codes, times, starts, survey.first, survey.step, filled, stamps, slots)
                written.append(pool.submit(_put, batch, slots, values))
                if len(written) > self.threads:
                    written.popleft().result()
            for put in written:
                put.result()
        return Slots(starts, stamps, values)

    def compute(self, rows: Slots, begin: int, end: int) -> tuple[Tables, str]:
        """Return the tables of sensors `begin` to `end`, and `numba`; uses up their slots."""
        work, period = self.work, self.work.grid_s * MICROS
        grid = self._space(begin, end, period, len(work.features))
        first = self.survey.first[begin:end] // period
        grid.bins[:] = np.repeat(first - grid.at[:-1], np.diff(grid.at)) + np.arange(grid.at[-1])
        days = self._space(begin, end, DAY, len(work.days))
        with ThreadPoolExecutor(self.threads) as pool:
            each = pool.map(lambda s: self._sensor(rows, s, begin, grid, days), range(begin, end))
            used = sum(each)
        features = self._table(grid, begin, period, work.features, work.statistics)
        if not work.daily:
            return Tables(features, None, used), self.name
        daily = self._table(days, begin, DAY, work.days, work.daily)
        daily = daily.filter(days.bins != kernels().ABSENT)
        return Tables(features, daily, used), self.name

    def _sensor(self, slots: Slots, sensor: int, begin: int, grid: Results, days: Results) -> int:
        """Write the results of one sensor, and return how many rows it has.

        begin: the first sensor that the results are of.
        """
        module, work, survey = kernels(), self.work, self.survey
        if not survey.count[sensor]:
            return 0
        start = slots.begin[sensor]
        used = slice(start, start + survey.slots[sensor])
        stamps, values = slots.stamps[used], slots.values[used]
        if not survey.step[sensor]:
            order = np.argsort(stamps, kind="stable")  # the first row in the file's order stays
            stamps, values = stamps[order], values[order]
        fill = np.array([work.fill_rows * c.fill for c in work.columns], np.int64)
        rows = module.clean(stamps, values, *_limits(work), fill)
        at = sensor - begin
        for results, period, names in (
            (grid, work.grid_s * MICROS, work.statistics),
            (days, DAY, work.daily),
        ):
            kinds, _ = _kinds(names)
            module.aggregate(
                *(stamps, values, rows, period, kinds),
                *(int(results.at[at]), results.bins, results.values),
            )
        self._windows(grid.values, int(grid.at[at]), int(grid.at[at + 1]))
        return rows

    def _windows(self, values: np.ndarray, start: int, stop: int) -> None:
        """Write windows and lags of one sensor: steps `start` to `stop` of (feature, step)."""
        work, n = self.work, len(self.work.columns)
        if not work.windows and not work.lags:
            return
        lengths = np.array([*work.windows.values()], np.int64)
        kinds, shares = _kinds(work.rolling)
        own = n * len(work.statistics)
        lagged = own + len(lengths) * len(kinds) * n
        for column in range(n):
            mean = column * len(work.statistics) + work.statistics.index("mean")
            kernels().roll(values, mean, start, stop, lengths, kinds, shares, own + column, n)
            series = values[mean, start:stop]
            for k, lag in enumerate(work.lags):
                values[lagged + k * n + column, start:stop][lag:] = series[:-lag]

    def _space(self, begin: int, end: int, period: int, columns: int) -> Results:
        survey = self.survey
        counts = survey.last[begin:end] // period - survey.first[begin:end] // period + 1
        at = np.concatenate([[0], np.cumsum(np.where(survey.count[begin:end] > 0, counts, 0))])
        bins = np.full(at[-1], kernels().ABSENT, np.int64)
        return Results(at, bins, np.full((columns, at[-1]), np.nan))

    def _table(
        self, results: Results, begin: int, period: int, names: list[str], kinds: tuple[str, ...]
    ) -> pl.DataFrame:
        """Return results as a table: key, time, the named columns; NaN is null."""
        work, series = self.work, []
        if work.key is not None:
            sensors = np.repeat(np.arange(len(results.at) - 1), np.diff(results.at)) + begin
            series = [self.survey.keys.gather(sensors).alias(work.key)]
        series += [pl.Series(work.time, results.bins * period).cast(time_type(self.frame, work))]
        bits = np.zeros((len(results.values), (len(results.bins) + 7) // 8), np.uint8)
        kernels().pack(results.values, bits)
        series += [_series(*of) for of in zip(names, results.values, bits, strict=True)]
        return pl.DataFrame(series).with_columns(shown(work, names, kinds))


def _put(batch: pl.DataFrame, slots: np.ndarray, values: np.ndarray) -> None:
    """Write a batch's rows into their slots."""
    module = kernels()
    columns = getattr(_OWN, "columns", None)
    if columns is None or columns.shape[0] != batch.width or columns.shape[1] < batch.height:
        _OWN.columns = columns = np.empty((batch.width, batch.height))
    for series, column in zip(batch, columns, strict=True):
        module.unpack(*_buffers(series), column)
    module.scatter(slots, columns, values)


def _buffers(series: pl.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Return a Float64 column's values, the bits of their validity, and the first one's place."""
    array = series.rechunk().to_arrow()
    bits, values = array.buffers()
    validity = np.frombuffer(bits or b"", np.uint8)
    return np.frombuffer(values, np.float64)[array.offset :][: len(array)], validity, array.offset


def _series(name: str, values: np.ndarray, bits: np.ndarray) -> pl.Series:
    """Return values (row,) float64 and the bits of their validity as a column, without a copy."""
    import pyarrow as pa

    buffers = [pa.py_buffer(bits), pa.py_buffer(values)]
    made = pl.from_arrow(pa.Array.from_buffers(pa.float64(), len(values), buffers))
    return cast(pl.Series, made).alias(name)


def _limits(work: Work) -> list[np.ndarray]:
    """Return low, high, offset and scale of the columns, each (column,) float64."""
    least, most = -np.inf, np.inf
    rows = [
        (
            least if column.low is None else column.low,
            most if column.high is None else column.high,
            column.offset,
            column.scale,
        )
        for column in work.columns
    ]
    return list(np.array(rows, np.float64).T.copy())


def _kinds(names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what `kernels` calls the statistics, and the shares of quantiles; each (n,)."""
    kinds = [KINDS.index(n) if n in KINDS else len(KINDS) for n in names]
    return np.array(kinds, np.int64), np.array([quantile(n) or 0.0 for n in names], np.float64)
