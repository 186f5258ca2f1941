"""Ridge regression, or multinomial logistic regression, on standardised features.

Not for relations that are not linear in the prepared features: there it is the yardstick, not the
answer. On a GPU through cuML's estimators of the same names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.plugins import PluginParams
from tasks.train import arrays, gpu

TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors", "scikit-learn", "cuml-cu13", "cuml-cu12")
NEEDS_IMAGE = False
ABSENT = -1e4  # the score of a class without training rows: probability 0 after softmax


class Params(PluginParams):
    """Strength of the regularisation, and the solver's budget."""

    alpha: float = Field(default=1.0, ge=0, description="ridge penalty (regression)")
    c: float = Field(default=1.0, gt=0, description="inverse penalty (classification)")
    max_iterations: int = Field(default=300, ge=1, description="of L-BFGS (classification)")


@dataclass(frozen=True)
class Linear:
    """Scores = (X - mean) @ weights + intercept; softmax follows for classes.

    mean: (feature,); weights: (feature, output); intercept: (output,); spread: (feature,) standard
    deviations; all float64.
    """

    task: str
    mean: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    spread: np.ndarray
    estimator: str


def fit(data: FitData, params: Params, context: FitContext) -> Linear:
    """Return the fitted model; the rows for early stopping are not used."""
    X = data.X.astype(np.float64)
    mean, spread = X.mean(0), X.std(0)
    scale = np.where(spread > 1e-12, spread, 1.0)  # a constant column keeps its (zero) values
    Z = (X - mean) / scale
    solve = _ridge if data.task == "regression" else _logistic
    weights, intercept, estimator = solve(Z, data, params, context)
    return Linear(data.task, mean, weights / scale[:, None], intercept, spread, estimator)


def _ridge(Z: np.ndarray, data: FitData, params: Params, context: FitContext):
    name = "Ridge(solver=cholesky)"
    if context.device == "cuda":
        estimator = gpu.cuml("linear_model").Ridge(alpha=params.alpha, solver="eig")
        name = "cuml Ridge(solver=eig)"
    else:
        from sklearn.linear_model import Ridge

        estimator = Ridge(alpha=params.alpha, solver="cholesky")
    centre = data.y.mean()
    estimator.fit(Z, data.y - centre)
    weights = np.asarray(estimator.coef_, np.float64).reshape(-1, 1)
    intercept = np.asarray(estimator.intercept_, np.float64).reshape(1) + centre
    return weights, intercept, name


def _logistic(Z: np.ndarray, data: FitData, params: Params, context: FitContext):
    present = np.unique(data.y)
    weights = np.zeros((Z.shape[1], data.n_classes))
    intercept = np.full(data.n_classes, ABSENT)
    if len(present) == 1:  # no boundary to fit: the one class is certain
        intercept[present] = 0.0
        return weights, intercept, "one class in the training rows"
    settings = {"C": params.c, "max_iter": params.max_iterations, "tol": 1e-4}
    if context.device == "cuda":
        estimator, name = (
            gpu.cuml("linear_model").LogisticRegression(**settings),
            "cuml LogisticRegression",
        )
    else:
        from sklearn.linear_model import LogisticRegression

        estimator, name = LogisticRegression(**settings), "LogisticRegression(lbfgs)"
    import warnings

    with warnings.catch_warnings():  # not converged: still a model, its figures tell
        warnings.simplefilter("ignore")
        estimator.fit(Z, data.y)
    coefficients = np.asarray(estimator.coef_, np.float64)
    offsets = np.asarray(estimator.intercept_, np.float64).ravel()
    if len(coefficients) == 1:  # two classes: sigmoid(z) is softmax((0, z))
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        offsets = np.concatenate([[0.0], offsets])
    weights[:, present] = coefficients.T
    intercept[present] = offsets
    return weights, intercept, name


def predict(model: Linear, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    scores = (X.astype(np.float64) - model.mean) @ model.weights + model.intercept
    if model.task == "regression":
        return scores[:, 0]
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def save(model: Linear, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    numbers = {name: getattr(model, name) for name in ("mean", "weights", "intercept", "spread")}
    arrays.save(folder, numbers, {"task": model.task, "estimator": model.estimator})


def load(folder: Path) -> Linear:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    return Linear(task=facts["task"], estimator=facts["estimator"], **numbers)


def to_onnx(model: Linear) -> Any:
    """Return Sub, Gemm (and Softmax); centred first: float32 loses no digits of large values."""
    graph = Graph()
    centred = graph.add("Sub", "X", graph.constant(model.mean[None]))
    last = graph.add(
        "Gemm", centred, graph.constant(model.weights), graph.constant(model.intercept)
    )
    if model.task == "classification":
        last = graph.add("Softmax", last, axis=1)
    features, width = model.weights.shape
    return graph.model(matrix(features), last, output_name(model.task), width)


def importances(model: Linear) -> np.ndarray:
    """Return each feature's share in the sum of |coefficient| x standard deviation, (feature,)."""
    sizes = np.abs(model.weights).sum(1) * model.spread
    return sizes / max(sizes.sum(), 1e-300)


def curves(model: Linear) -> dict[str, list[float]]:
    """Return no curves: the solver's own steps are not models."""
    return {}


def facts(model: Linear) -> dict[str, Any]:
    """Return the estimator that was used."""
    return {"estimator": model.estimator}


gpu_missing = gpu.cuml_missing
