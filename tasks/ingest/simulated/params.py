"""How large the simulated table is, how noisy, how dirty."""

from datetime import date, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from tasks.core.plugins import PluginParams


class Dirt(PluginParams):
    """How much of what goes wrong with real sensors; each a share, 0 leaves it out."""

    gaps: float = Field(default=0.02, ge=0, le=0.5, description="of rows, in outages up to 12 h")
    duplicates: float = Field(default=0.005, ge=0, le=0.5, description="of rows, sent twice")
    conflicts: float = Field(
        default=0.002, ge=0, le=0.5, description="of rows, sent again with another value"
    )
    clock_shifts: float = Field(
        default=0.005, ge=0, le=0.5, description="of days, stamped one or two hours off"
    )
    stuck: float = Field(default=0.01, ge=0, le=0.5, description="of cells, 3 to 24 h at one value")
    spikes: float = Field(default=0.001, ge=0, le=0.5, description="of cells, far off for one row")
    sentinels: float = Field(
        default=0.001, ge=0, le=0.5, description="of cells, a number that stands for no value"
    )
    fahrenheit: float = Field(
        default=0.02, ge=0, le=0.5, description="of days, the temperature in degrees Fahrenheit"
    )
    unworn: float = Field(default=0.01, ge=0, le=0.5, description="of days, no record of the ring")


class Params(PluginParams):
    """Homes, nights, period, how stamps are written, and the dirt."""

    homes: int = Field(default=8, ge=1, le=100_000)
    nights: int = Field(default=900, ge=10, le=20_000, description="of each home")
    period_min: Literal[1, 2, 5, 10, 15, 30] = Field(
        default=5, description="minutes from one row of a home to its next"
    )
    start: date = Field(default=date(2023, 9, 1), description="the first morning")
    zone: str = Field(default="Europe/Berlin", description="where the homes stand")
    stamps: Literal["utc", "local"] = Field(
        default="utc",
        description="local: as a clock on the wall shows it, an hour twice in autumn, one missing "
        "in spring",
    )
    best_r2: float = Field(
        default=0.5, gt=0.05, lt=0.95, description="share of readiness' variance that has causes"
    )
    dirt: Dirt = Dirt()
    seed: int = Field(default=0, ge=0)

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"unknown time zone {value!r}; expected one as Europe/Berlin"
            ) from None
        return value

    @model_validator(mode="after")
    def _within_the_calendar(self) -> "Params":
        first, last = date(1970, 1, 3), date(2200, 1, 1)
        if not first <= self.start or self.start + timedelta(days=self.nights) > last:
            raise ValueError(f"start and nights: expected days from {first} to {last}")
        return self
