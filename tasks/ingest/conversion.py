"""Strings to typed columns; what does not parse as its column's type is kept apart, unchanged."""

from typing import Any, NamedTuple

import polars as pl

from tasks.core.schema import Type
from tasks.ingest.moments import moments
from tasks.ingest.options import ReadOptions
from tasks.ingest.sniff import MARKS

TEXT_MARKS = ("", "na", "n/a", "nan", "null", "(null)", "<na>", "#n/a", "#na", "?")
LEADING_ZERO = r"^[+-]?0\d+$"
LONG = r"^[+-]?\d{19,}$"
LONG_BYTES = 19
THOUSANDS = r"^[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?$"
COMMA = r"^[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?$"
SAMPLE = 500
CATEGORIES = 50
CATEGORY_SHARE = 0.05
MOST_CATEGORIES = 1000


class Taken(NamedTuple):
    """What a column was taken for, without its values; see `Typed`."""

    type: Type
    missing: dict[str, int]
    taken_for: str | None = None
    note: str | None = None


class Typed(NamedTuple):
    """A column as typed values, and how that came about."""

    values: pl.Series
    type: Type
    missing: dict[str, int]  # each mark taken for missing, and how often
    unparsed: pl.Series  # bool, (row,): a value is there and is not of the type
    taken_for: str | None = None  # decimal comma, a date format …
    note: str | None = None

    @property
    def taken(self) -> Taken:
        """Return all but the values."""
        return Taken(self.type, self.missing, self.taken_for, self.note)


def typed(
    cells: pl.Series, wanted: Type | None, options: ReadOptions, comma_file: bool, label: bool
) -> Typed:
    """Return a column of strings as the type it is taken for, or as the `wanted` one.

    `comma_file`: other columns show that the file writes a decimal comma; `label`: a classification
    target, whose values are kept as written.
    """
    stripped = cells.str.strip_chars()
    if wanted in ("category", "text"):
        return _text(cells, stripped, wanted, options)
    marks = (
        tuple(m.strip().lower() for m in options.missing) if options.missing is not None else MARKS
    )
    values = _present(stripped, marks)
    count = len(values) - values.null_count()
    if count == 0:
        result = pl.Series(cells.name, [None] * len(cells), dtype=DTYPES[wanted or "text"])
        return Typed(
            result,
            wanted or "text",
            _marks(stripped, values, marks),
            _none(cells),
            note="all missing",
        )
    if wanted is None and label:
        whole = values.cast(pl.Int64, strict=False)
        if (whole.cast(pl.String) == values).sum() == count:
            return Typed(whole, "integer", _marks(stripped, values, marks), _none(cells))
        return _text(cells, stripped, None, options)
    note = None
    if wanted in (None, "boolean"):
        found = _boolean(values, count, wanted)
        if found is not None:
            words = ", ".join(values.drop_nulls().unique(maintain_order=True).head(6))
            return _result(found, "boolean", values, stripped, marks, f"boolean from {words}")
    if wanted in (None, "integer", "float"):
        number, note = _number(values, count, wanted, options, comma_file)
        if number is not None:
            found, kind, taken_for = number
            return _result(found, kind, values, stripped, marks, taken_for, note)
    if wanted in (None, "datetime"):
        moment, date_note = moments(values, count, wanted, options)
        if moment is not None:
            return _result(moment[0], "datetime", values, stripped, marks, moment[1])
        note = note or date_note
    return _text(cells, stripped, None, options)._replace(note=note)


DTYPES: dict[str, Any] = {
    "float": pl.Float64,
    "integer": pl.Int64,
    "boolean": pl.Boolean,
    "category": pl.String,
    "text": pl.String,
    "datetime": pl.Datetime("us"),
}


def decimal_comma(frame: pl.DataFrame) -> bool:
    """Return whether some column of strings can only be read as numbers with a decimal comma."""
    sample = frame.head(SAMPLE).select(pl.col(pl.String))
    commas = sample.select(pl.all().str.contains(",", literal=True).any())
    for name in (c for c in commas.columns if commas[c][0]):
        values = _present(sample[name].str.strip_chars(), MARKS).drop_nulls()
        comma = values.str.contains(COMMA)
        if len(values) and comma.sum() >= 0.9 * len(values):
            with_comma = values.filter(comma & values.str.contains(",", literal=True))
            if len(with_comma) and not with_comma.str.contains(THOUSANDS).all():
                return True
    return False


def category_or_text(values: pl.Series) -> Type:
    """Return `category` where strings repeat enough to be levels, else `text`."""
    present = values.drop_nulls()
    levels = present.n_unique()
    if not levels:
        return "text"
    few = levels <= CATEGORIES or levels <= min(MOST_CATEGORIES, CATEGORY_SHARE * len(present))
    return "category" if few and (levels < len(present) or levels <= 2) else "text"


def _result(
    found: pl.Series,
    kind: Type,
    values: pl.Series,
    stripped: pl.Series,
    marks: Any,
    taken_for: str | None = None,
    note: str | None = None,
) -> Typed:
    unparsed = values.is_not_null() & found.is_null()
    return Typed(found, kind, _marks(stripped, values, marks), unparsed, taken_for, note)


def _text(
    cells: pl.Series, stripped: pl.Series, wanted: Type | None, options: ReadOptions
) -> Typed:
    marks = (
        TEXT_MARKS if options.missing is None else tuple(m.strip().lower() for m in options.missing)
    )
    present = _present(stripped, marks)
    values = _unless(cells, present.is_null())
    kind = wanted or category_or_text(values)
    return Typed(values, kind, _marks(stripped, values, marks), _none(cells))


def _present(stripped: pl.Series, marks: Any) -> pl.Series:
    """Return the values with the marks of missing ones (in any case) as null."""
    short = stripped.str.len_bytes() <= max(map(len, marks), default=0)
    gone = short & stripped.str.to_lowercase().is_in(list(marks))
    return _unless(stripped, gone)


def _marks(stripped: pl.Series, present: pl.Series, marks: Any) -> dict[str, int]:
    if present.null_count() == stripped.null_count():
        return {}
    short = stripped.filter(stripped.str.len_bytes() <= max(map(len, marks), default=0))
    found = short.filter(short.str.to_lowercase().is_in(list(marks))).value_counts()
    return dict(sorted(found.iter_rows()))


def _none(cells: pl.Series) -> pl.Series:
    return pl.repeat(False, len(cells), dtype=pl.Boolean, eager=True)


def _boolean(values: pl.Series, count: int, wanted: Type | None) -> pl.Series | None:
    pairs = {"true": True, "false": False, "yes": True, "no": False}
    if wanted == "boolean":
        pairs |= {"1": True, "0": False, "t": True, "f": False, "y": True, "n": False}
        pairs |= {"1.0": True, "0.0": False}
    elif values.head(SAMPLE).n_unique() > 5:
        return None
    found = values.str.to_lowercase().replace_strict(
        list(pairs), list(pairs.values()), default=None, return_dtype=pl.Boolean
    )
    parsed = count - (found.null_count() - values.null_count())
    return found if parsed == count or wanted == "boolean" else None


def _number(
    values: pl.Series, count: int, wanted: Type | None, options: ReadOptions, comma_file: bool
) -> tuple[tuple[pl.Series, Type, str | None] | None, str | None]:
    """Return the values as numbers with their type and what was special, or None and why not."""
    text, taken_for = values, None
    if options.thousands:
        mark = options.thousands
        grouped = text.str.contains(
            r"^[+-]?\d{1,3}(" + ("\\" + mark if mark == "." else mark) + r"\d{3})+"
        )
        text = pl.select(
            pl.when(grouped).then(text.str.replace_all(mark, "", literal=True)).otherwise(text)
        ).to_series()
        taken_for = f"thousands separators {mark!r} taken out (stated)" if grouped.any() else None
    dotted = _floats(text)
    need = 0.0 if wanted else options.type_share * count
    best, comma = dotted, False
    if options.decimal == "," or (options.decimal is None and comma_file):
        with_comma = _floats(_commas(text, strict=True))
        if options.decimal == "," or _count(with_comma) > _count(dotted):
            best, comma = with_comma, bool(values.str.contains(",", literal=True).any())
        elif values.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+$").sum() > 0.5 * count:
            return None, (
                "ambiguous: other columns have a decimal comma, here points could be thousands "
                "separators or decimal marks; state ingest.options.decimal or .thousands"
            )
    found = _count(best)
    if found < need or not (found or wanted):
        return None, _grouped(values, found, options.type_share * count)
    zeros = long = None
    if wanted is None:
        zeros = values.str.contains(LEADING_ZERO)
        if zeros.sum() >= max(0.01 * count, 1):
            return None, "whole numbers with leading zeros: kept as text"
        if (values.str.len_bytes() >= LONG_BYTES).any():
            long = values.str.contains(LONG) & values.cast(pl.Int64, strict=False).is_null()
            if long.sum() >= max(0.01 * count, 1):
                return None, "whole numbers too large for 64 bits: kept as text"
    if comma:
        taken_for = "decimal comma" + (f"; {taken_for}" if taken_for else "")
    whole = (_commas(text, strict=False) if comma else text).cast(pl.Int64, strict=False)
    for odd in (zeros, long):
        if odd is not None and odd.any():
            best, whole = _unless(best, odd), _unless(whole, odd)
    if wanted == "integer":
        exact = best.cast(pl.Int64, strict=False)
        same = (exact.cast(pl.Float64) == best) & (best.abs() < 2**53)
        return (whole.fill_null(_unless(exact, ~same)), "integer", taken_for), None
    if wanted is None and whole.null_count() == best.null_count():
        return (whole, "integer", taken_for), None
    return (best, "float", taken_for), None


def _grouped(values: pl.Series, found: int, need: float) -> str | None:
    """Return a hint where values would be numbers but for thousands separators."""
    grouped = values.str.contains(THOUSANDS)
    if not grouped.any() or found + grouped.sum() < need:
        return None
    return (
        f"looks like numbers with thousands separators ({values.filter(grouped)[0]!r}): kept as "
        "text; state ingest.options.thousands"
    )


def _floats(text: pl.Series) -> pl.Series:
    """Return strings as Float64; what is finite in writing and infinite in 64 bits is null."""
    values = text.cast(pl.Float64, strict=False)
    if values.is_infinite().any():
        values = _unless(values, values.is_infinite() & text.str.contains(r"\d"))
    return values


def _commas(text: pl.Series, strict: bool) -> pl.Series:
    """Return decimal commas as points; strictly: only of what has no point."""
    fits = text.str.contains(COMMA) if strict else pl.repeat(True, len(text), eager=True)
    infinite = text.str.to_lowercase().str.contains(r"^[+-]?(inf|infinity|nan)$")
    return pl.select(
        pl.when(fits | infinite).then(text.str.replace(",", ".", literal=True)).alias(text.name)
    ).to_series()


def _count(values: pl.Series) -> int:
    return len(values) - values.null_count()


def _unless(values: pl.Series, condition: pl.Series) -> pl.Series:
    keep = ~condition.fill_null(False)
    return values.zip_with(keep, pl.Series([None], dtype=values.dtype))


def as_number(cells: pl.Series, found: Typed, options: ReadOptions, comma_file: bool) -> Typed:
    """Return a regression target as numbers where at least half of it is; the rest is unparsed."""
    if found.type not in ("category", "text") or found.note:
        return found
    forced = typed(cells, "float", options, comma_file, False)
    parsed = len(forced.values) - forced.values.null_count()
    return forced if parsed and parsed >= forced.unparsed.sum() else found
