"""What is proposed for a table: its section of params.yaml, each guess with its reason."""

from typing import NamedTuple

from tasks.core.schema import Columns, Table


class Proposal(NamedTuple):
    """A workload's section before it is text.

    `why`: reasons by what they are about: `task`, `target`, `split`, `models`; `why_columns`: by
    column; `doubts`: features that may be leaks, by column; `notes`: what the reader took for what;
    `given`: a model fitted elsewhere, in the place of those proposed.
    """

    name: str
    file: str
    rows: int
    table: Table
    split: str
    models: tuple[str, ...]
    why: dict[str, str]
    why_columns: dict[str, str]
    notes: list[str]
    doubts: dict[str, str]
    given: dict[str, str] | None = None  # params of a model that was fitted elsewhere

    @property
    def columns(self) -> Columns:
        return self.table.columns

    @property
    def reasons(self) -> list[str]:
        """Return every guess and its reason as lines for the user."""
        lines = [
            f"task {self.table.task}: {self.why['task']}",
            f"target {self.table.target}: {self.why['target']}",
        ]
        lines += [
            f"{column}: role {self.columns[column].role}: {reason}"
            for column, reason in self.why_columns.items()
            if self.columns[column].role not in ("feature", "target")
        ]
        features = [n for n, column in self.columns.items() if column.role == "feature"]
        lines.append(
            f"{len(features)} features: {', '.join(features[:12])}" + " …" * (len(features) > 12)
        )
        lines += [f"{column}: look at it: {doubt}" for column, doubt in self.doubts.items()]
        lines.append(f"split {self.split}: {self.why['split']}")
        if self.given:
            lines.append(f"model {self.given['path']}: fitted elsewhere")
        else:
            lines.append(f"models {', '.join(self.models)}: {self.why['models']}")
        return lines + [f"reading: {note}" for note in self.notes]
