"""Every metric plugin against the promises of its kind, and against scikit-learn's."""

import numpy as np
import pytest

from tasks.core import draws, plugins, scoring
from tasks.core.sequence import Sequence

pytestmark = pytest.mark.contracts
NAMES = plugins.names("metric")
LEVELS = (0.1, 0.25, 0.5, 0.9)
SEQUENCE = Sequence(
    context=3, horizon=6, channels=("y",), quantiles=LEVELS, season=2, step_s=600, scale=5.0
)


def metric_of(name: str):
    module = plugins.plugin("metric", name)
    return scoring.bound(module, SEQUENCE if module.TASK == "forecast" else None)


def case(task: str, n: int = 400, k: int = 4, seed: int = 0):
    """Return y and predictions; with ties, and for classes probabilities of every kind."""
    random = np.random.default_rng(seed)
    if task == "regression":
        y = random.normal(300, 20, n)
        return y, np.round(y + random.normal(0, 8, n))
    if task == "forecast":
        y = random.normal(300, 20, (n, SEQUENCE.horizon))
        quantiles = np.sort(y[:, :, None] + random.normal(0, 12, (n, SEQUENCE.horizon, 4)), axis=2)
        return y, quantiles.reshape(n, -1)
    y = random.integers(0, k, n)
    probabilities = random.dirichlet(np.ones(k), n) + 0.7 * np.eye(k)[y]
    return y, np.round(probabilities / probabilities.sum(1, keepdims=True), 2)


def reference(name: str, y: np.ndarray, prediction: np.ndarray) -> float:
    from sklearn import metrics

    if y.ndim == 2:
        quantiles = SEQUENCE.shaped(prediction)
        flat, median = y.ravel(), quantiles[:, :, 2].ravel()
        losses = [
            metrics.mean_pinball_loss(flat, quantiles[:, :, at].ravel(), alpha=level)
            for at, level in enumerate(LEVELS)
        ]
        inside = (y >= quantiles[:, :, 0]) & (y <= quantiles[:, :, 3])
        return {
            "forecast_mae": lambda: metrics.mean_absolute_error(flat, median),
            "forecast_rmse": lambda: metrics.root_mean_squared_error(flat, median),
            "mase": lambda: metrics.mean_absolute_error(flat, median) / 5,
            "pinball": lambda: np.mean(losses),
            "crps": lambda: 2 * np.dot(losses, [0.175, 0.2, 0.325, 0.3]),
            "coverage_error": lambda: abs(inside.mean() - 0.8),
        }[name]()
    if name == "calibration_error":
        confidence, right = prediction.max(1), prediction.argmax(1) == y
        total = 0.0
        for low in range(15):
            inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
            if inside.any():
                gap = right[inside].mean() - confidence[inside].mean()
                total += inside.mean() * abs(gap)
        return total
    if prediction.ndim == 2:
        labels = np.arange(prediction.shape[1])
        normal = prediction / prediction.sum(1, keepdims=True)
        return {
            "accuracy": lambda: metrics.accuracy_score(y, prediction.argmax(1)),
            "log_loss": lambda: metrics.log_loss(y, normal.clip(1e-15, 1), labels=labels),
            "macro_f1": lambda: metrics.f1_score(y, prediction.argmax(1), average="macro"),
            "roc_auc": lambda: (
                metrics.roc_auc_score(y, prediction[:, 1])
                if len(labels) == 2
                else np.mean([metrics.roc_auc_score(y == c, prediction[:, c]) for c in labels])
            ),
        }[name]()
    return {
        "rmse": lambda: metrics.root_mean_squared_error(y, prediction),
        "mae": lambda: metrics.mean_absolute_error(y, prediction),
        "r2": lambda: metrics.r2_score(y, prediction),
    }[name]()


def test_the_metrics_of_both_tasks_are_found():
    assert len(NAMES) >= 8
    assert set(scoring.metrics("regression")) >= {"rmse", "mae", "r2"}
    assert len(scoring.metrics("classification")) >= 5
    assert len(scoring.metrics("forecast", sequence=SEQUENCE)) >= 6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [2, 4])
def test_it_equals_the_reference(name, k):
    metric = metric_of(name)
    y, prediction = case(metric.TASK, k=k)
    assert metric.score(y, prediction) == pytest.approx(reference(name, y, prediction), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_better_predictions_score_better(name):
    metric = metric_of(name)
    y, worse = case(metric.TASK)
    if name == "coverage_error":  # four of five inside
        perfect = np.where(np.arange(len(y)) % 5 > 0, 1, -1)[:, None] * np.ones(24) * 1e4
        perfect = np.where(np.arange(24) % 4 == 0, -np.abs(perfect), perfect)
    elif metric.TASK == "forecast":
        perfect = np.repeat(y[:, :, None], 4, axis=2)
    else:
        perfect = y.copy() if metric.TASK == "regression" else np.eye(4)[y]
    better, worse = metric.score(y, perfect), metric.score(y, worse)
    assert (better > worse) == metric.GREATER_IS_BETTER
    assert better == pytest.approx(float(metric.GREATER_IS_BETTER), abs=1e-9)


def test_rows_that_are_drawn_in_blocks_follow_each_other():
    [drawn] = draws.weights(1000, 50, seed=3, block=10)
    assert (drawn.sum(axis=1) == 1000).all()
    together = np.mean([np.corrcoef(d[1:], d[:-1])[0, 1] for d in drawn])
    alone = np.mean([np.corrcoef(d[1:], d[:-1])[0, 1] for d in next(draws.weights(1000, 50, 3))])
    assert together > 0.8
    assert abs(alone) < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_one_row_gives_a_number_or_nan(name):
    metric = metric_of(name)
    y, prediction = case(metric.TASK, n=1)
    value = metric.score(y, prediction)
    assert isinstance(value, float)
    assert np.isfinite(value) or name in ("r2", "roc_auc")


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(plugins.plugin("metric", n), "rows")])
def test_row_means_give_the_score_of_repeated_rows(name):
    """Weights are row counts: what the bootstrap rests on. ROC AUC is right to first order."""
    metric = metric_of(name)
    y, prediction = case(metric.TASK, n=600)
    draw = np.random.default_rng(5).integers(0, 600, 600)
    means = np.bincount(draw, minlength=600) @ metric.rows(y, prediction) / 600
    expected = metric.score(y[draw], prediction[draw])
    close = 2e-3 if name == "roc_auc" else 1e-9
    assert float(metric.combine(means)) == pytest.approx(expected, rel=close)


def test_a_class_without_rows_is_left_out_of_roc_auc():
    y, prediction = case("classification")
    keep = y != 2
    value = plugins.plugin("metric", "roc_auc").score(y[keep], prediction[keep])
    assert 0.5 < value < 1


def test_scores_are_none_where_undefined():
    found = scoring.scores("classification", np.zeros(5, int), np.full((5, 3), 1 / 3))
    assert found["roc_auc"] is None
    assert found["accuracy"] == 1
