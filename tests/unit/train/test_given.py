"""Models fitted elsewhere: what their files become, and what is said of those that do not suit."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.compress.techniques.prune_trees import pruned
from tasks.compress.techniques.quantise_thresholds import shortened
from tasks.core import tree_graph
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tasks.core.trees import total
from tasks.train.foreign import checking, reading
from tests.compressed import Study
from tests.prepared import prepared_table

GIVEN = plugin("model", "given")
TASKS = ("regression", "classification")


def rows(task: str = "classification", classes: int = 3) -> FitData:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4)).astype(np.float32)
    signal = X[:, 0] - X[:, 1] * X[:, 2]
    y = signal.astype(float)
    if task == "classification":
        y = np.searchsorted(np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]), signal)
    count = classes if task == "classification" else 0
    return FitData(X[:150], y[:150], X[150:], y[150:], task, count, None, list("abcd"))  # type: ignore[arg-type]


def fitted(path: Path, data: FitData):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return GIVEN.fit(data, GIVEN.Params(path=str(path), sha256=sha256), FitContext())


def write(path: Path, nodes, outputs, inputs=None, constants=None) -> Path:
    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = inputs or [value("input", TensorProto.FLOAT, [None, 4])]
    graph = helper.make_graph(
        nodes, "g", inputs, outputs,
        [numpy_helper.from_array(np.float32(v), n) for n, v in (constants or {}).items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def linear(path: Path, width: int, last: str | None = None, output: str = "out") -> tuple:
    weights = np.random.default_rng(1).normal(size=(4, width))
    nodes = [helper.make_node("MatMul", ["input", "w"], ["scores" if last else output])]
    if last:
        nodes.append(helper.make_node(last, ["scores"], [output]))
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width])]
    return write(path, nodes, ends, constants={"w": weights}), weights


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("last", [None, "Softmax"])
def test_scores_and_probabilities_of_classes(tmp_path, last):
    path, weights = linear(tmp_path / "m.onnx", 3, last)
    data = rows()
    model = fitted(path, data)
    expected = softmax(data.X_stop.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(model, data.X_stop), expected, atol=1e-5)
    GIVEN.save(model, tmp_path)
    again = GIVEN.load(tmp_path)
    np.testing.assert_array_equal(GIVEN.predict(again, data.X), GIVEN.predict(model, data.X))
    graph = GIVEN.to_onnx(again).graph
    assert [i.name for i in graph.input] == ["X"]
    assert [o.name for o in graph.output] == ["probabilities"]
    assert GIVEN.facts(again) == {"estimator": "given: m.onnx"}


@pytest.mark.parametrize("last", [None, "Sigmoid"])
def test_one_score_of_two_classes(tmp_path, last):
    path, weights = linear(tmp_path / "m.onnx", 1, last)
    data = rows(classes=2)
    found = GIVEN.predict(fitted(path, data), data.X_stop)
    positive = 1 / (1 + np.exp(-(data.X_stop.astype(float) @ weights)))
    np.testing.assert_allclose(found, np.concatenate([1 - positive, positive], 1), atol=1e-5)


@pytest.mark.parametrize("output", ["out", "prediction"])
def test_a_value(tmp_path, output):
    path, weights = linear(tmp_path / "m.onnx", 1, output=output)
    data = rows("regression")
    found = GIVEN.predict(fitted(path, data), data.X_stop)
    np.testing.assert_allclose(found, (data.X_stop @ weights)[:, 0], rtol=1e-4, atol=1e-5)


def test_a_classifier_as_scikit_learns_converters_write_it(tmp_path):
    """Labels, and probabilities in a ZipMap."""
    weights = np.random.default_rng(1).normal(size=(4, 3))
    nodes = [
        helper.make_node("MatMul", ["input", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        helper.make_node(
            "ZipMap", ["probabilities"], ["output_probability"], domain="ai.onnx.ml",
            classlabels_int64s=[0, 1, 2],
        ),
    ]  # fmt: skip
    kind = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    ends = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_value_info("output_probability", helper.make_sequence_type_proto(kind)),
    ]
    data = rows()
    model = fitted(write(tmp_path / "m.onnx", nodes, ends, constants={"w": weights}), data)
    expected = softmax(data.X_stop.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(model, data.X_stop), expected, atol=1e-5)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize(("name", "file"), [("xg_boost", "m.ubj"), ("light_gbm", "m.txt")])
def test_files_of_boosters(tmp_path, name, file, task):
    module, data = plugin("model", name), rows(task)
    own = module.fit(data, module.Params(rounds=15), FitContext())
    module.save(own, tmp_path)
    path = (tmp_path / ("model.ubj" if name == "xg_boost" else "model.txt")).rename(tmp_path / file)
    expected = module.predict(own, data.X_stop)
    np.testing.assert_allclose(GIVEN.predict(fitted(path, data), data.X_stop), expected, atol=1e-5)


def lacking(data: FitData) -> FitData:
    """Return the rows with a fifth of the values missing, which says something of the target."""
    random = np.random.default_rng(5)

    def some(X, y):
        gone = random.random(X.shape) < 0.2
        gone[:, 1] |= np.asarray(y > np.median(y)) & (random.random(len(X)) < 0.6)
        return np.where(gone, np.float32(np.nan), X)

    return replace(data, X=some(data.X, data.y), X_stop=some(data.X_stop, data.y_stop))


def saved_by_its_library(folder: Path, writer: str, data: FitData) -> tuple[Path, np.ndarray]:
    """Return the file of a model that knows missing values, and what it predicts of the rows."""
    classes = data.task == "classification"
    if writer == "xgboost":
        import xgboost

        kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        model = kind(n_estimators=20, max_depth=4).fit(data.X, data.y)
        model.save_model(folder / "m.ubj")
    elif writer == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        model = kind(n_estimators=20, min_child_samples=5, verbose=-1).fit(data.X, data.y)
        model.booster_.save_model(folder / "m.txt")
    else:
        import skops.io
        from sklearn import ensemble

        model = getattr(ensemble, writer + ("Classifier" if classes else "Regressor"))()
        skops.io.dump(model.fit(data.X, data.y), folder / "m.skops")
    (path,) = folder.glob("m.*")
    return path, model.predict_proba(data.X_stop) if classes else model.predict(data.X_stop)


WRITERS = ("xgboost", "lightgbm", "HistGradientBoosting", "RandomForest")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("writer", WRITERS)
def test_where_missing_values_go_is_kept_through_techniques(tmp_path, writer, task):
    data = lacking(rows(task))
    path, expected = saved_by_its_library(tmp_path, writer, data)
    given = fitted(path, data)
    np.testing.assert_allclose(GIVEN.predict(given, data.X_stop), expected, atol=1e-5)
    graph = GIVEN.to_onnx(given)
    trees, width = tree_graph.from_onnx(tree_graph.node_of(graph.graph))
    assert trees.missing is not None
    assert trees.missing.any()
    again = tree_graph.with_trees(graph, trees, width).SerializeToString()
    found = checking.outputs(again, data.X_stop)
    np.testing.assert_allclose(found, expected.reshape(len(found), -1), atol=1e-5)
    plain = tree_graph.with_trees(graph, replace(trees, missing=None), width).SerializeToString()
    assert np.abs(checking.outputs(plain, data.X_stop) - found).max() > 1e-3
    half = GIVEN.truncate(given, 0.5)
    assert np.isfinite(GIVEN.predict(half, data.X_stop)).all()
    for changed in (pruned(trees, data.X, 0.1), shortened(trees, data.X, 8)):
        sums = [total(t, data.X, width) for t in (changed, replace(changed, missing=None), trees)]
        here, plain, whole = sums
        assert np.abs(here - whole).mean() < 0.5 * np.abs(plain - whole).mean()


@pytest.mark.parametrize("writer", WRITERS)
def test_missing_values_that_come_later_go_where_the_library_has_them(tmp_path, writer):
    whole = rows("regression")
    late = replace(whole, X_stop=lacking(whole).X_stop)
    path, expected = saved_by_its_library(tmp_path, writer, late)
    given = fitted(path, replace(late, X_stop=whole.X_stop))
    np.testing.assert_allclose(GIVEN.predict(given, late.X_stop), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["GradientBoostingRegressor", "LinearRegression"])
@pytest.mark.parametrize("late", [False, True])
def test_an_estimator_that_takes_no_missing_values_says_so(tmp_path, kind, late):
    import skops.io
    from sklearn import ensemble, linear_model

    whole = rows("regression")
    model = (getattr(ensemble, kind, None) or getattr(linear_model, kind))()
    skops.io.dump(model.fit(whole.X, whole.y), tmp_path / "m.skops")
    data = lacking(whole)
    data = replace(data, X=whole.X) if late else data
    with pytest.raises(ParamsError, match=r"no number where values are missing, .* in a, b"):
        fitted(tmp_path / "m.skops", data)


def test_a_model_that_does_not_know_missing_values_says_where_they_are(tmp_path):
    path, _ = linear(tmp_path / "m.onnx", 1)
    data = rows("regression")
    data.X[130, 2] = np.nan
    with pytest.raises(
        ParamsError, match=r"no number where values are missing, in \d of .* in c\."
    ):
        fitted(path, data)


def test_a_booster_for_which_zeros_are_missing_says_so(tmp_path):
    import lightgbm

    data = rows("regression")
    model = lightgbm.LGBMRegressor(n_estimators=5, zero_as_missing=True, verbose=-1)
    model.fit(data.X, data.y).booster_.save_model(tmp_path / "m.txt")
    with pytest.raises(ParamsError, match="zero_as_missing"):
        fitted(tmp_path / "m.txt", data)


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize(("name", "file"), [("xg_boost", "model.ubj"), ("light_gbm", "model.txt")])
def test_a_booster_is_cut_to_its_first_rounds(tmp_path, name, file, classes):
    module, data = plugin("model", name), rows(TASKS[bool(classes)], classes)
    own = module.fit(data, module.Params(rounds=12), FitContext())
    module.save(own, tmp_path)
    given = fitted(tmp_path / file, data)
    GIVEN.save(given, tmp_path)
    cut = GIVEN.truncate(GIVEN.load(tmp_path), 0.4)
    expected = module.predict(module.truncate(own, 0.4), data.X)
    np.testing.assert_allclose(GIVEN.predict(cut, data.X), expected, atol=1e-5)
    assert len(cut.content) < 0.8 * len(given.content)
    assert cut.rounds == round(0.4 * given.rounds)


def test_of_other_files_no_first_trees_are_known(tmp_path):
    assert GIVEN.truncate(fitted(linear(tmp_path / "m.onnx", 3)[0], rows()), 0.5) is None


def test_xgboost_that_stopped_early_predicts_as_scikit_learns_interface_does(tmp_path):
    import xgboost

    data = rows(classes=2)
    settings = {"n_estimators": 60, "learning_rate": 0.5, "n_jobs": 1}
    own = xgboost.XGBClassifier(early_stopping_rounds=5, **settings)
    noise = np.random.default_rng(0).integers(0, 2, len(data.y_stop))
    own.fit(data.X, data.y, eval_set=[(data.X_stop, noise)], verbose=False)
    rounds, best = own.get_booster().num_boosted_rounds(), own.best_iteration + 1
    assert best < rounds
    own.save_model(tmp_path / "m.json")
    given = fitted(tmp_path / "m.json", data)
    np.testing.assert_allclose(
        GIVEN.predict(given, data.X_stop), own.predict_proba(data.X_stop), atol=1e-5
    )
    words = f"given: m.json, the best {best} of its {rounds} rounds"
    assert GIVEN.facts(given) == {"estimator": words}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"booster": "dart"}, "a booster 'dart'; expected 'gbtree'"),
        ({"booster": "gblinear"}, "a booster 'gblinear'; expected 'gbtree'"),
        (
            {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]},
            "it gives 2 numbers a row; the table's target has one",
        ),
        ({"objective": "count:poisson"}, "does not give what XGBoost gives on 300 rows"),
    ],
)
def test_boosters_of_other_kinds_say_so(tmp_path, settings, words):
    import xgboost

    data = rows("regression")
    y = np.exp(np.clip(data.y, -3, 3))
    made = xgboost.train({"nthread": 1, **settings}, xgboost.DMatrix(data.X, y), 3)
    made.save_model(tmp_path / "m.json")
    with pytest.raises(ParamsError, match=words):
        fitted(tmp_path / "m.json", data)


def test_a_file_that_is_cut_off_or_empty_says_so(tmp_path):
    module, data = plugin("model", "light_gbm"), rows("regression")
    module.save(module.fit(data, module.Params(rounds=3), FitContext()), tmp_path)
    text = (tmp_path / "model.txt").read_bytes()
    (tmp_path / "cut.txt").write_bytes(text[: text.index(b"end of trees")])
    (tmp_path / "cut.json").write_bytes(b'{"learner":{"attributes"')
    for name in ("empty.json", "empty.ubj", "empty.onnx"):
        (tmp_path / name).touch()
        with pytest.raises(ParamsError, match="the file is empty"):
            fitted(tmp_path / name, data)
    with pytest.raises(ParamsError, match="cut off: no line 'end of trees'"):
        fitted(tmp_path / "cut.txt", data)
    with pytest.raises(ParamsError, match=r'XGBoost .Expecting: ":", got: "EOF"'):
        fitted(tmp_path / "cut.json", data)


def tree(*weights: float, ids=(0, 0), pre="target", **attributes) -> dict:
    """Return the attributes of two trees of a split each: feature 0 at 0, feature 1 at 0.5."""
    leaves = [(t, n) for t in (0, 1) for n in (1, 2) for _ in ids]
    return {
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2] * 2,
        "nodes_featureids": [0, 0, 0, 1, 0, 0],
        "nodes_values": [0.0, 0, 0, 0.5, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        "nodes_truenodeids": [1, 0, 0] * 2,
        "nodes_falsenodeids": [2, 0, 0] * 2,
        f"{pre}_treeids": [t for t, _ in leaves],
        f"{pre}_nodeids": [n for _, n in leaves],
        f"{pre}_ids": list(ids) * 4,
        f"{pre}_weights": list(weights),
        **attributes,
    }


CLASSES = {"pre": "class", "classlabels_strings": ["no", "yes"]}
SHARES = (0.4, 0.1, 0.1, 0.4, 0.3, 0.2, 0.5, 0.0)
ENSEMBLES = [
    ("Regressor", 0, tree(1.0, 2.0, 3.0, 4.0, ids=(0,), n_targets=1)),
    ("Regressor", 0, tree(1.0, 2.0, 3.0, 4.0, ids=(0,), n_targets=1, base_values=[7.0])),
    (
        "Regressor",
        0,
        tree(1.0, 2.0, 3.0, 4.0, ids=(0,), n_targets=1, aggregate_function="AVERAGE"),
    ),
    ("Classifier", 2, tree(*SHARES, ids=(0, 1), **CLASSES)),
    ("Classifier", 2, tree(*SHARES, ids=(0, 1), post_transform="SOFTMAX", **CLASSES)),
    (
        "Classifier",
        2,
        tree(
            -1.0, 2.0, 0.5, -4.0, ids=(0,), post_transform="LOGISTIC", base_values=[0.3], **CLASSES
        ),
    ),
    ("Classifier", 2, tree(0.1, 0.2, 0.3, 0.4, ids=(0,), **CLASSES)),
]


@pytest.mark.parametrize(("kind", "classes", "attributes"), ENSEMBLES)
def test_ensembles_of_other_writers_become_sums_of_trees(tmp_path, kind, classes, attributes):
    """Labels, that another node reads, before a classifier's probabilities."""
    made = ["label", "given"] if classes else ["given"]
    nodes = [
        helper.make_node(f"TreeEnsemble{kind}", ["input"], made, domain="ai.onnx.ml", **attributes)
    ]
    ends = [helper.make_tensor_value_info("given", TensorProto.FLOAT, [None, classes or 1])]
    if classes:
        nodes.append(helper.make_node("Identity", ["label"], ["said"]))
        ends.insert(0, helper.make_tensor_value_info("said", TensorProto.STRING, [None]))
    path, data = write(tmp_path / "m.onnx", nodes, ends), rows(TASKS[bool(classes)], classes)
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["given"], {"input": data.X})
    given = fitted(path, data)
    np.testing.assert_allclose(
        GIVEN.predict(given, data.X).reshape(expected.shape), expected, atol=1e-6
    )
    graph = GIVEN.to_onnx(given)
    trees, width = tree_graph.from_onnx(tree_graph.node_of(graph.graph))
    assert len(trees.target) == 2
    again = checking.outputs(tree_graph.with_trees(graph, trees, width).SerializeToString(), data.X)
    np.testing.assert_allclose(again, expected, atol=1e-6)


def test_an_input_for_each_column_is_found_by_its_name(tmp_path):
    """As skl2onnx writes them for a data frame, and Temper itself."""
    kinds = {"d": TensorProto.DOUBLE, "X": TensorProto.INT64, "a": TensorProto.FLOAT}
    ends = [helper.make_tensor_value_info(n, kind, [None, 1]) for n, kind in kinds.items()]
    nodes = [helper.make_node("Cast", [name], [f"{name}_"], to=TensorProto.FLOAT) for name in kinds]
    nodes.append(helper.make_node("Concat", [f"{name}_" for name in kinds], ["all"], axis=1))
    nodes.append(helper.make_node("MatMul", ["all", "w"], ["out"]))
    out = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 1])]
    path = write(tmp_path / "m.onnx", nodes, out, ends, {"w": [[100.0], [10.0], [1.0]]})
    data = replace(rows("regression"), feature_names=["a", "X", "c", "d"])
    X = np.round(data.X * 3)
    expected = X[:, [3, 1, 0]] @ [100.0, 10.0, 1.0]
    np.testing.assert_allclose(GIVEN.predict(fitted(path, data), X), expected, rtol=1e-6)
    with pytest.raises(ParamsError, match="no feature column of numbers X, only a, b, c, d"):
        fitted(path, rows("regression"))


@pytest.mark.parametrize("texts", [False, True])
def test_a_graph_that_temper_wrote_can_be_given_where_its_columns_are_numbers(tmp_path, texts):
    import onnxruntime

    prepared = prepared_table(tmp_path / "prepared", "classification", with_categories=texts)
    path = Study(prepared, tmp_path).fp32("linear") / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    X = np.random.default_rng(0).normal(size=(50, len(names))).astype(np.float32)
    count = len(prepared.meta.classes or [])
    data = FitData(X, np.arange(50) % count, X[:0], X[:0, 0], "classification", count, None, names)
    if texts:
        with pytest.raises(ParamsError, match=r"expected .* an input for each; found .* of text"):
            fitted(path, data)
        return
    (expected,) = session.run(["probabilities"], {n: X[:, [i]] for i, n in enumerate(names)})
    np.testing.assert_allclose(GIVEN.predict(fitted(path, data), X), expected, atol=1e-6)


def test_float64_becomes_float32(tmp_path):
    weights = np.random.default_rng(1).normal(size=(4, 3))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, width])
        for name, width in (("input", 4), ("out", 3))
    ]
    nodes = [helper.make_node("MatMul", ["input", "w"], ["out"])]
    path = write(tmp_path / "m.onnx", nodes, ends[1:], ends[:1])
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(model, path)
    data = rows()
    given = fitted(path, data)
    expected = softmax(data.X.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(given, data.X), expected, atol=1e-5)
    graph = GIVEN.to_onnx(given).graph
    assert {i.data_type for i in graph.initializer} == {TensorProto.FLOAT}


def test_of_several_outputs_the_one_that_fits_is_the_prediction(tmp_path):
    """An embedding, scores, probabilities; and an inner graph that reads the input by its name."""
    weights = np.random.default_rng(1).normal(size=(4, 3))
    value = [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)]
    same = helper.make_graph([helper.make_node("Identity", ["input"], ["inner"])], "g", [], value)
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=yes),
        helper.make_node("If", ["yes"], ["embedding"], then_branch=same, else_branch=same),
        helper.make_node("MatMul", ["embedding", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None])
        for name in ("embedding", "scores", "shares")
    ]
    path, data = write(tmp_path / "m.onnx", nodes, ends, constants={"w": weights}), rows()
    expected = softmax(data.X.astype(float) @ weights)
    given = fitted(path, data)
    np.testing.assert_allclose(GIVEN.predict(given, data.X), expected, atol=1e-5)


def test_weights_in_a_file_beside_the_graph_are_part_of_it(tmp_path):
    path, weights = linear(tmp_path / "m.onnx", 3)
    model = onnx.load(path)
    options = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0}
    onnx.save(model, path, **options)
    data, where = rows(), "there"
    sha256 = hashlib.sha256(reading.whole(path, where)).hexdigest()
    given = GIVEN.fit(data, GIVEN.Params(path=str(path), sha256=sha256), FitContext())
    expected = softmax(data.X.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(given, data.X), expected, atol=1e-5)
    (tmp_path / "m.data").write_bytes(bytes(48))
    with pytest.raises(ParamsError, match="has sha256"):
        GIVEN.fit(data, GIVEN.Params(path=str(path), sha256=sha256), FitContext())
    (tmp_path / "m.data").unlink()
    with pytest.raises(ParamsError, match=r"m\.data.* save it as one file"):
        reading.whole(path, where)
    (tmp_path / "sec").write_bytes(bytes(48))
    inner = tmp_path / "inner"
    inner.mkdir()
    content = path.read_bytes().replace(b"m.data", b"../sec")
    (inner / "m.onnx").write_bytes(content)
    with pytest.raises(ParamsError, match="save it as one file"):
        reading.whole(inner / "m.onnx", where)


def test_what_onnx_runtime_cannot_run_says_so(tmp_path):
    ends = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 4])]
    unknown = write(tmp_path / "a.onnx", [helper.make_node("Nothing", ["input"], ["out"])], ends)
    shape = helper.make_node("Constant", [], ["one"], value_ints=[1, 4])
    nodes = [shape, helper.make_node("Reshape", ["input", "one"], ["out"])]
    for path in (unknown, write(tmp_path / "b.onnx", nodes, ends)):
        with pytest.raises(ParamsError, match="ONNX Runtime cannot run it on 150 rows"):
            fitted(path, rows(classes=4))


def test_what_does_not_suit_the_table_says_why(tmp_path):
    data = rows()
    wide = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 7])]
    ends = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 7])]
    copy = [helper.make_node("Identity", ["input"], ["out"])]
    cases = {
        "expected one input of float32 \\[rows, 4\\]": write(tmp_path / "a.onnx", copy, ends, wide),
        "it gives 4 numbers a row; the table's target has 3 classes": write(
            tmp_path / "b.onnx", copy, ends
        ),
        "not an ONNX file": tmp_path / "c.onnx",
        "not a model of LightGBM": tmp_path / "d.txt",
        "not a model of XGBoost": tmp_path / "e.ubj",
        "expected .onnx .ONNX., .ubj": tmp_path / "f.pkl",
    }
    for path in cases.values():
        if not path.exists():
            path.write_bytes(b"\xff nothing of the kind")
    for words, path in cases.items():
        with pytest.raises(ParamsError, match=words):
            fitted(path, data)
    free = helper.make_tensor_value_info("x", TensorProto.FLOAT16, [None, "n"])
    with pytest.raises(ParamsError, match=r"found x of float16 \[rows, n\]"):
        fitted(write(tmp_path / "h.onnx", copy, ends, [free]), data)
    wide = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 30])
    with pytest.raises(ParamsError, match=r"found x of float32 \[rows, 30\]"):
        fitted(write(tmp_path / "i.onnx", copy, ends, [wide]), data)
    fixed = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [8, 4])]
    with pytest.raises(ParamsError, match="its batch is fixed to 8"):
        fitted(write(tmp_path / "g.onnx", copy, ends, fixed), data)


def test_another_file_than_meant_is_refused(tmp_path):
    path, _ = linear(tmp_path / "m.onnx", 3)
    with pytest.raises(ParamsError, match=r"has sha256 .* set sha256 to it"):
        GIVEN.fit(rows(), GIVEN.Params(path=str(path), sha256="0"), FitContext())
    with pytest.raises(ParamsError, match="cannot be read"):
        GIVEN.fit(rows(), GIVEN.Params(path=str(tmp_path / "nothing.onnx")), FitContext())
