"""What `validate` is told: how much may be bad, and what the whole table must be like."""

from pydantic import Field, model_validator

from tasks.core.plugins import PluginParams


class Limits(PluginParams):
    """Limits of whole-table figures; a broken one stops the run."""

    min_rows: int = Field(
        default=20, ge=1, description="good rows; fewer cannot be split and judged"
    )
    max_rows: int | None = Field(default=None, ge=1, description="null: no limit")
    max_missing_share: float = Field(
        default=1.0, ge=0, le=1, description="of each feature's cells; 1: only reported"
    )
    min_class_rows: int = Field(default=2, ge=1, description="rows of the rarest class")
    min_class_share: float = Field(
        default=0.0, ge=0, le=0.5, description="rows of the rarest class / rows"
    )
    max_classes: int = Field(default=1000, ge=2, description="more: is it a regression?")
    target_mean: tuple[float, float] | None = Field(
        default=None, description="regression: the target's mean lies between these; null: no limit"
    )
    max_duplicate_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="rows that repeat an earlier one / rows; 1: only reported",
    )
    unique: list[list[str]] = Field(
        default=[], description="sets of columns that no two rows share, such as [[sensor, time]]"
    )
    max_age_days: float | None = Field(
        default=None,
        gt=0,
        description="of the newest time, by the clock, at every run; null: any age",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        problems = []
        if self.max_rows is not None and self.max_rows < self.min_rows:
            problems.append(f"max_rows {self.max_rows} is below min_rows {self.min_rows}")
        if self.target_mean is not None and self.target_mean[0] > self.target_mean[1]:
            problems.append(f"target_mean {list(self.target_mean)}: the lower end comes first")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Expectations(PluginParams):
    """The Great Expectations suite: documents the table, stops nothing."""

    docs: bool = Field(default=True, description="build Data Docs (HTML)")
    sample_rows: int = Field(
        default=5_000, ge=10, le=100_000, description="rows that pandas gets to see"
    )
    time_limit_s: float = Field(default=300, gt=0)


class Params(PluginParams):
    """The section `validate` of a workload."""

    max_bad_share: float = Field(
        default=0.02, ge=0, le=1, description="quarantined rows / rows; more stops the run"
    )
    limits: Limits = Field(default=Limits.model_validate({}))
    expectations: Expectations | None = Field(
        default=Expectations.model_validate({}), description="null: no suite"
    )
    time_limit_s: float = Field(default=600, gt=0)
