"""Boosted trees by LightGBM (Ke et al. 2017, NeurIPS): leaf-wise growth on histograms.

Not for a few hundred rows, where it overfits unless leaves and rounds are few. Its wheels have no
CUDA build: it runs on the CPU on every machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core import tree_graph
from tasks.core import trees as forest
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import output_name
from tasks.train import arrays, boosting, window_trees
from tasks.train.window_trees import WindowTrees

TASKS = ("regression", "classification", "forecast")
LIBRARIES = ("numpy", "lightgbm")
NEEDS_IMAGE = False
CURVE_X = "round"
BY_ROWS = ("min_leaf", "l2")  # params that are held against how many rows there are


class Params(window_trees.Params):
    """Size of the trees, how they are drawn, and when to stop."""

    rounds: int = Field(default=1000, ge=1, le=20000, description="boosting rounds at most")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="weight of each tree")
    num_leaves: int = Field(default=31, ge=2, le=4096, description="leaves a tree")
    min_leaf: int = Field(default=20, ge=1, description="rows a leaf must have")
    feature_fraction: float = Field(
        default=0.8, gt=0, le=1, description="share of the features a tree"
    )
    split_fraction: float = Field(
        default=1.0, gt=0, le=1, description="share of those a split looks at"
    )
    row_fraction: float = Field(default=0.8, gt=0, le=1, description="share of the rows a tree")
    l2: float = Field(default=1.0, ge=0, description="penalty on leaf values")
    max_bins: int = Field(default=255, ge=2, le=65535, description="histogram bins a feature")
    patience: int = Field(default=50, ge=1, description="rounds without a better figure, then stop")
    refit: bool = Field(
        default=False,
        description="fit once more on all training rows, for the best number of rounds",
    )


@dataclass(frozen=True)
class Model:
    """The booster cut to its best round; curves: loss by round, of all rounds that were run."""

    task: str
    booster: Any  # lightgbm.Booster
    curves: dict[str, list[float]]


def fit(data: FitData, params: Params, context: FitContext) -> Model | WindowTrees:
    """Return the booster of the best round by the rows for early stopping; one a quantile."""
    if data.sequence:
        return window_trees.fit(
            data,
            context,
            lambda rows, level: _fit(rows, params, context, level),
            predict,
            params.summaries,
        )
    return _fit(data, params, context)


def _fit(data: FitData, params: Params, context: FitContext, level: float | None = None) -> Model:
    """Return a booster; `level`: of the quantile that it predicts, None for the mean."""
    import lightgbm

    refit = params.refit and len(data.y_stop) > 0 and level is None  # those calibrate
    share = 0.5 if refit else 1.0
    settings = _settings(data, params, context)
    if level is not None:
        settings |= {"objective": "quantile", "alpha": level, "metric": "quantile"}
    text, curves = _boost(data, settings, params, params.rounds, (0.0, share))
    booster = lightgbm.Booster(model_str=text)
    if refit:
        whole, rounds = boosting.all_rows(data, booster.current_iteration())
        text, _ = _boost(whole, settings, params, rounds, (share, 1.0))
        booster = lightgbm.Booster(model_str=text)
    return Model(data.task, booster, curves)


def _boost(
    data: FitData,
    settings: dict[str, Any],
    params: Params,
    rounds: int,
    between: tuple[float, float],
) -> tuple[str, dict[str, list[float]]]:
    import lightgbm

    train = lightgbm.Dataset(data.X, data.y, free_raw_data=False)
    sets, labels = [train], ["train"]
    callbacks: list[Any] = [lambda state: boosting.report(state.iteration + 1, rounds, between)]
    if len(data.y_stop):
        sets.append(lightgbm.Dataset(data.X_stop, data.y_stop, reference=train))
        labels.append("stop")
        callbacks.append(lightgbm.early_stopping(params.patience, verbose=False))
    history: dict[str, Any] = {}
    callbacks.append(lightgbm.record_evaluation(history))
    booster = lightgbm.train(settings, train, rounds, sets, labels, callbacks=callbacks)
    best = booster.best_iteration if booster.best_iteration > 0 else -1
    return booster.model_to_string(num_iteration=best), boosting.curves_of(history)


def _settings(data: FitData, params: Params, context: FitContext) -> dict[str, Any]:
    settings = {
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_leaf,
        "feature_fraction": params.feature_fraction,
        "feature_fraction_bynode": params.split_fraction,
        "bagging_fraction": params.row_fraction,
        "bagging_freq": 1 if params.row_fraction < 1 else 0,
        "lambda_l2": params.l2,
        "max_bin": params.max_bins,
        "seed": context.seed,
        "num_threads": context.threads,
        "deterministic": True,
        "force_row_wise": True,  # else it times both ways and takes the faster
        "use_missing": False,
        "verbosity": -1,
    }
    if data.task == "regression":
        return settings | {"objective": "regression", "metric": "rmse"}
    if data.n_classes == 2:
        return settings | {"objective": "binary", "metric": "binary_logloss"}
    return settings | {
        "objective": "multiclass",
        "num_class": data.n_classes,
        "metric": "multi_logloss",
    }


def predict(model: Model | WindowTrees, X: np.ndarray) -> np.ndarray:
    """Return (n,) values, (n, k) probabilities or (n, horizon, quantile), float64."""
    if isinstance(model, WindowTrees):
        return window_trees.predict(model, X, predict)
    raw = np.asarray(model.booster.predict(X, num_threads=1))
    if model.task == "regression" or raw.ndim == 2:
        return raw
    return np.stack([1 - raw, raw], axis=1)


def save(model: Model | WindowTrees, folder: Path) -> None:
    """Write LightGBM's own text, and `model.json` beside it."""
    if isinstance(model, WindowTrees):
        window_trees.save(model, folder, save)
        return
    (folder / "model.txt").write_text(model.booster.model_to_string())
    arrays.save_facts(folder, {"task": model.task, "curves": model.curves})


def load(folder: Path) -> Model | WindowTrees:
    """Return the saved model."""
    import lightgbm

    if window_trees.saved(folder):
        return window_trees.load(folder, load)

    booster = lightgbm.Booster(model_str=(folder / "model.txt").read_text())
    return Model(booster=booster, **arrays.load_facts(folder))


def truncate(model: Model | WindowTrees, share: float) -> Model | WindowTrees:
    """Return the model of the first `share` of the rounds."""
    import lightgbm

    if isinstance(model, WindowTrees):
        return window_trees.changed(model, lambda member: truncate(member, share))

    kept = max(1, round(share * model.booster.current_iteration()))
    text = model.booster.model_to_string(num_iteration=kept)
    return Model(model.task, lightgbm.Booster(model_str=text), model.curves)


def fewer_trees(model: Model | WindowTrees, params: Params, share: float) -> Params:
    """Return the params of a booster of that share of a model's rounds, each a larger step."""
    booster = window_trees.middle(model).booster
    return boosting.fewer_rounds(params, booster.current_iteration(), share)


def to_onnx(model: Model | WindowTrees, missing: bool = False) -> Any:
    """Return one tree ensemble and the link.

    missing: whether it says where missing values go, for a model that was fitted elsewhere.

    Raises:
        ValueError: it is to, and zeros count as missing.
    """
    if isinstance(model, WindowTrees):
        return window_trees.to_onnx(
            model, lambda m: (list(_trees(m.booster.model_to_string())), 0.0), strict=False
        )
    single = list(_trees(model.booster.model_to_string(), missing))
    width = model.booster.num_model_per_iteration()
    trees = forest.join(single, np.arange(len(single)) % width, strict=False)
    link = "identity"
    if model.task == "classification":
        link = "sigmoid" if width == 1 else "softmax"
    features = model.booster.num_feature()
    return tree_graph.to_onnx(
        trees, features, width, np.zeros(width), output_name(model.task), link
    )


def _trees(text: str, missing: bool = False) -> Iterator[dict[str, np.ndarray]]:
    """Give the trees of LightGBM's text form: inner nodes first, a child below 0 is leaf ~child."""
    body = text[: text.index("end of trees")]
    for block in body.split("\nTree=")[1:]:
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        leaf = np.array(values["leaf_value"].split(), np.float64)
        inner = len(leaf) - 1 if len(leaf) > 1 else 0

        def child(name: str, values: dict[str, str] = values, inner: int = inner) -> np.ndarray:
            if not inner:
                return np.zeros(1, int)
            raw = np.array(values[name].split(), int)
            ends = np.zeros(inner + 1, int)
            return np.concatenate([np.where(raw < 0, inner + ~raw, raw), ends])

        feature = np.array(values["split_feature"].split() if inner else [], int)
        threshold = np.array(values["threshold"].split() if inner else [], np.float64)
        tracks = {}
        if missing:
            kind = np.array(values["decision_type"].split() if inner else [], int)
            tracks = {
                "missing": np.concatenate([_left(kind, threshold), np.zeros(len(leaf), bool)])
            }
        yield tracks | {
            "feature": np.concatenate([feature, np.full(len(leaf), forest.LEAF)]),
            "threshold": np.concatenate([threshold, np.zeros(len(leaf))]),
            "left": child("left_child"),
            "right": child("right_child"),
            "values": np.concatenate([np.zeros(inner), leaf])[:, None],
        }


def _left(kind: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Return where a missing value goes left, by LightGBM's bits of a decision: where the fit saw
    none, it is a zero.
    """
    known = kind >> 2 & 3
    if (known == 1).any():
        raise ValueError("it was fitted with zero_as_missing")
    return np.where(known == 2, kind & 2 > 0, threshold >= 0)


def importances(model: Model | WindowTrees) -> np.ndarray:
    """Return the share of each feature in the total gain of the splits, (feature,)."""
    if isinstance(model, WindowTrees):
        return window_trees.importances(model, importances)
    gain = np.asarray(model.booster.feature_importance("gain"), np.float64)
    return gain / gain.sum() if gain.sum() > 0 else np.full(len(gain), 1 / len(gain))


def curves(model: Model | WindowTrees) -> dict[str, list[float]]:
    """Return the loss by round, on the training rows and on those for early stopping."""
    return window_trees.middle(model).curves


def facts(model: Model | WindowTrees) -> dict[str, Any]:
    """Return the estimator, the best round, the rounds run, and those of the model."""
    one = window_trees.middle(model)
    kept = one.booster.current_iteration()
    return {"estimator": "lightgbm on cpu", **boosting.counts(one.curves, kept)}
