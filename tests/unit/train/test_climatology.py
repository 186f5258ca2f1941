"""The climatology: the quantiles of each time of the season, and its refusal without a clock."""

import numpy as np
import onnxruntime
import pytest

from tasks.core.errors import DataError
from tasks.core.fitting import FitContext, FitData
from tasks.core.sequence import PERIODS_S, Sequence
from tasks.train.models import climatology

KNOWN = ("sine of day", "cosine of day", "sine of week", "cosine of week")


def of(season: int, step_s: float, start_s: float = 0.0, days: int = 30) -> FitData:
    """Return windows of two steps ahead; y is 10 times its time of the season, and a little."""
    sequence = Sequence(
        context=3, horizon=2, channels=("y", *KNOWN), known=KNOWN, quantiles=(0.1, 0.5, 0.9),
        season=season, step_s=step_s, scale=1.0,
    )  # fmt: skip
    n = int(days * PERIODS_S["day"] / step_s)
    seconds = start_s + np.arange(n) * step_s
    angles = [2 * np.pi * seconds / PERIODS_S[cycle] for cycle in ("day", "week")]
    turns = np.stack([turn(angle) for angle in angles for turn in (np.sin, np.cos)], axis=1)
    y = 10.0 * (np.arange(n) % season) + np.random.default_rng(0).integers(0, 5, n)
    series = np.column_stack([y, turns]).astype(np.float32)
    origins = np.arange(2, n - 2)
    past = series[origins[:, None] + np.arange(-2, 1)].reshape(len(origins), -1)
    ahead = origins[:, None] + np.arange(1, 3)
    future = series[ahead][:, :, 1:].reshape(len(origins), -1)
    X, cut = np.concatenate([past, future], axis=1), len(origins) * 4 // 5
    return FitData(
        X=X[:cut], y=y[ahead][:cut], X_stop=X[cut:], y_stop=y[ahead][cut:], task="forecast",
        sequence=sequence, feature_names=sequence.feature_names,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("season", "step_s", "start_s"),
    [(144, 600, 0), (144, 600, 437), (24, 3600, 1800), (7, 86_400, 0), (336, 1800, 0)],
)
def test_each_time_of_the_season_has_its_own_quantiles(season, step_s, start_s):
    data = of(season, step_s, start_s, days=200 if season in (7, 336) else 30)
    model = climatology.fit(data, climatology.Params(), FitContext())
    found = climatology.predict(model, data.X_stop)
    assert (found[:, :, 1] // 10 == data.y_stop // 10).all()
    inside = (data.y_stop >= found[:, :, 0]) & (data.y_stop <= found[:, :, 2])
    assert inside.mean() >= 0.8
    values = data.y.ravel()
    expected = np.quantile(values[values // 10 == 3], [0.1, 0.5, 0.9])
    assert (model.quantiles == expected).all(axis=1).any()
    graph = climatology.to_onnx(model).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    [got] = session.run(None, {"X": data.X})
    expected = climatology.predict(model, data.X).reshape(len(data.X), -1)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_without_a_cycle_as_long_as_the_season_it_says_so():
    data = of(24, 3600)
    assert data.sequence
    other = data.sequence.model_copy(update={"season": 12})
    with pytest.raises(DataError, match=r"season of 12 steps of 3600 s, found sine of day"):
        climatology.fit(
            FitData(data.X, data.y, data.X_stop, data.y_stop, "forecast", sequence=other),
            climatology.Params(),
            FitContext(),
        )
