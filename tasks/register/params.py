"""What `register` is asked for."""

from pydantic import Field

from tasks.core.plugins import PluginParams


class Params(PluginParams):
    """The store is at `MLFLOW_TRACKING_URI`; without it, SQLite in Temper's home."""

    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[^/:\\%\"']+$",
        description="the name of the registered model. null: the workload's",
    )
    check_rows: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="judged rows that the registered graph must answer as the measured one does",
    )
    example_rows: int = Field(
        default=3, ge=1, le=100, description="rows of the input example kept beside the graph"
    )
    time_limit_s: float = Field(
        default=300.0, gt=0, description="for the work in MLflow, in seconds"
    )
