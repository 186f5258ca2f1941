"""What the report shows."""

from pydantic import Field

from tasks.core.plugins import PluginParams


class Params(PluginParams):
    """The report is one file that opens offline; everything in it is also in report.json."""

    title: str | None = Field(
        default=None, max_length=200, description="the report's title. null: the workload's name"
    )
    note: str | None = Field(
        default=None, max_length=2000, description="a sentence or two of your own under the title"
    )
    importances: int = Field(default=15, ge=1, le=100, description="features shown a model")
    quarantine_rows: int = Field(default=50, ge=0, le=1000, description="quarantined cells shown")
