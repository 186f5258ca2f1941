"""The inner loops of the engine `numba` that compute: clean a sensor's rows, aggregate them, and
its windows. All release the GIL, so that threads share the work.

Imported through `compiled.kernels`, which keeps what is compiled. Arrays are C-contiguous. A row of
`values` is one slot: a time of one sensor; NaN is null. Times are int64 in microseconds.
"""

import numpy as np

from tasks.frames.slotting import (
    ABSENT,
    kernel,
    pack,
    parse,
    place,
    scatter,
    survey,
    unpack,
)

MEAN, MIN, MAX, STD, LAST, COUNT, SLOPE, QUANTILE = range(8)  # kinds of a statistic


@kernel
def clean(stamps, values, low, high, offset, scale, limits):
    """Clean one sensor's slots in place, and drop later rows of the same time; return the rows.

    Args:
        stamps: (slot,) int64, ascending where not ABSENT.
        values: (slot, column) float64.
        low, high, offset, scale: (column,) float64.
        limits: (column,) int64, rows that a value is carried forward.

    Afterwards the first of the slots are the rows that are there.
    """
    n_columns = values.shape[1]
    held, age = np.empty(n_columns), np.empty(n_columns, np.int64)
    for column in range(n_columns):
        held[column], age[column] = np.nan, 0
    rows = 0
    for slot in range(len(stamps)):
        time = stamps[slot]
        if time == ABSENT or (rows > 0 and stamps[rows - 1] == time):
            continue
        stamps[rows] = time
        for column in range(n_columns):
            value = values[slot, column]
            if value >= low[column] and value <= high[column]:
                held[column] = (value + offset[column]) * scale[column]
                age[column] = 0
            else:
                age[column] += 1
                if age[column] > limits[column]:
                    held[column] = np.nan
            values[rows, column] = held[column]
        rows += 1
    return rows


@kernel
def aggregate(stamps, values, rows, period, kinds, start, bins, out):
    """Write the statistics of the rows of each bin.

    Args:
        stamps: (slot,) int64, ascending; values: (slot, column); the first `rows` of them count.
        period: microseconds of a bin; bins are counted from 1970.
        kinds: (statistic,) int64, MEAN to COUNT.
        start: where in `bins` and `out` the first bin goes.
        bins: (bin,) int64, becomes the numbers of the bins that have rows.
        out: (column * statistic or more, bin) float64, NaN at the start.
    """
    n_columns = values.shape[1]
    state = np.empty((n_columns, 6))  # count, shift, sum and squares about it, min, max
    last = np.empty(n_columns)
    first = stamps[0] // period
    row = 0
    while row < rows:
        number = stamps[row] // period
        end = (number + 1) * period
        at = start + number - first
        bins[at] = number
        for column in range(n_columns):
            state[column, 0] = 0.0
        while row < rows and stamps[row] < end:
            for column in range(n_columns):
                value = values[row, column]
                if np.isnan(value):
                    continue
                last[column] = value
                if state[column, 0] == 0:
                    state[column, 0] = 1.0
                    state[column, 1] = value
                    state[column, 2] = state[column, 3] = 0.0
                    state[column, 4] = state[column, 5] = value
                else:
                    apart = value - state[column, 1]  # the shift keeps digits: Chan et al. 1983
                    state[column, 0] += 1.0
                    state[column, 2] += apart
                    state[column, 3] += apart * apart
                    state[column, 4] = min(state[column, 4], value)
                    state[column, 5] = max(state[column, 5], value)
            row += 1
        for column in range(n_columns):
            n, total = state[column, 0], state[column, 2]
            for k in range(len(kinds)):
                kind = kinds[k]
                if kind == COUNT:
                    out[column * len(kinds) + k, at] = n
                elif n == 0 or (kind == STD and n < 2):
                    out[column * len(kinds) + k, at] = np.nan
                elif kind == MEAN:
                    out[column * len(kinds) + k, at] = state[column, 1] + total / n
                elif kind == MIN:
                    out[column * len(kinds) + k, at] = state[column, 4]
                elif kind == MAX:
                    out[column * len(kinds) + k, at] = state[column, 5]
                elif kind == LAST:
                    out[column * len(kinds) + k, at] = last[column]
                else:
                    squares = max(state[column, 3] - total * total / n, 0.0)
                    out[column * len(kinds) + k, at] = np.sqrt(squares / (n - 1))


@kernel
def roll(out, mean_row, start, stop, lengths, kinds, shares, row, apart):
    """Write statistics of the last k values of one series, for all windows in one pass.

    The values of a window are kept sorted: a new one moves those between its place and the old
    one's. Sums are taken over the window each time, so that nothing drifts; work grows with k.

    Args:
        out: (feature, step) float64; the series is `out[mean_row, start:stop]`, NaN is null.
        lengths: (window,) int64, k.
        kinds: (statistic,) int64; shares: (statistic,) float64, of QUANTILE.
        row: of `out`, where the first window's first statistic goes; the next ones follow
            `apart` rows from one another.
    """
    series = out[mean_row, start:stop]
    n_windows, longest = len(lengths), 1
    size = np.empty(n_windows, np.int64)
    for w in range(n_windows):
        longest, size[w] = max(longest, lengths[w]), 0
    kept = np.empty((n_windows, longest + 1))
    for step in range(len(series)):
        new = series[step]
        for w in range(n_windows):
            n = size[w]
            old = series[step - lengths[w]] if step >= lengths[w] else np.nan
            if not np.isnan(old):
                low, high = 0, n - 1
                while low < high:
                    middle = (low + high) // 2
                    if kept[w, middle] < old:
                        low = middle + 1
                    else:
                        high = middle
                n -= 1
                for k in range(low, n):
                    kept[w, k] = kept[w, k + 1]
            if not np.isnan(new):
                k = n
                while k > 0 and kept[w, k - 1] > new:
                    kept[w, k] = kept[w, k - 1]
                    k -= 1
                kept[w, k] = new
                n += 1
            size[w] = n
            mean = 0.0
            for k in range(n):
                mean += kept[w, k]
            mean = mean / n if n else np.nan
            for s in range(len(kinds)):
                kind = kinds[s]
                found = np.nan
                if n == 0:
                    pass
                elif kind == MEAN:
                    found = mean
                elif kind == MIN:
                    found = kept[w, 0]
                elif kind == MAX:
                    found = kept[w, n - 1]
                elif kind == QUANTILE:
                    place = shares[s] * (n - 1)
                    below = int(place)
                    found = kept[w, below]
                    if below + 1 < n:
                        found += (kept[w, below + 1] - found) * (place - below)
                elif n < 2:
                    pass
                elif kind == STD:
                    squares = 0.0
                    for k in range(n):
                        squares += (kept[w, k] - mean) ** 2
                    found = np.sqrt(squares / (n - 1))
                else:  # SLOPE: least squares over the steps that have a value
                    x_mean = 0.0
                    since = max(step - lengths[w] + 1, 0)
                    for k in range(since, step + 1):
                        if not np.isnan(series[k]):
                            x_mean += k - since
                    x_mean /= n
                    xy, xx = 0.0, 0.0
                    for k in range(since, step + 1):
                        if not np.isnan(series[k]):
                            x = k - since - x_mean
                            xy += x * (series[k] - mean)
                            xx += x * x
                    found = xy / xx
                out[row + (w * len(kinds) + s) * apart, start + step] = found


KERNELS = (parse, survey, place, unpack, pack, scatter, clean, aggregate, roll)
