"""What the terminal shows at the end of a run, from report.json: as rich's parts or as text."""

from typing import Any

from tasks.report.words import metric, ms, names, number, p_value, percent, size

MOST = 8  # changes shown


def summary(report: dict[str, Any], places: dict[str, str] | None = None) -> list[Any]:
    """Return the summary as rich renderables, from top to bottom.

    Args:
        report: the content of report.json.
        places: where things are, by what they are (`report`, `version`, `run`): shown at the end.
    """
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    parts = leaderboard(report["workload"], report["leaderboard"])
    headline, *reasons = recommendation(report)
    fits = bool(report["recommendation"].get("chosen"))
    parts.append(Text(headline, style="bold green" if fits else "bold red"))
    parts += [Padding(Text(reason), (0, 0, 0, 2)) for reason in reasons]
    parts.append(Text())
    for heading, lines in changed(report):
        parts.append(Text(heading, style="bold"))
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in lines]
    where = Table.grid(padding=(0, 2))
    for what, place in located(report, places):
        where.add_row(Text(what, style="dim"), Text(place, overflow="fold"))
    if where.row_count:
        parts += [Text(), where]
    return parts


def leaderboard(workload: str, board: dict[str, Any]) -> list[Any]:
    """Return a leaderboard as rich renderables: a table, and a line after it."""
    from rich.table import Table
    from rich.text import Text

    if not board.get("models"):
        return []
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="bold")
    table.title = f"{workload}: judged on {judged(board)}"
    for heading in ("#", "model", board["primary"], "interval", "resamples", "p", ""):
        side = "left" if heading in ("model", "") else "right"
        table.add_column(heading, justify=side, style=None, header_style="dim")
    for row in rows(board):
        table.add_row(*map(Text, row), style="bold" if "tied" in row[-1] else "")
    return [table, Text()]


def text(report: dict[str, Any], places: dict[str, str] | None = None) -> str:
    """Return the summary as plain text, for logs and for a terminal without colours."""
    lines = []
    board = report["leaderboard"]
    table = rows(board)
    if table:
        lines.append(f"{report['workload']}: judged on {judged(board)}")
        heads = ["#", "model", board["primary"], "interval", "resamples", "p", ""]
        table = [heads, *table]
        widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
        for row in table:
            cells = (
                cell.ljust(width) if i in (1, 6) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        lines.append("")
    headline, *reasons = recommendation(report)
    lines += [headline, *(f"  {reason}" for reason in reasons), ""]
    for heading, items in changed(report):
        lines += [heading, *(f"  {item}" for item in items)]
    lines += ["", *(f"{what}: {place}" for what, place in located(report, places))]
    return "\n".join(lines).rstrip() + "\n"


def judged(board: dict[str, Any]) -> str:
    """Return the judged part with its rows."""
    return f"{board['judged']} ({number(board['rows_judged'])} rows)"


def rows(board: dict[str, Any]) -> list[list[str]]:
    """Return a leaderboard's cells, a row a model."""
    found = []
    for model in board.get("models", []):
        value = model["metrics"][board["primary"]]
        again = (model.get("resamples") or {}).get(board["primary"]) or {}
        span = (
            "" if value.get("low") is None else f"[{metric(value['low'])}, {metric(value['high'])}]"
        )
        spread = f"{metric(again['mean'])} ± {number(again['std'], 2)}" if again else ""
        found.append(
            [
                str(model["rank"]),
                model["name"],
                metric(value["value"]),
                span,
                spread,
                p_value(model.get("p_adjusted_vs_best")),
                standing(model, board),
            ]
        )
    return found


def standing(model: dict[str, Any], board: dict[str, Any]) -> str:
    """Return how a model stands: `behind on test` where only the judged rows show it."""
    if model["tied_with_best"]:
        return "tied with the best" if len(board["group"]) > 1 else ""
    p = model.get("p_adjusted_vs_best")
    shown = p is None or p <= 1 - board.get("confidence", 0.95)
    behind = model.get("behind_on_judged")
    return f"behind on {board['judged']}" if behind and not shown else ""


def recommendation(report: dict[str, Any]) -> list[str]:
    """Return the headline and the reasons."""
    choice = report["recommendation"]
    chosen = choice.get("chosen")
    if not choice:
        return ["No recommendation: the run stopped before it."]
    if chosen is None:
        return ["Nothing meets every limit.", *choice["why"]]
    headline = (
        f"Recommended: {chosen['variant']} through {chosen['engine']}: "
        f"{choice['primary']} {metric(chosen['metric'])} ({_drop(chosen)}), "
        f"{size(chosen['size_kib'] * 1024)}, p50 {ms(chosen['p50_ms'])}, p99 {ms(chosen['p99_ms'])}"
    )
    return [headline, *choice["why"]]


def _drop(chosen: dict[str, Any]) -> str:
    bound = chosen.get("drop_share_bound")
    surely = "" if bound in (None, chosen["drop_share"]) else f", at most {percent(bound)}"
    return f"drop {percent(chosen['drop_share'])}{surely}"


def changed(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return what changed, by what it is compared with; only what is beyond the intervals."""
    if not report["changes"]:
        return [("First run of this workload: nothing to compare with.", [])]
    found = []
    for against, items in report["changes"].items():
        lines = [f"{i['topic']}: {i['text']}" for i in items if i["weight"] == "major"]
        if not lines:
            found.append((f"Against the {against}: nothing beyond the intervals.", []))
            continue
        more = [f"and {len(lines) - MOST} more in the report"] if len(lines) > MOST else []
        found.append((f"Changed against the {against}:", lines[:MOST] + more))
    return found


def located(report: dict[str, Any], places: dict[str, str] | None) -> list[tuple[str, str]]:
    """Return where the registered version, the report and other things are."""
    version = report["version"]
    found = []
    if version.get("version"):
        aliases = names(version.get("aliases") or [version["alias"]])
        found.append(("version", f"{version['uri']} ({aliases})"))
    return found + list((places or {}).items())
