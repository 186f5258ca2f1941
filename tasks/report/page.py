"""Renders report.html: one file, nothing fetched, no script but its own.

The page's policy (CSP) allows only the three scripts whose digests it states, so that nothing a
table contains could ever run, and forbids every connection.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from tasks.report import figures, words

DATA_FILES = ("templates/report.html.j2", "templates/report.css", "templates/report.js")
FOLDER = Path(__file__).parent / "templates"


def render(report: dict[str, Any]) -> str:
    """Return the page of a report; texts of the data are escaped wherever they stand."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "metric": words.metric,
        "signed": words.signed,
        "ms": words.ms,
        "seconds": words.seconds,
        "size": words.size,
        "percent": words.percent,
        "p": words.p_value,
        "names": words.names,
        "anchor": anchor,
    }
    charts = {anchor(key): figure for key, figure in figures.figures(report).items()}
    scripts = {"plotly": get_plotlyjs(), "own": (FOLDER / "report.js").read_text(encoding="utf-8")}
    return environment.get_template("report.html.j2").render(
        r=report,
        charts=charts,
        curve_ids=[anchor(f"curves-{name}") for name in report["models"]],
        importance_ids=[anchor(f"importances-{name}") for name in report["models"]],
        engines=figures.engines(report),
        described=figures.described(report),
        data=Markup(in_script(charts)),
        css=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        policy=policy(*scripts.values()),
        scripts={name: Markup(text) for name, text in scripts.items()},
        pairs=pairs(report["leaderboard"]),
    )


def in_script(value: Any) -> str:
    """Return JSON that may stand inside a <script> element: it cannot end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def policy(*scripts: str) -> str:
    """Return the content security policy: these scripts, inline styles, nothing from elsewhere."""
    digests = (hashlib.sha256(text.encode()).digest() for text in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def anchor(name: str) -> str:
    """Return a name as the id of an element: other characters than letters and digits as codes."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "-_") else f"_{ord(c):x}" for c in name
    )


def pairs(board: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the pairwise tests by (row, column): the difference is that of the row's model."""
    found = {}
    for pair in board.get("pairwise") or []:
        found[pair["a"], pair["b"]] = pair
        found[pair["b"], pair["a"]] = pair | {
            "difference": _negative(pair["difference"]),
            "low": _negative(pair["high"]),
            "high": _negative(pair["low"]),
        }
    return found


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
