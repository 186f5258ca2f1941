"""What a row of a forecast is: a window of the past, what is known of the future, the quantiles."""

from collections.abc import Sequence as Items

import numpy as np
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.plugins import PluginParams

PAST, FUTURE = "past", "future"  # the graph's inputs, and the columns of the prepared tables
PERIODS_S = {"day": 86_400.0, "week": 7 * 86_400.0, "year": 365.2425 * 86_400.0}  # of a calendar


class Sequence(PluginParams):
    """The windows of the task `forecast`.

    A row is an origin: a time at which a forecast is made. Its X is the last `context` steps of
    every channel up to the origin (time-major), then `horizon` steps of what is known in advance,
    then the columns that do not change with time. Its y: `horizon` values of the target, the first
    of them `lead` steps after the origin. Without the target's own past it is a sequence
    regression: what was measured beside the target tells it.
    """

    context: int = Field(ge=1, description="steps of the past")
    horizon: int = Field(ge=1, description="steps that are forecast")
    lead: int = Field(default=1, ge=0, description="steps from the origin to the first of them")
    own_past: bool = Field(default=True, description="whether the target's past is a channel")
    channels: tuple[str, ...] = Field(
        min_length=1,
        description="of the past: the target first, with `own_past`; those of `known` last",
    )
    known: tuple[str, ...] = Field(default=(), description="of the future")
    static: tuple[str, ...] = Field(default=(), description="features that do not change with time")
    quantiles: tuple[float, ...] = Field(description="ascending, 0.5 among them")
    season: int = Field(ge=1, description="steps of a season: a day, or a week of days")
    step_s: float = Field(gt=0, description="seconds of a step")
    scale: float = Field(
        ge=0, description="mean |y(t) - y(t - season)| of the training part, for MASE"
    )
    block: int = Field(
        default=1, ge=1, description="judged rows, in their order, that are not independent"
    )

    @property
    def median(self) -> int:
        """Return the place of the median among the quantiles."""
        return self.quantiles.index(0.5)

    @property
    def ahead(self) -> np.ndarray:
        """Return how many steps after the origin each step of the horizon is, (horizon,) int64."""
        return np.arange(self.lead, self.lead + self.horizon)

    @property
    def outputs(self) -> int:
        """Return how many numbers a forecast has: horizon x quantiles."""
        return self.horizon * len(self.quantiles)

    @property
    def past_size(self) -> int:
        """Return how many features of X are of the past."""
        return self.context * len(self.channels)

    @property
    def feature_names(self) -> list[str]:
        """Return the names of the columns of X: `channel[-steps]`, `known[+steps]`, the others."""
        past = [f"{c}[{t - self.context + 1}]" for t in range(self.context) for c in self.channels]
        future = [f"{c}[+{t}]" for t in self.ahead for c in self.known]
        return [*past, *future, *self.static]

    def past(self, X: np.ndarray) -> np.ndarray:
        """Return the windows of X (n, feature): (n, context, channel), a view."""
        return X[:, : self.past_size].reshape(len(X), self.context, len(self.channels))

    def target(self, X: np.ndarray) -> np.ndarray:
        """Return the target's own past, (n, context), a view.

        Raises:
            ParamsError: it is no channel.
        """
        if not self.own_past:
            raise ParamsError(
                "features.forecast.own_past: expected true, for a model that repeats the target's "
                "past, found false; leave the model out"
            )
        return self.past(X)[:, :, 0]

    def future(self, X: np.ndarray) -> np.ndarray:
        """Return what is known in advance: (n, horizon, known), a view."""
        size = self.horizon * len(self.known)
        return X[:, self.past_size :][:, :size].reshape(len(X), self.horizon, len(self.known))

    def shaped(self, prediction: np.ndarray) -> np.ndarray:
        """Return predictions of any layout as (n, horizon, quantile)."""
        return np.reshape(prediction, (len(prediction), self.horizon, len(self.quantiles)))


def by_channel(sequence: Sequence, shares: Items[float] | np.ndarray) -> dict[str, float]:
    """Return the sum of the features' shares for each channel, known and static column."""
    found: dict[str, float] = {}
    for name, share in zip(sequence.feature_names, shares, strict=True):
        channel = name.split("[")[0]
        found[channel] = found.get(channel, 0.0) + float(share)
    return found


def of(sequence: Sequence | None) -> Sequence:
    """Return the sequence that a forecast's rows have.

    Raises:
        ValueError: they have none: they are not a forecast's.
    """
    if sequence is None:
        raise ValueError("expected rows of a forecast, found none with a sequence")
    return sequence
