"""What clean and features of a table of sensors are: one description, for every engine.

In this order: rows of the same key and time but the first are dropped (in the order of the file);
values outside the physical range are null; units are converted; short gaps are filled with the
last value; a regular grid is made, with windows and lags of its means, and aggregates by the day.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.core.frames import Compression
from tasks.core.plugins import PluginParams
from tasks.frames.windows import ROLLING, quantile

Statistic = Literal["mean", "min", "max", "std", "last", "count"]
DAY_S = 86_400


class Column(PluginParams):
    """One measured column: `value = (raw + offset) * scale` where raw is in its range."""

    name: str
    low: float | None = Field(default=None, description="below it, a raw value is null")
    high: float | None = Field(default=None, description="above it, a raw value is null")
    offset: float = 0.0
    scale: float = 1.0
    rename: str | None = Field(default=None, description="its name afterwards")
    fill: bool = Field(default=True, description="whether its gaps are filled")

    @property
    def named(self) -> str:
        """Return the name that results carry."""
        return self.rename or self.name


class Work(PluginParams):
    """The work. Windows and lags count steps of the grid; a gap counts rows of the file."""

    time: str
    time_format: str | None = Field(
        default=None, description="of a text column, as in strptime; None: the column is Datetime"
    )
    key: str | None = Field(default=None, description="tells sensors apart; None: there is one")
    columns: tuple[Column, ...] = Field(min_length=1)
    fill_rows: int = Field(default=0, ge=0, description="rows that a value is carried forward")
    grid_s: int = Field(default=900, ge=1, le=DAY_S, description="period of the grid, in seconds")
    statistics: tuple[Statistic, ...] = ("mean", "min", "max", "std")
    windows: dict[str, int] = Field(default={}, description="a window's name -> its grid steps")
    rolling: tuple[str, ...] = Field(
        default=("mean", "std", "q90"), description="of a window: mean, min, max, std, slope, qNN"
    )
    lags: tuple[int, ...] = ()
    daily: tuple[Statistic, ...] = Field(
        default=("mean", "min", "max", "std"), description="empty: no table of days"
    )
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="of what is written; all is computed in float64"
    )
    compression: Compression = "zstd"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        names = [column.named for column in self.columns]
        problems = [f"rolling: {r!r} is unknown" for r in self.rolling if not _known(r)]
        every = [self.time, *([self.key] if self.key else []), *names, *self.features]
        if twice := sorted({name for name in every if every.count(name) > 1}):
            problems.append(f"columns: two are named {', '.join(twice)}")
        if (self.windows or self.lags) and "mean" not in self.statistics:
            problems.append("statistics: windows and lags need 'mean'")
        if wrong := [name for name, steps in self.windows.items() if steps < 1]:
            problems.append(f"windows: {wrong} have no step")
        if [lag for lag in self.lags if lag < 1]:
            problems.append("lags: each is 1 or more")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def names(self) -> list[str]:
        """Return the names of the measured columns in results."""
        return [column.named for column in self.columns]

    @property
    def features(self) -> list[str]:
        """Return the names of the numeric columns of the features, in order."""
        return [
            *(f"{name}_{statistic}" for name in self.names for statistic in self.statistics),
            *(
                f"{name}_{window}_{statistic}"
                for window in self.windows
                for statistic in self.rolling
                for name in self.names
            ),
            *(f"{name}_lag{lag}" for lag in self.lags for name in self.names),
        ]

    @property
    def days(self) -> list[str]:
        """Return the names of the numeric columns of the table of days, in order."""
        return [f"{name}_{statistic}" for name in self.names for statistic in self.daily]


def _known(statistic: str) -> bool:
    return statistic in ROLLING or quantile(statistic) is not None
