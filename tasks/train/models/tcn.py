"""A temporal convolutional network.
"""

from pydantic import Field

from tasks.train import forecasts
from tasks.train.forecasts import narrower, predict

TASKS = ("forecast",)
class Params(forecasts.Params):
    """Size of the network, what it sees of a window, and how it is fitted."""

    kernel: int = Field(default=3, ge=2, le=16, description="steps that a convolution sees")

_family = forecasts.Family("tcn", ("width", "kernel", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
