"""What `ingest` of a workload's section holds."""

from typing import Any

from pydantic import Field

from tasks.core.plugins import PluginParams


class Params(PluginParams):
    """Where the table comes from and how it is read."""

    dataset: str = Field(
        default="table", description="the dataset plugin: a file of tasks/ingest/datasets"
    )
    path: str | None = Field(
        default=None,
        description="a file of your own; null: what lies in data/raw, or the plugin's own source",
    )
    options: dict[str, Any] = Field(default={}, description="the dataset plugin's own parameters")
