"""The inner loops of the engine `numba`; all release the GIL, so that threads share the work.

Imported through `compiled.kernels`, which keeps what is compiled. Arrays are C-contiguous. A row of
`values` is one slot: a time of one sensor; NaN is null. Times are int64 in microseconds.
"""

import numpy as np
from numba import njit

ABSENT = np.iinfo(np.int64).min  # the time of a slot that has no row
MEAN, MIN, MAX, STD, LAST, COUNT, SLOPE, QUANTILE = range(8)  # kinds of a statistic

# Sums may be taken in any order (`reassoc`), so that they are vectorised; NaN stays NaN.
_kernel = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_kernel
def parse(text, starts, width, fields, literals, months, out):
    """Write the times of fixed-width texts; return the first row that does not fit, or -1.

    Args:
        text: (byte,) uint8; starts: (row + 1,) int64, where each text begins and the last ends.
        width: bytes of a text.
        fields: (6, 3) int64: offset, digits and default of year, month, day, hour, minute, second.
        literals: (n, 2) int64: offset and byte of the other characters.
        months: (month + 1,) int64, the first day, since 1970, of each month from 1970 on.
        out: (row,) int64, microseconds since 1970.
    """
    part = np.empty(6, np.int64)
    for row in range(len(starts) - 1):
        at = starts[row]
        if starts[row + 1] - at != width:
            return row
        for n in range(len(literals)):
            if text[at + literals[n, 0]] != literals[n, 1]:
                return row
        for n in range(6):
            value = fields[n, 2]
            for k in range(fields[n, 1]):
                digit = np.int64(text[at + fields[n, 0] + k]) - 48
                if digit < 0 or digit > 9:
                    return row
                value = value * 10 + digit
            part[n] = value
        month = (part[0] - 1970) * 12 + part[1] - 1
        if part[1] < 1 or part[1] > 12 or month < 0 or month + 1 >= len(months):
            return row
        day = months[month] + part[2] - 1
        if part[2] < 1 or day >= months[month + 1]:
            return row
        if part[3] > 23 or part[4] > 59 or part[5] > 59:
            return row
        out[row] = (day * 86400 + part[3] * 3600 + part[4] * 60 + part[5]) * 1_000_000
    return -1


@_kernel
def survey(codes, times, first, last, count, step):
    """Bring a sensor's first and last time, its rows and the step of its grid up to date.

    Args:
        codes: (row,) int32, the sensor; negative: the row does not count.
        times: (row,) int64.
        first, last, count, step: (sensor,) int64; `step` is the greatest common divisor of the
            distances to an earlier row's time (0: there is but one time).
    """
    for row in range(len(codes)):
        sensor = codes[row]
        if sensor < 0:
            continue
        time = times[row]
        if count[sensor] == 0:
            first[sensor] = last[sensor] = time
        count[sensor] += 1
        apart = abs(time - first[sensor])
        if step[sensor] == 0:
            step[sensor] = apart
        elif apart % step[sensor]:
            a, b = step[sensor], apart % step[sensor]
            while b:
                a, b = b, a % b
            step[sensor] = a
        first[sensor] = min(first[sensor], time)
        last[sensor] = max(last[sensor], time)


@_kernel
def place(codes, times, begin, first, step, filled, stamps, slots):
    """Write each row's slot, -1 where the row is not wanted, and each slot's time.

    Args:
        codes, times: (row,) as in `survey`, in the order of the file.
        begin: (sensor,) int64, the sensor's first slot; negative: it is not of this pass.
        first: (sensor,) int64; step: (sensor,) int64, of its grid; 0: it has none, and its rows
            take slots in the order of the file.
        filled: (sensor,) int64, slots that a sensor without a grid has taken.
        stamps: (slot,) int64, ABSENT at the start.
        slots: (row,) int64.
    """
    for row in range(len(codes)):
        sensor = codes[row]
        slots[row] = -1
        if sensor < 0 or begin[sensor] < 0:
            continue
        if step[sensor] == 0:
            slot = begin[sensor] + filled[sensor]
            filled[sensor] += 1
        else:
            slot = begin[sensor] + (times[row] - first[sensor]) // step[sensor]
            if stamps[slot] != ABSENT:  # the first row in the file's order stays
                continue
        stamps[slot] = times[row]
        slots[row] = slot


@_kernel
def unpack(values, bits, offset, out):
    """Write a column of Arrow into `out`, null as NaN.

    Args:
        values: (row,) float64.
        bits: (byte,) uint8, the validity of rows from bit `offset` on; empty: all are valid.
        out: (row or more,) float64.
    """
    for row in range(len(values)):
        out[row] = values[row]
    if len(bits):
        for row in range(len(values)):
            bit = offset + row
            if not bits[bit >> 3] >> (bit & 7) & 1:
                out[row] = np.nan


@_kernel
def pack(values, bits):
    """Write which values are there, as Arrow does: (column, row) float64 -> (column, byte) uint8,
    zeros at the start.
    """
    for column in range(len(values)):
        for row in range(values.shape[1]):
            if not np.isnan(values[column, row]):
                bits[column, row >> 3] |= 1 << (row & 7)


@_kernel
def scatter(slots, columns, values):
    """Put rows into their slots.

    Args:
        slots: (row,) int64, -1: nowhere.
        columns: (column, row or more) float64; values: (slot, column) float64.
    """
    for row in range(len(slots)):
        slot = slots[row]
        if slot >= 0:
            for column in range(len(columns)):
                values[slot, column] = columns[column, row]


@_kernel
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


@_kernel
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


@_kernel
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
