"""Files of XGBoost and LightGBM as graphs, written by the plugins of those names."""

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.plugins import plugin
from tasks.train.foreign import checking

if TYPE_CHECKING:
    import onnx

END = "end of trees"
GAPS = 0.2  # share of the values that are taken out to see where missing ones go


def xg_boost(content: bytes, X: np.ndarray, data: FitData, where: str) -> checking.Read:
    """Return the graph of XGBoost's own file: as its scikit-learn interface predicts, of the best
    rounds where it stopped early.

    Raises:
        ParamsError: it is none, or wants other features, or the graph does not give what XGBoost
            gives.
    """
    import xgboost

    booster = xgboost.Booster({"nthread": 1, "device": "cpu"})
    try:
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise ParamsError(f"{where}: not a model of XGBoost ({_first(error)})") from None
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    if (kind := learner["gradient_booster"]["name"]) != "gbtree":
        raise ParamsError(f"{where}: a booster {kind!r}; expected 'gbtree'. {checking.EXPORT}")
    if (targets := int(learner["learner_model_param"].get("num_target", 1))) > 1:
        raise ParamsError(f"{where}: it gives {targets} numbers a row; the table's target has one")
    names = booster.feature_names
    checking.features(booster.num_features(), X, where, names, data.feature_names)
    rounds, note = booster.num_boosted_rounds(), ""
    stopped = booster.attributes().get("best_iteration")
    best = int(stopped) + 1 if stopped else rounds
    if best < rounds:
        booster, note = booster[:best], f"the best {best} of its {rounds} rounds"
    module = plugin("model", "xg_boost")
    graph = _graph(module, module.Model(data.task, booster, {}, "cpu"), X, "XGBoost", where)
    return checking.Read(graph, best, note=note)


def _first(error: Exception) -> str:
    """Return what a library says first, without the place in its own code."""
    line = next(iter(str(error).strip().splitlines()), "")
    return re.sub(r"^\[[\d:]+\] \S+?:\d+: ", "", line).strip(" :")


def light_gbm(content: bytes, X: np.ndarray, data: FitData, where: str) -> checking.Read:
    """Return the graph of LightGBM's own text.

    Raises:
        ParamsError: it is none, or wants other features, or the graph does not give what LightGBM
            gives.
    """
    import lightgbm

    try:
        text = content.decode()
        if END not in text:  # LightGBM would read on behind it
            raise ParamsError(f"{where}: not a model of LightGBM, or cut off: no line {END!r}")
        booster = lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise ParamsError(f"{where}: not a model of LightGBM ({error})") from None
    names = booster.feature_name()
    checking.features(booster.num_feature(), X, where, names, data.feature_names)
    module = plugin("model", "light_gbm")
    graph = _graph(module, module.Model(data.task, booster, {}), X, "LightGBM", where)
    return checking.Read(graph, booster.current_iteration())


def _graph(module: Any, model: Any, X: np.ndarray, library: str, where: str) -> "onnx.ModelProto":
    """Return the graph, held against the library on the rows, and on these with gaps in them."""
    gaps = np.random.default_rng(0).random(X.shape) < GAPS
    X = np.concatenate([X, np.where(gaps, np.float32(np.nan), X)])
    try:
        graph, expected = module.to_onnx(model, missing=True), module.predict(model, X)
    except (KeyError, IndexError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ParamsError(
            f"{where}: a model of {library} that Temper cannot write as a graph ({reason}). "
            + checking.EXPORT
        ) from None
    return checking.verified(graph, expected, X, library, where)
