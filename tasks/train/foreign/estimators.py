"""Files of skops: scikit-learn's estimators as graphs.

skops keeps names of types and arrays, and loads no type that it does not trust. Of those that it
does not, the few in HOLDERS may be loaded: they hold arrays alone. A tree's arrays are looked at
before scikit-learn follows them, which it does unchecked.
"""

from typing import Any

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.train.foreign import checking, sklearn_steps

HOLDERS = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


def read(content: bytes, X: np.ndarray, data: FitData, where: str) -> checking.Read:
    """Return the graph of an estimator, or of a pipeline that ends in one.

    Raises:
        ParamsError: it is no file of skops, holds what is not loaded or not known here, or does
            not suit the table; or the graph does not give what scikit-learn gives.
    """
    estimator = _loaded(content, where)
    *before, last = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    before = [step for step in before if step not in (None, "passthrough")]
    for step, known in [*((s, sklearn_steps.SCALERS) for s in before), (last, _known(data.task))]:
        if _name(step) not in known:
            raise ParamsError(
                f"{where}: {_name(step) or type(step).__name__} is not written as a graph here; "
                f"expected one of {', '.join(known)}. Export it as ONNX (skl2onnx does)"
            )
    _suits(estimator, last, X, data, where)
    graph, x = Graph(), "X"
    for step in before:
        x = sklearn_steps.SCALERS[_name(step)](graph, x, step)
    try:
        end, width = _known(data.task)[_name(last)](graph, x, last)
    except sklearn_steps.Unwritten as why:
        raise ParamsError(f"{where}: {_name(last)}: {why}") from None
    made = graph.model(matrix(X.shape[1]), end, output_name(data.task), width)
    graph = checking.verified(made, _predicted(estimator, X, data, where), X, "scikit-learn", where)
    return checking.Read(graph, *sklearn_steps.trees_of(last))


def _predicted(estimator: Any, X: np.ndarray, data: FitData, where: str) -> np.ndarray:
    predict = estimator.predict if data.task == "regression" else estimator.predict_proba
    try:
        return predict(X)
    except ValueError:  # most take no missing values
        lacking = np.isnan(X).any(axis=1)
        if not lacking.any():
            raise
        raise checking.no_number(lacking, X, data.feature_names, where) from None


def _loaded(content: bytes, where: str) -> Any:
    """Return the estimator of a file that holds nothing but what is known to be harmless."""
    from skops.io import get_untrusted_types, loads

    try:
        unknown = set(get_untrusted_types(data=content))
        estimator = None if unknown - set(HOLDERS) else loads(content, trusted=sorted(unknown))
    except Exception as error:  # a damaged file fails wherever the damage is
        reason = " ".join(str(error).split())[:200]
        raise ParamsError(f"{where}: not a file of skops ({reason})") from None
    if unknown := unknown - set(HOLDERS):
        raise ParamsError(
            f"{where}: it holds {', '.join(sorted(unknown)[:5])}, which may run code; only "
            "scikit-learn's own estimators are loaded. Export it as ONNX where you trust it"
        )
    return estimator


def _known(task: str) -> dict[str, Any]:
    return sklearn_steps.REGRESSORS if task == "regression" else sklearn_steps.CLASSIFIERS


def _name(step: Any) -> str:
    """Return the name of a class of scikit-learn's; "" for any other."""
    kind = type(step)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else ""


def _suits(estimator: Any, last: Any, X: np.ndarray, data: FitData, where: str) -> None:
    """Check that the estimator is fitted, for these columns and these classes."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ParamsError(f"{where}: {_name(last)} is not fitted") from None
    checking.features(estimator.n_features_in_, X, where)
    names = list(getattr(estimator, "feature_names_in_", data.feature_names))
    if names != data.feature_names:
        raise ParamsError(
            f"{where}: it was fitted on the columns {', '.join(names[:8])}; the table's are "
            f"{', '.join(data.feature_names[:8])}. They go into it in the table's order"
        )
    if data.task == "classification":
        checking.classes(last.classes_, data, where)
