"""Trees in a graph: read as they were written, pruned by what it costs, shortened by nothing."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from tasks.compress import applying, ensembles, graphs, sketches, variants
from tasks.compress.protocol import NotApplicable, Parent
from tasks.compress.techniques import distill
from tasks.compress.techniques.distill import taught
from tasks.compress.techniques.prune_trees import pruned
from tasks.compress.techniques.quantise_thresholds import shortened
from tasks.core import entries
from tasks.core.cache import content
from tasks.core.fitting import FitContext, FitData, training_data
from tasks.core.plugins import Plugin
from tasks.core.tree_graph import with_trees
from tasks.core.trees import LEAF, Trees, join, leaves_of, total
from tests.compressed import certificate, technique

MODELS = ("light_gbm", "xg_boost", "random_forest")


def leaves(trees: Trees) -> int:
    return int((trees.feature == LEAF).sum())


@pytest.mark.parametrize("study", ["numbers", "classes"])
@pytest.mark.parametrize("name", MODELS)
def test_trees_are_read_as_they_were_written(name, study, request):
    study = request.getfixturevalue(study)
    model = onnx.load(study.fp32(name) / "model.onnx")
    trees, width = ensembles.read(model.graph)
    again = with_trees(model, trees, width)
    rows = study.data.feed("test")
    expected = graphs.run(graphs.session(model), rows)
    np.testing.assert_array_equal(graphs.run(graphs.session(again), rows), expected)
    second, _ = ensembles.read(again.graph)
    for name, array in trees.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)


def one_tree() -> Trees:
    """x0 <= 0: (x1 <= 0: 1 else 2), else (x1 <= 0: 10 else 40)."""
    return join(
        [
            {
                "feature": np.array([0, 1, 1, LEAF, LEAF, LEAF, LEAF]),
                "threshold": np.zeros(7),
                "left": np.array([1, 3, 5, 0, 0, 0, 0]),
                "right": np.array([2, 4, 6, 0, 0, 0, 0]),
                "values": np.array([0, 0, 0, 1.0, 2.0, 10.0, 40.0])[:, None],
            }
        ],
        [0],
        strict=False,
    )


def test_the_branch_that_costs_least_goes_first():
    X = np.float32([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    cut = pruned(one_tree(), X, 0.25)
    assert leaves(cut) == 3
    np.testing.assert_allclose(total(cut, X, 1)[:, 0], [1.5, 1.5, 10, 40])
    rows = np.concatenate([X[:1], X[:1], X[:1], X[1:]])  # the mean is that of the rows
    np.testing.assert_allclose(total(pruned(one_tree(), rows, 0.25), X, 1)[:2, 0], 1.25)


def test_pruned_to_the_root_a_tree_is_its_mean():
    X = np.float32([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    stump = pruned(one_tree(), X, 0.9)
    assert leaves(stump) == 1
    np.testing.assert_allclose(total(stump, X, 1), 53 / 4)


def test_a_branch_that_no_row_comes_to_costs_nothing():
    X = np.float32([[-1, -1], [-1, 1]])
    cut = pruned(one_tree(), X, 0.25)
    np.testing.assert_allclose(total(cut, X, 1)[:, 0], [1, 2])
    assert leaves(cut) == 3


def greedy(trees: Trees, X: np.ndarray, goal: int) -> Trees:
    """Prune by asking every branch anew each time: what the heap must come to as well."""
    leaf_of = leaves_of(trees, X)[:, 0]
    values, feature = trees.values[:, 0].astype(float).copy(), trees.feature.copy()

    def below(node: int) -> list[int]:
        if feature[node] == LEAF:
            return [node]
        return below(trees.left[node]) + below(trees.right[node])

    def all_below(node: int) -> list[int]:
        if trees.feature[node] == LEAF:
            return [node]
        return all_below(trees.left[node]) + all_below(trees.right[node])

    def cost(node: int) -> tuple[float, float]:
        original = trees.values[leaf_of[np.isin(leaf_of, all_below(node))], 0].astype(float)
        mean = original.mean() if len(original) else trees.values[all_below(node), 0].mean()
        return float(((original - mean) ** 2).sum()), float(mean)

    while len(below(0)) > goal:
        inner = [n for n in range(len(feature)) if feature[n] != LEAF]
        reachable = [n for n in inner if n in _reached(trees, feature)]
        worth = {
            n: (cost(n)[0] - sum(cost(k)[0] for k in below(n))) / (len(below(n)) - 1)
            for n in reachable
        }
        node = min(worth, key=lambda n: (round(worth[n], 9), n))
        values[node], feature[node] = cost(node)[1], LEAF
    return Trees(
        **{**trees.arrays(), "feature": feature, "values": values.astype(np.float32)[:, None]}
    )


def _reached(trees: Trees, feature: np.ndarray) -> set[int]:
    found, waiting = set(), [0]
    while waiting:
        node = waiting.pop()
        found.add(node)
        if feature[node] != LEAF:
            waiting += [int(trees.left[node]), int(trees.right[node])]
    return found


@pytest.mark.parametrize("goal", [3, 6, 10])
def test_the_heap_prunes_as_asking_all_branches_does(goal):
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(3)
    X = random.normal(size=(200, 3)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + random.normal(0, 0.2, 200)
    grown = DecisionTreeRegressor(max_leaf_nodes=16, random_state=0).fit(X, y).tree_
    trees = join(
        [
            {
                "feature": np.where(grown.children_left < 0, LEAF, grown.feature),
                "threshold": grown.threshold,
                "left": grown.children_left,
                "right": grown.children_right,
                "values": grown.value[:, 0, :],
            }
        ],
        [0],
        strict=False,
    )
    rows = X[:60]
    expected = total(greedy(trees, rows, goal), X, 1)
    np.testing.assert_allclose(total(pruned(trees, rows, 1 - goal / 16), X, 1), expected, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_no_training_row_changes_sides_by_shorter_thresholds(name, numbers):
    trees, _ = ensembles.read(onnx.load(numbers.fp32(name) / "model.onnx").graph)
    X = numbers.data.X("train")
    short = shortened(trees, X, bits=23)
    np.testing.assert_array_equal(leaves_of(short, X), leaves_of(trees, X))
    np.testing.assert_array_equal(short.values, trees.values)
    ends = np.count_nonzero(short.threshold.view(np.uint32) & 0xFF)
    assert ends < 0.5 * np.count_nonzero(trees.threshold.view(np.uint32) & 0xFF) + 1


@pytest.mark.parametrize("name", MODELS)
def test_pruned_and_shortened_trees_stay_close_and_get_smaller(name, numbers):
    before = certificate(numbers.fp32(name))
    recipe = (technique("prune_trees", share=0.3), technique("quantise_thresholds"))
    stated = certificate(numbers.compressed(name, "lean", *recipe))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["weight_bytes"] < 0.8 * before["weight_bytes"]
    assert stated["agreement"] > 0.95


@pytest.mark.parametrize("name", ["light_gbm", "xg_boost"])
def test_a_students_copies_of_a_row_weigh_as_much_as_the_row(name, classes):
    """Else it would have larger trees than its teacher, of leaves with a quarter of the rows."""
    model = classes.model(name)
    module, params = model.module, model.typed
    assert distill.of_copies(params, ["l2"]).l2 == distill.COPIES * params.l2
    assert distill.of_copies(params, ()) == params
    data = training_data(classes.data)
    copied = replace(
        data, X=np.tile(data.X, (distill.COPIES, 1)), y=np.tile(data.y, distill.COPIES)
    )
    plain = params.model_copy(
        update={"row_fraction": 1.0, "feature_fraction": 1.0, "patience": 999}
    )
    once, copies = (
        module.fit(rows, given, FitContext(0))
        for rows, given in ((data, plain), (copied, distill.of_copies(plain, module.BY_ROWS)))
    )
    X = classes.data.X("test")
    np.testing.assert_allclose(module.predict(copies, X), module.predict(once, X), atol=0.15)


@pytest.mark.parametrize("name", ["light_gbm", "xg_boost"])
def test_fewer_rounds_go_as_far_in_steps_that_do_not_overshoot(name, classes):
    model, fitted = classes.model(name), classes.fitted(name)
    module = model.module
    rounds = module.fewer_trees(module.load(fitted), model.typed, 1.0).rounds
    for share, own, expected in ((0.5, 0.1, 0.2), (0.125, 0.1, 0.3), (0.5, 0.8, 0.8)):
        params = model.typed.model_copy(update={"learning_rate": own})
        few = module.fewer_trees(module.load(fitted), params, share)
        assert few.learning_rate == pytest.approx(expected)
        assert few.rounds == max(1, round(share * rounds))


def test_few_rows_tell_nearly_what_all_do(numbers):
    before = certificate(numbers.fp32("light_gbm"))
    every, few = (
        certificate(numbers.compressed("light_gbm", f"by_{n}", technique("prune_trees", rows=n)))
        for n in (4096, 100)
    )
    assert every["weight_bytes"] == pytest.approx(few["weight_bytes"], rel=0.02)
    assert every["metrics"]["rmse"] != few["metrics"]["rmse"]
    for stated in (every, few):
        assert stated["metrics"]["rmse"] < 1.05 * before["metrics"]["rmse"]


@pytest.mark.parametrize("name", ["xg_boost", "light_gbm", "random_forest"])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_a_student_has_half_the_trees_and_stands_beside_one_that_learnt_alone(name, kind, request):
    study = request.getfixturevalue(kind)
    folder = study.compressed(name, "student", technique("distill", share=0.5))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    counts = [
        len(ensembles.read(onnx.load(f / "model.onnx").graph)[0].target)
        for f in (study.fp32(name), folder)
    ]
    assert counts[1] <= 0.5 * counts[0] + 3  # a tree a class in each round
    assert set(stated["facts"]["distill"]) == {"alone", "taught"}
    assert stated["facts"]["distill"]["taught"] == pytest.approx(stated["metrics"], rel=1e-4)


def test_a_student_can_be_given_by_its_params(classes):
    given = technique("distill", share=0.5, student={"rounds": 3, "num_leaves": 4})
    folder = classes.compressed("light_gbm", "given", given)
    trees = ensembles.read(onnx.load(folder / "model.onnx").graph)[0]
    assert len(trees.target) <= 3 * 3
    assert np.diff(trees.start).max() <= 7  # four leaves
    wrong = technique("distill", student={"leafs": 4})
    stated = certificate(classes.compressed("light_gbm", "wrong", wrong))
    assert stated["status"] == "failed"
    assert "distill.student: leafs" in stated["reason"]
    assert "num_leaves" in stated["reason"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_a_network_learns_from_trees_and_what_fits_networks_follows(name, kind, request):
    study = request.getfixturevalue(kind)
    into = technique("distill", into="mlp", student={"width": 16, "epochs": 4})
    folder = study.compressed(name, "network", into)
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert not graphs.is_trees(onnx.load(folder / "model.onnx").graph)
    facts = stated["facts"]["distill"]
    assert facts["taught"] == pytest.approx(stated["metrics"], rel=1e-4)
    assert facts["alone"] != facts["taught"]
    stated = certificate(study.compressed(name, "network_int8", into, technique("ptq_int8")))
    assert stated["status"] == "ok", stated["reason"]
    assert (stated["precision"], stated["quantised_share"]) == ("int8", 1.0)
    assert stated["model"] == name


def test_a_network_that_listens_alone_predicts_more_like_the_trees(numbers):
    """The teacher is heard: of the same network, with other targets, the agreement is another."""
    student = {"width": 32, "epochs": 60, "batch_size": 32, "bins": 0}
    found = [
        certificate(
            numbers.compressed(
                "random_forest",
                f"heard_{weight}",
                technique("distill", into="mlp", student=student, weight=weight),
            )
        )["agreement"]
        for weight in (0.01, 1.0)
    ]
    assert found[1] > found[0]


def test_trees_that_are_not_fitted_here_teach_a_network_alone(numbers):
    given = Plugin(kind="model", name="given")
    parent = Parent(onnx.load(numbers.fp32("light_gbm") / "model.onnx"), given, lambda: None)
    assert distill.applies(parent) is None
    context = applying.context_of(numbers.data, numbers.metrics, 0, FitContext())
    with pytest.raises(NotApplicable, match="`into: mlp` learns from them"):
        distill.shrink(parent, distill.Params(), context)


def test_a_students_network_is_checked_with_the_params():
    [problem] = entries.problems("technique", {"distill": {"into": "mlp", "student": {"wide": 4}}})
    assert "distill.student: wide" in problem
    assert "width" in problem
    [key] = content(technique("distill", into="mlp"))["uses"]
    assert key["plugin"] == "model mlp"
    assert "tasks.nets.fitting" in key["code"]
    assert "uses" not in content(technique("distill"))


def test_a_teachers_classes_are_drawn_as_often_as_it_says():
    rng = np.random.default_rng(0)
    n = 20_000
    data = FitData(
        X=rng.random((n, 2), np.float32),
        y=np.full(n, 2),
        X_stop=np.zeros((1, 2), np.float32),
        y_stop=np.zeros(1, np.int64),
        task="classification",
        n_classes=3,
    )
    said = np.tile([0.2, 0.8, 0.0], (n, 1))
    found = taught(data, said, weight=0.75, seed=0)
    shares = np.bincount(found.y, minlength=3) / len(found.y)
    np.testing.assert_allclose(shares, [0.15, 0.6, 0.25], atol=0.01)
    np.testing.assert_array_equal(found.X[n:], np.tile(data.X, (3, 1)))
    assert found.y.dtype == data.y.dtype
    numbers = replace(data, task="regression", y=np.full(n, 4.0))
    np.testing.assert_allclose(taught(numbers, np.full(n, 2.0), 0.75, 0).y, 2.5)


def test_a_booster_that_was_given_is_cut_and_teaches_a_network_alone(numbers, tmp_path):
    """The sketch of a recipe knows it too."""
    file = numbers.fitted("light_gbm") / "model.txt"
    params = {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    given = Plugin(kind="model", name="given", params=params)
    folders = [tmp_path / name for name in ("fitted", "fp32", "cut", "student", "mlp", "sketch")]
    for folder in folders:
        folder.mkdir()
    fitted, fp32, cut, student, mlp, sketch = folders
    data, metrics = numbers.data, numbers.metrics
    model = given.module.fit(training_data(data), given.typed, FitContext())
    given.module.save(model, fitted)
    variants.write_fp32(fp32, fitted, given, data.folder, metrics, 1e-4)
    recipes = {
        "cut": [technique("truncate", share=0.5), technique("prune_trees")],
        "student": [technique("distill")],
        "mlp": [technique("distill", into="mlp", student={"epochs": 2}), technique("ptq_int8")],
    }
    for label, out in (("cut", cut), ("student", student), ("mlp", mlp)):
        variants.write_compressed(
            *(out, fp32, fitted, given, label, recipes[label], data.folder, metrics),
            *(1e-4, 64, 0),
        )
    trees = [len(ensembles.read(onnx.load(f / "model.onnx").graph)[0].target) for f in (fp32, cut)]
    assert trees[1] == trees[0] // 2
    assert "its trees are not fitted here: `into: mlp` learns" in certificate(student)["reason"]
    assert certificate(mlp)["quantised_share"] == 1
    sketches.write(sketch, fp32, fitted, given, recipes, data.folder, metrics, 1e-4, 64, 0)
    found = json.loads((sketch / sketches.FILE).read_text())
    assert found["student"] == {"reason": certificate(student)["reason"]}
    assert found["cut"]["size"] < 0.8
    assert found["mlp"]["loss"] is None
