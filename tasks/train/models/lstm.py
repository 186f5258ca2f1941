"""A temporal convolutional network.
"""

from pydantic import Field

from tasks.train import forecasts
from tasks.train.forecasts import narrower, predict

TASKS = ("forecast",)
class Params(forecasts.Params):
    """Size of the network, what it sees of a window, and how it is fitted."""

    depth: int = Field(default=1, ge=1, le=4, description="LSTMs, one on another")

_family = forecasts.Family("lstm", ("width", "depth", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
