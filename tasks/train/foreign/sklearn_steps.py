"""The estimators of scikit-learn that are written as graphs, step by step, and how.

Standard operators for what scales, is linear or a perceptron, so that techniques and engines see
its weights; one tree ensemble for forests and boosters.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.core import tree_graph
from tasks.core import trees as forest
from tasks.core.graph import Graph
from tasks.train import sklearn_trees

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}
Written = tuple[str, int]  # the tensor's name, its width


class Unwritten(Exception):
    """Raised for a setting that no graph is written for, or a model that is damaged."""


def _shifted(shift: str, scale: str) -> Callable[[Graph, str, Any], str]:
    """Return what writes (x - shift) / scale, by the names of the two attributes (None: none)."""

    def write(graph: Graph, x: str, step: Any) -> str:
        for operator, values in (("Sub", getattr(step, shift)), ("Div", getattr(step, scale))):
            if values is not None:
                x = graph.add(operator, x, graph.constant(np.asarray(values)[None]))
        return x

    return write


def _min_max(graph: Graph, x: str, step: Any) -> str:
    x = graph.add("Mul", x, graph.constant(step.scale_[None]))
    x = graph.add("Add", x, graph.constant(step.min_[None]))
    if step.clip:
        x = graph.add("Clip", x, *(graph.constant(v) for v in step.feature_range))
    return x


def _max_abs(graph: Graph, x: str, step: Any) -> str:
    return graph.add("Div", x, graph.constant(step.scale_[None]))


def _scores(graph: Graph, x: str, last: Any) -> Written:
    """Write X @ coefficients + intercept."""
    weights = np.atleast_2d(np.asarray(last.coef_, np.float64)).T  # (feature, output)
    offset = np.broadcast_to(np.asarray(last.intercept_, np.float64), weights.shape[1])
    gemm = graph.add("Gemm", x, graph.constant(weights), graph.constant(offset))
    return gemm, weights.shape[1]


def _logistic(graph: Graph, x: str, last: Any) -> Written:
    score, width = _scores(graph, x, last)
    if width == 1:
        return tree_graph.both(graph, score), 2
    return graph.add("Softmax", score, axis=1), width


def _perceptron(graph: Graph, x: str, last: Any) -> Written:
    layers = list(zip(last.coefs_, last.intercepts_, strict=True))
    for at, (weights, offset) in enumerate(layers):
        x = graph.add("Gemm", x, graph.constant(weights), graph.constant(offset))
        if at < len(layers) - 1:
            x = graph.add(ACTIVATIONS[last.activation], x)
    width = layers[-1][0].shape[1]
    if last.out_activation_ == "softmax":
        return graph.add("Softmax", x, axis=1), width
    if last.out_activation_ == "logistic" and width == 1:
        return tree_graph.both(graph, x), 2
    if last.out_activation_ != "identity":
        raise Unwritten(f"a last layer of {width} with {last.out_activation_}")
    return x, width


def _forest(graph: Graph, x: str, last: Any) -> Written:
    """Write the mean of the trees: of values, or of shares of classes."""
    width = len(getattr(last, "classes_", [0]))
    if last.n_outputs_ > 1:
        raise Unwritten(f"{last.n_outputs_} targets at once")
    grown = [e.tree_ for e in getattr(last, "estimators_", [last])]
    columns = np.arange(width)
    single = [sklearn_trees.of_tree(tree, columns, width, len(grown), True) for tree in grown]
    target = np.zeros(len(single))
    return _trees(graph, x, single, target, width, np.zeros(width), "identity", last)


def _boosted(graph: Graph, x: str, last: Any) -> Written:
    """Write GradientBoosting: a constant, and the trees times the learning rate."""
    if last.init_ != "zero" and "Dummy" not in type(last.init_).__name__:
        raise Unwritten(f"it starts from {type(last.init_).__name__}")
    columns = last.estimators_.shape[1]
    base = np.ravel(last._raw_predict_init(np.zeros((1, last.n_features_in_), np.float32)))
    grown = [e.tree_ for e in last.estimators_.ravel()]
    single = [sklearn_trees.of_tree(tree, np.arange(1), 1, 1) for tree in grown]
    single = [{**tree, "values": tree["values"] * last.learning_rate} for tree in single]
    if last.loss == "exponential":  # its score is half of the log odds
        single = [{**tree, "values": tree["values"] * 2} for tree in single]
        base = 2 * base
    target = np.arange(len(single)) % columns
    return _trees(graph, x, single, target, columns, base, _link(last, columns), last)


def _histogram_boosted(graph: Graph, x: str, last: Any) -> Written:
    """Write HistGradientBoosting: a constant, and trees that hold the learning rate already."""
    grown = [tree for stage in last._predictors for tree in stage]
    if any(tree.nodes["is_categorical"].any() for tree in grown):
        raise Unwritten("splits by category")
    if last.loss in ("poisson", "gamma"):
        raise Unwritten(f"the loss {last.loss}, whose predictions are powers")
    columns = len(last._predictors[0])
    single = [sklearn_trees.of_histograms(tree) for tree in grown]
    target = np.arange(len(single)) % columns
    base = np.ravel(last._baseline_prediction)
    return _trees(graph, x, single, target, columns, base, _link(last, columns), last)


def _link(last: Any, columns: int) -> tree_graph.Link:
    if not hasattr(last, "classes_"):
        return "identity"
    return "sigmoid" if columns == 1 else "softmax"


def _trees(
    graph: Graph,
    x: str,
    single: list[dict[str, np.ndarray]],
    target: np.ndarray,
    width: int,
    base: np.ndarray,
    link: tree_graph.Link,
    last: Any,
) -> Written:
    problems = [p for tree in single if (p := sklearn_trees.problem(tree, last.n_features_in_))]
    if problems:
        raise Unwritten(f"the file is damaged: {problems[0]}")
    trees = forest.join(single, target, strict=False)
    sums = tree_graph.add(graph, x, trees, width, base, link)
    return sums, 2 if link == "sigmoid" else width


def trees_of(last: Any) -> tuple[int, bool]:
    """Return how many trees, or rounds of boosting, an estimator has, and whether it averages."""
    name = type(last).__name__.removesuffix("Classifier").removesuffix("Regressor")
    grown = getattr(last, "_predictors", getattr(last, "estimators_", []))
    return len(grown), name in FORESTS


SCALERS: dict[str, Callable[[Graph, str, Any], str]] = {
    "StandardScaler": _shifted("mean_", "scale_"),
    "RobustScaler": _shifted("center_", "scale_"),
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
}
FORESTS = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
LINEAR = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("BayesianRidge", "HuberRegressor", "SGDRegressor", "LinearSVR"),
)
REGRESSORS: dict[str, Callable[[Graph, str, Any], Written]] = {
    **dict.fromkeys(LINEAR, _scores),
    **dict.fromkeys((f"{name}Regressor" for name in FORESTS), _forest),
    "GradientBoostingRegressor": _boosted,
    "HistGradientBoostingRegressor": _histogram_boosted,
    "MLPRegressor": _perceptron,
}
CLASSIFIERS: dict[str, Callable[[Graph, str, Any], Written]] = {
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), _logistic),
    **dict.fromkeys((f"{name}Classifier" for name in FORESTS), _forest),
    "GradientBoostingClassifier": _boosted,
    "HistGradientBoostingClassifier": _histogram_boosted,
    "MLPClassifier": _perceptron,
}
