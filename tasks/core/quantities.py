"""Units of what sensors measure: how to convert them, and what their values usually look like.

Factors are exact by definition (BIPM, The International System of Units, 9th ed. 2019, and NIST
Special Publication 811, appendix B.8), but for mmHg (conventional) and inHg at 0 °C. The usual
medians are of rooms and of weather where people live; they serve to notice a mix-up, not to judge.
"""

import re
import unicodedata
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

Number = TypeVar("Number", float, np.ndarray)


class Unit(NamedTuple):
    """A unit: value in the base unit = value * factor + offset."""

    quantity: str
    factor: float
    offset: float = 0.0


UNITS = {
    "degC": Unit("temperature", 1.0),
    "degF": Unit("temperature", 5 / 9, -32 * 5 / 9),
    "K": Unit("temperature", 1.0, -273.15),
    "hPa": Unit("pressure", 1.0),
    "Pa": Unit("pressure", 0.01),
    "kPa": Unit("pressure", 10.0),
    "mmHg": Unit("pressure", 1.33322387415),
    "inHg": Unit("pressure", 33.86389),
    "psi": Unit("pressure", 68.94757),
    "m/s": Unit("speed", 1.0),
    "km/h": Unit("speed", 1 / 3.6),
    "mph": Unit("speed", 0.44704),
    "kn": Unit("speed", 1852 / 3600),
    "ppm": Unit("fraction of a gas", 1.0),
    "ppb": Unit("fraction of a gas", 0.001),
    "%": Unit("share", 1.0),
    "1": Unit("share", 100.0),
    "Wh": Unit("energy", 1.0),
    "kWh": Unit("energy", 1000.0),
    "J": Unit("energy", 1 / 3600),
    "W": Unit("power", 1.0),
    "kW": Unit("power", 1000.0),
    "mm": Unit("length", 1.0),
    "in": Unit("length", 25.4),
    "cm": Unit("length", 10.0),
    "m": Unit("distance", 1.0),
    "km": Unit("distance", 1000.0),
    "mi": Unit("distance", 1609.344),
    "ug/m3": Unit("mass in air", 1.0),
    "mg/m3": Unit("mass in air", 1000.0),
    "lx": Unit("illuminance", 1.0),
}
DELTA = "delta_"  # a difference of two temperatures: 9 degF are 5 degC, whatever 0 is
UNITS |= {
    DELTA + name: Unit("temperature difference", unit.factor)
    for name, unit in UNITS.items()
    if unit.quantity == "temperature"
}
ALIASES = {  # as `_plain` writes them
    "degC": ("c", "°c", "celsius", "deg c", "degree celsius", "degrees celsius"),
    "degF": ("f", "°f", "fahrenheit", "deg f", "degree fahrenheit", "degrees fahrenheit"),
    "K": ("kelvin", "°k", "deg k", "degk"),
    "hPa": ("mbar", "mb", "millibar", "hectopascal", "hectopascals"),
    "Pa": ("pascal", "pascals"),
    "kPa": ("kilopascal", "kilopascals"),
    "mmHg": ("mm hg", "mm_hg", "mm. hg", "torr"),
    "inHg": ("in hg", "in_hg", "in. hg", "inches hg"),
    "m/s": ("ms-1", "mps"),
    "km/h": ("kmh", "kph", "km/hr"),
    "mph": ("mi/h", "mi/hr"),
    "kn": ("knot", "knots", "kt"),
    "%": ("percent", "pct", "%rh", "% rh", "rh"),
    "1": ("fraction", "kg/kg"),
    "mm": ("millimetre", "millimeter"),
    "in": ("inch", "inches"),
    "lx": ("lux",),
}
USUAL = {  # quantity: what the median of a series lies between, in the base unit
    "temperature": (-2.0, 42.0),  # 28 degF: a room of 28 degC is none of -2 degC
    "pressure": (620.0, 1080.0),  # 4,000 m above the sea, to a winter high
    "humidity": (4.0, 100.0),
    "co2": (350.0, 4000.0),
    "voc": (0.01, 20.0),
}
NAMES = (  # what a column measures, by its name, where no unit says it; the first that fits
    (
        "temperature",
        re.compile(r"temp|(^|_|\b)t(_?\d+|_out|_in|[ _]?\((°|deg ?)?[cfk]\))?$|dew|heat_?index"),
    ),
    ("humidity", re.compile(r"humid(?!ity_?ratio)|(^|[_\W])rh([_\W\d]|$)")),
    ("pressure", re.compile(r"press|barom|(^|_)pres$")),
    ("co2", re.compile(r"(^|[_\W])co2")),
    ("voc", re.compile(r"voc")),
)
CANDIDATES = {  # units of a kind, the one meant where none is declared first
    "temperature": ("degC", "degF", "K"),
    "pressure": ("hPa", "inHg", "mmHg", "kPa", "Pa", "psi"),
    "humidity": ("%", "1"),
    "co2": ("ppm", "ppb"),
    "voc": ("ppb", "ppm"),
}
# a difference or a trend is no level: its zero is where it usually is
NO_LEVEL = re.compile(r"trend|diff(?!us)|delta|(?<!ex)change|std|slope|_sum$")
NEVER_ZERO = ("humidity", "pressure", "co2")  # a sensor that says 0 there did not measure


def unit_of(text: str | None) -> str | None:
    """Return the name that this module has for a unit, None where it knows none."""
    if text is None or text.strip() in UNITS:
        return text.strip() if text else None
    small = _plain(text)
    for name, others in ALIASES.items():
        if small == name.lower() or small in others:
            return name
    return next((name for name in UNITS if name.lower() == small), None)


def _plain(text: str) -> str:
    """Return a unit in small letters: µg/m³ and ug/m^3 are one, as are ℃ and °C."""
    text = unicodedata.normalize("NFKC", text).lower().replace("^", "").replace("μ", "u")
    return " ".join(text.split())


def wanted(unit: str | None, to: dict[str, str]) -> tuple[str, str] | None:
    """Return a unit and the one that it is to become by a table of units; None: it stays.

    A difference goes to that of the unit that its own goes to.
    """
    old = unit_of(unit)
    if old is None:
        return None
    base = to.get(old.removeprefix(DELTA))
    new = to.get(old) or (base and DELTA + base)
    return (old, new) if new and new != old else None


def of_difference(unit: str | None) -> str | None:
    """Return the unit of a difference, or a spread, of values in a unit."""
    return DELTA + str(unit_of(unit)) if is_temperature(unit) else unit


def is_temperature(unit: str | None) -> bool:
    """Return whether the zero of a unit is a convention, so that sums and differences lose it."""
    known = unit_of(unit)
    return known is not None and UNITS[known].quantity == "temperature"


def kind_of(name: str, unit: str | None) -> str | None:
    """Return what a column measures: a key of `USUAL`, or None where nothing is known of it."""
    if NO_LEVEL.search(name.lower()):
        return None
    known = unit_of(unit)
    if known is None:
        return named(name) if unit is None else None
    quantity = UNITS[known].quantity
    if quantity in ("temperature", "pressure"):
        return quantity
    kind = named(name)
    return kind if kind and known in CANDIDATES[kind] else None


def named(name: str) -> str | None:
    """Return what a column measures by its name alone: a key of `USUAL`, or None."""
    return next((kind for kind, word in NAMES if word.search(name.lower())), None)


def convert(value: pl.Expr, old: str, new: str) -> pl.Expr:
    """Return values of unit `old` in unit `new`, both known and of one quantity."""
    a, b = UNITS[old], UNITS[new]
    return (value.cast(pl.Float64) * a.factor + (a.offset - b.offset)) / b.factor


def number(value: Number, old: str, new: str) -> Number:
    """Return a number, or an array of them, of unit `old` in unit `new`."""
    a, b = UNITS[old], UNITS[new]
    return (value * a.factor + (a.offset - b.offset)) / b.factor


def likely(median: float, kind: str, declared: str | None) -> list[str]:
    """Return the units that a median speaks for; none where the one declared is among them.

    Where none is declared, the kind's first one is meant.
    """
    low, high = USUAL[kind]
    fit = [
        unit
        for unit in CANDIDATES[kind]
        if low <= median * UNITS[unit].factor + UNITS[unit].offset <= high
    ]
    meant = declared or CANDIDATES[kind][0]
    return [] if meant in fit else fit


def usual(values: np.ndarray, kind: str, unit: str) -> np.ndarray:
    """Return whether values in a unit are as medians of that kind usually are."""
    low, high = USUAL[kind]
    base = values * UNITS[unit].factor + UNITS[unit].offset
    return (base >= low) & (base <= high)
