"""Boosted trees by XGBoost (Chen & Guestrin 2016, KDD), on histograms; on the CPU or a GPU.

Not for a few hundred rows, where it overfits unless depth and rounds are few.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core import tree_graph
from tasks.core import trees as forest
from tasks.core.errors import EngineUnavailable
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import output_name
from tasks.train import arrays, boosting, gpu, window_trees
from tasks.train.window_trees import WindowTrees

TASKS = ("regression", "classification", "forecast")
LIBRARIES = ("numpy", "xgboost", "xgboost-cpu")
NEEDS_IMAGE = False
CURVE_X = "round"
BY_ROWS = ("min_child_weight", "l2")  # params that are held against how many rows there are


class Params(window_trees.Params):
    """Size of the trees, how they are drawn, and when to stop."""

    rounds: int = Field(default=1000, ge=1, le=20000, description="boosting rounds at most")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="weight of each tree")
    max_depth: int = Field(default=6, ge=1, le=24, description="levels of a tree")
    min_child_weight: float = Field(
        default=2.0,
        ge=0,
        description="sum of second derivatives (rows, for squared error) a leaf must have",
    )
    feature_fraction: float = Field(
        default=0.8, gt=0, le=1, description="share of the features a tree"
    )
    split_fraction: float = Field(
        default=1.0, gt=0, le=1, description="share of those a split looks at"
    )
    row_fraction: float = Field(default=0.8, gt=0, le=1, description="share of the rows a tree")
    l2: float = Field(default=1.0, ge=0, description="penalty on leaf values")
    max_bins: int = Field(default=256, ge=2, le=65535, description="histogram bins a feature")
    patience: int = Field(default=50, ge=1, description="rounds without a better figure, then stop")
    refit: bool = Field(
        default=False,
        description="fit once more on all training rows, for the best number of rounds",
    )


@dataclass(frozen=True)
class Model:
    """The booster cut to its best round; curves: loss by round, of all rounds that were run."""

    task: str
    booster: Any  # xgboost.Booster
    curves: dict[str, list[float]]
    device: str


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
    if context.device == "cuda" and (reason := gpu_missing()):
        raise EngineUnavailable(f"device cuda: {reason}, or set `device: cpu`")
    refit = params.refit and len(data.y_stop) > 0 and level is None  # those calibrate
    share = 0.5 if refit else 1.0
    settings = _settings(data, params, context)
    if level is not None:
        base = float(np.float32(np.quantile(data.y, level)))
        settings |= {"objective": "reg:quantileerror", "quantile_alpha": level, "base_score": base}
    booster, curves = _boost(data, settings, params, params.rounds, (0.0, share))
    if refit:
        whole, rounds = boosting.all_rows(data, booster.num_boosted_rounds())
        settings = _settings(whole, params, context)  # its base score is that of all rows
        booster, _ = _boost(whole, settings, params, rounds, (share, 1.0))
    booster.set_attr(best_iteration=None, best_score=None)
    booster.set_param({"device": "cpu", "nthread": 1})
    return Model(data.task, _from(bytes(booster.save_raw("ubj"))), curves, context.device)


def _boost(
    data: FitData,
    settings: dict[str, Any],
    params: Params,
    rounds: int,
    between: tuple[float, float],
) -> tuple[Any, dict[str, list[float]]]:
    import xgboost
    from xgboost.callback import EarlyStopping

    shape = {"max_bin": params.max_bins, "nthread": settings["nthread"]}
    train = xgboost.QuantileDMatrix(data.X, data.y, **shape)
    evals, callbacks = [(train, "train")], [_reporter(rounds, between)]
    if len(data.y_stop):
        stop = xgboost.QuantileDMatrix(data.X_stop, data.y_stop, ref=train, **shape)
        evals.append((stop, "stop"))
        callbacks.append(EarlyStopping(rounds=params.patience, data_name="stop", save_best=True))
    history: dict[str, Any] = {}
    booster = xgboost.train(
        settings,
        train,
        num_boost_round=rounds,
        evals=evals,
        evals_result=history,
        verbose_eval=False,
        callbacks=callbacks,
    )
    return booster, boosting.curves_of(history)


def _settings(data: FitData, params: Params, context: FitContext) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "tree_method": "hist",
        "device": context.device,
        "learning_rate": params.learning_rate,
        "max_depth": params.max_depth,
        "min_child_weight": params.min_child_weight,
        "colsample_bytree": params.feature_fraction,
        "colsample_bynode": params.split_fraction,
        "subsample": params.row_fraction,
        "reg_lambda": params.l2,
        "max_bin": params.max_bins,
        "seed": context.seed,
        "nthread": context.threads,
        "verbosity": 0,
    }
    # A stated base score: what XGBoost would estimate differs between its versions.
    if data.task == "regression":
        base = float(np.float32(data.y.mean()))
        return settings | {"objective": "reg:squarederror", "base_score": base}
    settings["base_score"] = 0.5
    if data.n_classes == 2:
        return settings | {"objective": "binary:logistic", "eval_metric": "logloss"}
    return settings | {
        "objective": "multi:softprob",
        "num_class": data.n_classes,
        "eval_metric": "mlogloss",
    }


def _reporter(rounds: int, between: tuple[float, float]) -> Any:
    from xgboost.callback import TrainingCallback

    class Reporter(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            boosting.report(epoch + 1, rounds, between)
            return False

    return Reporter()


def _from(raw: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster({"nthread": 1, "device": "cpu"})
    booster.load_model(bytearray(raw))
    return booster


def predict(model: Model | WindowTrees, X: np.ndarray) -> np.ndarray:
    """Return (n,) values, (n, k) probabilities or (n, horizon, quantile), float64."""
    if isinstance(model, WindowTrees):
        return window_trees.predict(model, X, predict)
    raw = np.asarray(model.booster.inplace_predict(np.ascontiguousarray(X, np.float32)), np.float64)
    if model.task == "regression":
        return raw.ravel()
    return raw if raw.ndim == 2 else np.stack([1 - raw, raw], axis=1)


def save(model: Model | WindowTrees, folder: Path) -> None:
    """Write XGBoost's own UBJSON, and `model.json` beside it."""
    if isinstance(model, WindowTrees):
        window_trees.save(model, folder, save)
        return
    (folder / "model.ubj").write_bytes(bytes(model.booster.save_raw("ubj")))
    facts = {"task": model.task, "curves": model.curves, "device": model.device}
    arrays.save_facts(folder, facts)


def load(folder: Path) -> Model | WindowTrees:
    """Return the saved model."""
    if window_trees.saved(folder):
        return window_trees.load(folder, load)
    return Model(booster=_from((folder / "model.ubj").read_bytes()), **arrays.load_facts(folder))


def truncate(model: Model | WindowTrees, share: float) -> Model | WindowTrees:
    """Return the model of the first `share` of the rounds."""
    if isinstance(model, WindowTrees):
        return window_trees.changed(model, lambda member: truncate(member, share))
    kept = max(1, round(share * model.booster.num_boosted_rounds()))
    cut = _from(bytes(model.booster[:kept].save_raw("ubj")))
    return Model(model.task, cut, model.curves, model.device)


def fewer_trees(model: Model | WindowTrees, params: Params, share: float) -> Params:
    """Return the params of a booster of that share of a model's rounds, each a larger step."""
    booster = window_trees.middle(model).booster
    return boosting.fewer_rounds(params, booster.num_boosted_rounds(), share)


def to_onnx(model: Model | WindowTrees, missing: bool = False) -> Any:
    """Return one tree ensemble and the link.

    missing: whether it says where missing values go, for a model that was fitted elsewhere.
    """
    if isinstance(model, WindowTrees):
        return window_trees.to_onnx(model, _trees, strict=True)
    content = _content(model)
    booster = content["gradient_booster"]["model"]
    single = [_tree(tree, missing) for tree in booster["trees"]]
    classes = max(int(content["learner_model_param"]["num_class"]), 1)
    trees = forest.join(single, booster["tree_info"], strict=True)
    base = _base(content)
    link = "identity"
    if model.task == "classification":
        link = "sigmoid" if classes == 1 else "softmax"
    if link == "sigmoid":  # stated as a probability
        base = np.log(base / (1 - base))
    features = int(content["learner_model_param"]["num_feature"])
    base = np.broadcast_to(base, classes)
    return tree_graph.to_onnx(trees, features, classes, base, output_name(model.task), link)


def _content(model: Model) -> dict[str, Any]:
    return json.loads(bytes(model.booster.save_raw("json")))["learner"]


def _base(content: dict[str, Any]) -> np.ndarray:
    return np.atleast_1d(json.loads(content["learner_model_param"]["base_score"])).astype(float)


def _trees(model: Model) -> tuple[list[dict[str, np.ndarray]], float]:
    """Return the trees of one output, and what they are added to."""
    content = _content(model)
    trees = content["gradient_booster"]["model"]["trees"]
    return [_tree(tree) for tree in trees], float(_base(content)[0])


def _tree(tree: dict[str, Any], missing: bool = False) -> dict[str, np.ndarray]:
    left = np.array(tree["left_children"])
    number = np.array(tree["split_conditions"], np.float32)  # of a leaf: its value
    leaf = left < 0
    tracks = {"missing": np.array(tree["default_left"], bool)} if missing else {}
    return tracks | {
        "feature": np.where(leaf, forest.LEAF, tree["split_indices"]),
        "threshold": number,
        "left": left,
        "right": np.array(tree["right_children"]),
        "values": np.where(leaf, number, 0)[:, None],
    }


def importances(model: Model | WindowTrees) -> np.ndarray:
    """Return the share of each feature in the total gain of the splits, (feature,)."""
    if isinstance(model, WindowTrees):
        return window_trees.importances(model, importances)
    gain = np.zeros(model.booster.num_features())
    for name, value in model.booster.get_score(importance_type="total_gain").items():
        gain[int(name[1:])] = value
    return gain / gain.sum() if gain.sum() > 0 else np.full(len(gain), 1 / len(gain))


def curves(model: Model | WindowTrees) -> dict[str, list[float]]:
    """Return the loss by round, on the training rows and on those for early stopping."""
    return window_trees.middle(model).curves


def facts(model: Model | WindowTrees) -> dict[str, Any]:
    """Return the estimator, the best round, the rounds run, and those of the model."""
    one = window_trees.middle(model)
    kept = one.booster.num_boosted_rounds()
    return {"estimator": f"xgboost on {one.device}", **boosting.counts(one.curves, kept)}


def gpu_missing() -> str | None:
    """Return None where this XGBoost was built for CUDA, else what to do about it."""
    import xgboost

    if xgboost.build_info().get("USE_CUDA"):
        return None
    return f"this XGBoost is built without CUDA; {gpu.INSTALL}"
