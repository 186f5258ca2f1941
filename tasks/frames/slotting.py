"""The inner loops of the engine `numba` that read: times of texts, a survey of the sensors, rows
into their slots. Conventions as in `kernels`, through which they are imported.
"""

import numpy as np
from numba import njit

ABSENT = np.iinfo(np.int64).min  # the time of a slot that has no row

# Sums may be taken in any order (`reassoc`), so that they are vectorised; NaN stays NaN.
kernel = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@kernel
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


@kernel
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


@kernel
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


@kernel
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


@kernel
def pack(values, bits):
    """Write which values are there, as Arrow does: (column, row) float64 -> (column, byte) uint8,
    zeros at the start.
    """
    for column in range(len(values)):
        for row in range(values.shape[1]):
            if not np.isnan(values[column, row]):
                bits[column, row >> 3] |= 1 << (row & 7)


@kernel
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
