"""Files of skops: scikit-learn's estimators as graphs, and what is not loaded."""

import hashlib
import io
import json
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import HuberRegressor, LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tasks.train.foreign import estimators
from tasks.train.foreign.checking import outputs

GIVEN = plugin("model", "given")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 4)).astype(np.float32)
SIGNAL = X[:, 0] - X[:, 1] * X[:, 2]


def data(classes: int) -> FitData:
    """Return rows of a number (0 classes) or of classes."""
    inner = np.quantile(SIGNAL, np.linspace(0, 1, max(classes, 1) + 1)[1:-1])
    y = np.searchsorted(inner, SIGNAL) if classes else SIGNAL.astype(float)
    task = "classification" if classes else "regression"
    return FitData(X, y, X[:0], y[:0], task, classes, None, list("abcd"))


REGRESSORS = [
    make_pipeline(RobustScaler(), "passthrough", MaxAbsScaler(), HuberRegressor()),
    make_pipeline(MinMaxScaler(clip=True), MLPRegressor(hidden_layer_sizes=(4,), max_iter=20)),
    ExtraTreesRegressor(5, random_state=0),
    make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=5)),
    HistGradientBoostingRegressor(max_iter=5),
]
CLASSIFIERS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    DecisionTreeClassifier(max_depth=4),
    RandomForestClassifier(5, random_state=0),
    GradientBoostingClassifier(n_estimators=5),
    HistGradientBoostingClassifier(max_iter=5),
    MLPClassifier((4,), activation="tanh", max_iter=20),
]
BINARY = [*CLASSIFIERS, GradientBoostingClassifier(n_estimators=5, loss="exponential")]


def fitted(estimator, rows: FitData):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        return estimator.fit(rows.X, rows.y)


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [(e, k) for k, listed in ((0, REGRESSORS), (3, CLASSIFIERS), (2, BINARY)) for e in listed],
    ids=lambda value: (
        value
        if isinstance(value, int)
        else type(getattr(value, "_final_estimator", value)).__name__
    ),
)
def test_a_graph_gives_what_scikit_learn_gives(estimator, classes):
    rows = data(classes)
    fitted(estimator, rows)
    graph = estimators.read(skops.io.dumps(estimator), X, rows, "here").graph
    expected = estimator.predict_proba(X) if classes else estimator.predict(X)[:, None]
    np.testing.assert_allclose(outputs(graph.SerializeToString(), X), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("estimator", "kept"),
    [
        (RandomForestClassifier(6, random_state=0), 3),
        (ExtraTreesRegressor(6, random_state=0), 3),
        (GradientBoostingClassifier(n_estimators=6), 3),
        (HistGradientBoostingRegressor(max_iter=6), 3),
    ],
)
def test_the_first_trees_are_those_of_a_smaller_estimator(estimator, kept, tmp_path):
    rows = data(3 if hasattr(estimator, "predict_proba") else 0)
    estimator.fit(rows.X, rows.y)
    (tmp_path / "m.skops").write_bytes(skops.io.dumps(estimator))
    sha256 = hashlib.sha256((tmp_path / "m.skops").read_bytes()).hexdigest()
    params = GIVEN.Params(path=str(tmp_path / "m.skops"), sha256=sha256)
    cut = GIVEN.truncate(GIVEN.fit(rows, params, FitContext()), 0.5)
    grown = "_predictors" if hasattr(estimator, "_predictors") else "estimators_"
    setattr(estimator, grown, getattr(estimator, grown)[:kept])
    expected = estimator.predict_proba(X) if rows.n_classes else estimator.predict(X)
    np.testing.assert_allclose(GIVEN.predict(cut, X), expected, atol=1e-5)


def test_classes_are_those_of_the_table_or_numbers_for_them():
    rows = replace(data(3), classes=["a", "m", "z"])
    labels = np.array(rows.classes)
    for own, wrong in ((labels[rows.y], False), (rows.y, False), (rows.y + 1, True)):
        content = skops.io.dumps(LogisticRegression().fit(X, own))
        if wrong:
            with pytest.raises(ParamsError, match=r"its classes are 1, 2, 3; .* are a, m, z"):
                estimators.read(content, X, rows, "here")
        else:
            estimators.read(content, X, rows, "here")
    yes = replace(data(2), classes=["false", "true"])
    estimators.read(skops.io.dumps(LogisticRegression().fit(X, yes.y.astype(bool))), X, yes, "here")


class Own:
    """A type that is not scikit-learn's."""


def test_what_does_not_suit_says_why():
    rows, numbers = data(3), data(0)
    named = fitted(LogisticRegression(), rows)
    named.feature_names_in_ = np.array(list("abdc"), dtype=object)
    own = fitted(LogisticRegression(), rows)
    own.extra = Own()
    narrow = LogisticRegression().fit(X[:, :3], rows.y)
    pipeline = make_pipeline(PolynomialFeatures(), LogisticRegression(max_iter=500))
    cases = [
        (named, rows, "fitted on the columns a, b, d, c; the table's are a, b, c, d"),
        (own, rows, "it holds .*Own, which may run code"),
        (narrow, rows, "it wants 3 features, the table has 4"),
        (fitted(pipeline, rows), rows, "PolynomialFeatures is not written .* StandardScaler"),
        (RidgeClassifier().fit(X, rows.y), rows, "RidgeClassifier is not written"),
        (fitted(LogisticRegression(), rows), numbers, "expected one of LinearRegression"),
        (fitted(LogisticRegression(), data(2)), rows, "it knows 2 classes, the table's target"),
        (LogisticRegression(), rows, "LogisticRegression is not fitted"),
        (
            HistGradientBoostingRegressor(loss="poisson", max_iter=2).fit(X, numbers.y**2),
            numbers,
            "the loss poisson",
        ),
        ([1, 2], rows, "list is not written"),
    ]
    for estimator, table, words in cases:
        with pytest.raises(ParamsError, match=words):
            estimators.read(skops.io.dumps(estimator), X, table, "here")
    with pytest.raises(ParamsError, match="not a file of skops"):
        estimators.read(b"\xff nothing of the kind", X, rows, "here")


def test_a_tree_that_leads_out_of_itself_is_refused():
    """scikit-learn would read past the end of its arrays."""
    rows = data(0)
    content = skops.io.dumps(HistGradientBoostingRegressor(max_iter=1).fit(X, rows.y))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as archive:
        for name in old.namelist():
            part = old.read(name)
            if name.endswith(".npy"):
                nodes = np.load(io.BytesIO(part))
                if nodes.dtype.names:
                    nodes["left"][0] = 10**6
                    np.save(changed := io.BytesIO(), nodes)
                    part = changed.getvalue()
            archive.writestr(name, part)
    assert "TreePredictor" in json.dumps(skops.io.get_untrusted_types(data=buffer.getvalue()))
    with pytest.raises(ParamsError, match="the file is damaged: a left child"):
        estimators.read(buffer.getvalue(), X, rows, "here")
