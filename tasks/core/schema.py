"""What a table is: its columns, their types and roles. `columns.json` carries it from step to
step.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from tasks.core.plugins import PluginParams

ROW = "__row__"  # UInt32: the number of the row in the raw data, from 1; in every table, to the end

Type = Literal["float", "integer", "boolean", "category", "text", "datetime", "image", "window"]
Role = Literal["feature", "target", "time", "group", "split", "ignore"]
Task = Literal["regression", "classification", "forecast"]


class Column(PluginParams):
    """One column: what is expected of it, and what it is for."""

    type: Type | None = Field(default=None, description="None: found out from the data")
    role: Role = "feature"
    required: bool = Field(default=True, description="False: the table may lack it")
    nullable: bool = True
    unique: bool = False
    min: float | None = None
    max: float | None = None
    values: list[str | int | float | bool] | None = Field(
        default=None, description="the only ones allowed"
    )
    unit: str | None = None


class Table(PluginParams):
    """A workload's table: its task, its target and its columns."""

    task: Task
    target: str
    columns: dict[str, Column] = Field(default={}, description="empty: found out from the data")
    extra_columns: Literal["error", "ignore"] = Field(
        default="error", description="what a column that `columns` does not list is"
    )


Columns = dict[str, Column]
_ADAPTER: TypeAdapter[Columns] = TypeAdapter(Columns)


def load_columns(folder: Path) -> Columns:
    """Return the columns that `columns.json` of an artifact's folder states, in table order."""
    return _ADAPTER.validate_json((folder / "columns.json").read_bytes())


def save_columns(columns: Columns, folder: Path) -> None:
    """Write `columns.json`."""
    content: dict[str, Any] = {
        name: column.model_dump(mode="json", exclude_defaults=True)
        for name, column in columns.items()
    }
    (folder / "columns.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))


def by_role(columns: Columns, role: Role) -> list[str]:
    """Return the names of the columns with a role."""
    return [name for name, column in columns.items() if column.role == role]
