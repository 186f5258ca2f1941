"""A temporal convolutional network.
"""

from pydantic import Field

from tasks.train import forecasts
from tasks.train.forecasts import narrower, predict

TASKS = ("forecast",)
class Params(forecasts.Params):
    """Size of the network, what it sees of a window, and how it is fitted."""

    heads: int = Field(default=4, ge=1, le=16, description="of attention; width is a multiple of it")
    width: int = 16

_family = forecasts.Family("tft", ("width", "heads", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
