"""Files of XGBoost and LightGBM as graphs, written by the plugins of those names."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.plugins import plugin
from tasks.train.foreign import checking

if TYPE_CHECKING:
    import onnx


def xg_boost(content: bytes, X: np.ndarray, data: FitData, where: str) -> "onnx.ModelProto":
    """Return the graph of XGBoost's own file.

    Raises:
        ParamsError: it is none, or wants other features.
        ParityError: the graph does not give what XGBoost gives.
    """
    import xgboost

    booster = xgboost.Booster({"nthread": 1, "device": "cpu"})
    try:
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, ValueError) as error:
        first = str(error).strip().splitlines()[-1]
        raise ParamsError(f"{where}: not a model of XGBoost ({first})") from None
    names = booster.feature_names
    checking.features(booster.num_features(), X, where, names, data.feature_names)
    module = plugin("model", "xg_boost")
    return _graph(module, module.Model(data.task, booster, {}, "cpu"), X, "XGBoost", where)


def light_gbm(content: bytes, X: np.ndarray, data: FitData, where: str) -> "onnx.ModelProto":
    """Return the graph of LightGBM's own text.

    Raises:
        ParamsError: it is none, or wants other features.
        ParityError: the graph does not give what LightGBM gives.
    """
    import lightgbm

    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise ParamsError(f"{where}: not a model of LightGBM ({error})") from None
    names = booster.feature_name()
    checking.features(booster.num_feature(), X, where, names, data.feature_names)
    module = plugin("model", "light_gbm")
    return _graph(module, module.Model(data.task, booster, {}), X, "LightGBM", where)


def _graph(module: Any, model: Any, X: np.ndarray, library: str, where: str) -> "onnx.ModelProto":
    return checking.verified(module.to_onnx(model), module.predict(model, X), X, library, where)
