"""What Prefect's UI shows of a run beside its tasks: progress, leaderboard, choice, report."""

import json
import time
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from tasks.core.artifacts import Made


class Progress:
    """A progress artifact of the flow run at hand; made once the run has lasted a while."""

    AFTER_S = 5.0  # a run that ends before shows its tasks, and no bar

    def __init__(self, name: str) -> None:
        self.name = name
        self.start = time.monotonic()
        self.artifact: UUID | None = None

    def __call__(self, share: float) -> None:
        """State how much of the run is done, 0 to 1."""
        if self.artifact:
            update_progress_artifact(self.artifact, 100 * share)
        elif share < 1 and time.monotonic() - self.start > self.AFTER_S:
            made = create_progress_artifact(
                100 * share, key=_key(self.name, "progress"), description=self.name
            )
            self.artifact = cast(UUID, made)  # outside a coroutine it is no promise of one


def results(name: str, made: Made) -> None:
    """Show the leaderboard, the recommendation and the report at the flow run at hand."""
    board = json.loads(made["compare/leaderboard"].file("leaderboard.json").read_text())
    choice = json.loads(made["recommend/choice"].file("recommendation.json").read_text())
    rows = [
        {"model": model["name"], "tied with the best": "yes" if model["tied_with_best"] else ""}
        | {metric: _interval(found) for metric, found in model["metrics"].items()}
        for model in board["models"]
    ]
    judged = f"judged on {board['judged']} ({board['rows_judged']} rows), with intervals"
    create_table_artifact(rows, key=_key(name, "leaderboard"), description=judged)
    chosen = choice["chosen"]
    head = f"**{chosen['variant']}** through {chosen['engine']}" if chosen else "**Nothing fits.**"
    words = "\n".join(f"- {reason}" for reason in choice["why"])
    create_markdown_artifact(f"{head}\n\n{words}", key=_key(name, "recommendation"))
    report = made["report"].file("report.html").as_uri()
    create_link_artifact(report, link_text=f"report of {name}", key=_key(name, "report"))


def _key(name: str, what: str) -> str:
    """Return a key as Prefect takes it: lower case letters, digits and dashes."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in f"{name}-{what}".lower())


def _interval(found: dict[str, float | None]) -> str:
    if found["value"] is None:
        return "undefined"
    low, high = found.get("low"), found.get("high")
    value = f"{found['value']:.4g}"
    return value if low is None or high is None else f"{value} [{low:.4g}, {high:.4g}]"
