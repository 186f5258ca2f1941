"""What the windows of a forecast are: how long, of which columns, and which quantiles."""

from tasks.core.plugins import PluginParams


class Sequence(PluginParams):
    """The windows of the task `forecast`.

    A row of X is `past` (context, channel), time-major, then `future` (horizon, known), flattened.
    `channels` has the target first and the `known` ones last; `quantiles` ascend, with 0.5 among
    them; `season` is the steps of a season; `step_s` the seconds of a step; `scale` the mean
    |y_t - y_(t - season)| of the training part.
    """

    context: int
    horizon: int
    channels: tuple[str, ...]
    known: tuple[str, ...]
    quantiles: tuple[float, ...]
    season: int
    step_s: float
    scale: float
