"""What is said of a cleaned table on the terminal: the gravest findings, and where the rest is."""

import json
from pathlib import Path
from typing import Any

from tasks.clean.findings import Finding

GRAVEST = (  # how the kinds begin that are told, the gravest first
    "likely unit mix-up",
    "unit changes within the series",
    "unknown unit",
    "sentinel in the target",
    "wrong place",
    "row contradicts an earlier one",
    "time goes back",
    "cannot be read as a record",
    "sentinel",
    "outside its range",
    "saturated",
    "never changes",
    "stuck",
    "spike",
    "gap",
    "periods without a row",
    "no time",
    "without series or time",
    "row repeats an earlier one",
    "repeats of a series and time",
)
LINES = 4  # of findings; one more says where the rest is
EACH = 2  # findings that a line names
SHORT = 90  # characters of a detail


def told(clean: Path) -> list[str]:
    """Return a line a kind of finding that matters, at most `LINES`, and one that says where all
    findings are; nothing where none matters.

    Args:
        clean: the folder of `clean/table`.
    """
    steps = clean / "steps.json"
    kinds: dict[str, list[Finding]] = {}
    for account in json.loads(steps.read_text(encoding="utf-8")):
        for found in account.get("found", []):
            if _rank(found["what"]) < len(GRAVEST):
                kinds.setdefault(found["what"], []).append(found)
    order = sorted(kinds, key=_rank)
    if not order:
        return []
    left = order[LINES:]
    rest = f"also {', '.join(left)}; " if left else ""
    lines = [_line(kind, kinds[kind]) for kind in order[:LINES]]
    return [*lines, f"clean: {rest}all findings: {steps}, and the report's section Cleaning"]


def _rank(what: str) -> int:
    return next((n for n, kind in enumerate(GRAVEST) if what.startswith(kind)), len(GRAVEST))


def _line(kind: str, found: list[Finding]) -> str:
    often = sorted(found, key=lambda each: -each["count"])
    named = "; ".join(_words(each) for each in often[:EACH])
    more = f"; {len(found) - EACH:,} more like it" if len(found) > EACH else ""
    return f"clean: {kind}: {named}{more}"


def _words(found: dict[str, Any]) -> str:
    detail = found["detail"] if len(found["detail"]) <= SHORT else f"{found['detail'][:SHORT]}…"
    row = f", first in row {found['first_row']:,}" if found["first_row"] is not None else ""
    return " ".join(filter(None, [found["column"], detail, f"({found['count']:,}{row})"]))
