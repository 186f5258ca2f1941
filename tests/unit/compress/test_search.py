"""A part of the sweep: which recipes are run, in which order, and what the others are told."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from flows.workload import Workload
from tasks.compress import sketches
from tasks.compress.params import Params
from tasks.compress.recipes import ALL
from tasks.compress.search import (
    LEAST,
    Search,
    Searches,
    Sketch,
    begin,
    cost,
    hypervolume,
    share_lost,
)
from tasks.core.plugins import names
from tests.compressed import Study, certificate, technique


def test_the_hypervolume_is_the_share_of_points_that_something_dominates():
    rng = np.random.default_rng(0)
    points = [tuple(p) for p in rng.uniform(0.1, 1.2, (6, 3))]
    drawn = rng.uniform(0, 1, (200_000, 3))
    dominated = np.any([np.all(drawn >= p, axis=1) for p in points], axis=0).mean()
    assert hypervolume(points) == pytest.approx(dominated, abs=0.005)
    assert hypervolume([]) == hypervolume([(0.5, 1.0, 0.0)]) == 0.0
    assert hypervolume([(0.5, 0.5, -1.0)]) == pytest.approx(0.5)  # better than fp32 counts


def test_what_is_lost_is_five_points_of_accuracy_or_five_percent_of_an_error():
    assert share_lost(0.98, 0.93, "classification") == pytest.approx(1.0)
    assert share_lost(2.0, 2.1, "regression") == pytest.approx(1.0)
    assert share_lost(2.0, 1.9, "regression") < 0
    assert share_lost(0.98, None, "classification") == 1.0


def sketched(**known: tuple[float, float, float | None]) -> dict[str, Sketch]:
    return {
        name: Sketch(*point, seconds=1.0, steps=name.split("_")) for name, point in known.items()
    }


def search_of(budget_s: float = 10.0, **known: tuple[float, float, float | None]) -> Searches:
    return Searches({"net": Search(sketched(**known))}, budget_s)


def following(searches: Searches) -> str | None:
    """Return what is run next of the one model."""
    [(_, label)] = searches.following() or [("net", None)]
    return label


def tell(searches: Searches, label: str, loss: float | None) -> None:
    """Say what came of a recipe of the one model: of that which runs, or of one that was run."""
    if searches.running:
        assert searches.first() == ("net", label)
        searches.tell("net", loss)
    else:
        searches.models["net"].tell(label, loss)


def test_the_most_promising_comes_first_and_what_adds_nothing_is_not_run():
    search = search_of(half=(0.5, 0.5, 0.1), tiny=(0.1, 0.1, None), worse=(0.6, 0.6, 0.2))
    assert following(search) == "tiny"
    tell(search, "tiny", 0.05)
    assert following(search) is None
    reasons = search.models["net"].reasons()
    assert set(reasons) == {"half", "worse"}
    assert all("at most 0.0%" in why for _, why in reasons.values())


def test_where_the_promise_is_not_kept_the_next_has_its_turn():
    search = search_of(half=(0.5, 0.5, 0.1), tiny=(0.1, 0.1, None))
    tell(search, "tiny", None)  # it failed
    assert following(search) == "half"


def test_what_goes_on_from_a_recipe_is_expected_to_lose_what_that_lost():
    known = {"tiny": (0.2, 0.2, None), "tiny_int8": (0.1, 0.1, None), "other": (0.3, 0.3, None)}
    assert following(search_of(**known)) == "tiny_int8"
    search = search_of(**known)
    tell(search, "tiny", 0.9)
    assert following(search) == "other"


def test_where_fits_lose_less_than_thought_the_next_are_thought_to_lose_less():
    known = sketched(thin=(0.2, 0.2, None), thinner=(0.1, 0.1, None))
    known = {n: replace(s, likely=x) for (n, s), x in zip(known.items(), (0.9, 1.5), strict=True)}
    gains = []
    for lost in (0.0, 0.9, 3.0):
        search = Search(known)
        search.tell("thin", lost)
        gains.append(search.gains()["thinner"])
    assert gains[0] > 0
    assert gains[1:] == [0, 0], "more than was thought is not held against the others"


def test_where_budget_is_left_it_is_spent_on_what_might_lose_far_less_than_thought():
    known = sketched(good=(0.2, 0.2, None), thin=(0.05, 0.05, None), hopeless=(0.01, 0.01, None))
    for name, likely in (("thin", 1.5), ("hopeless", 80.0)):
        known[name] = replace(known[name], likely=likely)
    search = Searches({"net": Search(known)}, 10.0)
    assert following(search) == "good"
    tell(search, "good", 0.5)
    assert following(search) == "thin", "nothing else is worth it"
    tell(search, "thin", 0.4)
    assert following(search) is None
    status, why = search.models["net"].reasons()["hopeless"]
    assert status == "skipped"
    assert "could add at most" in why


def test_the_budget_is_kept_and_named():
    known = {
        name: {"size": s, "work": s, "loss": None, "seconds": 9.0, "steps": [name]}
        for name, s in (("a", 0.6), ("b", 0.3), ("c", 0.5), ("d", 0.4))
    }
    search = begin({"net": known | {"e": {"reason": "not a network"}}}, 0.29)
    assert search.budget_s == pytest.approx(10.0, rel=0.1)
    assert following(search) == "b"
    tell(search, "b", 0.5)
    assert following(search) is None
    status, why = search.models["net"].reasons()["d"]
    assert status == "skipped"
    assert "compress.budget is spent" in why
    assert search.models["net"].reasons()["e"] == ("not_applicable", "not a network")


def test_models_share_one_budget_and_each_is_measured_by_what_it_could_reach():
    models = {
        "large": Search(sketched(good=(0.2, 0.2, None), fair=(0.15, 0.4, None))),
        "small": Search(sketched(slight=(0.9, 0.9, None), other=(0.8, 0.95, None))),
        "slow": Search({"near": replace(sketched(near=(0.3, 0.3, None))["near"], seconds=15.0)}),
    }
    search = Searches(models, 3.0)
    first = search.following()
    assert first == [("large", "good"), ("small", "other")], "fifteen seconds for as much wait"
    for model, _ in first:
        search.tell(model, 0.0)
    assert search.following() == [("small", "slight")], "a half of what its model has; fair: little"
    search.tell("small", 0.0)
    assert search.following() == [("slow", "near")], "of each model one, whatever it takes"
    search.tell("slow", 0.0)
    assert search.following() == []
    assert search.first() is None


def test_a_short_recipe_waits_for_no_long_one_and_results_come_in_the_order_they_are_thought_to():
    long = {"long": replace(sketched(long=(0.1, 0.1, None))["long"], seconds=1.9)}
    short = sketched(b=(0.5, 0.5, None), c=(0.4, 0.4, None))
    search = Searches({"slow": Search(long), "quick": Search(short)}, 9.0)
    assert search.following() == [("quick", "c"), ("slow", "long")]
    assert search.first() == ("quick", "c")
    search.tell("quick", 0.9)
    assert search.following() == [("quick", "b")], "beside the long one, which is still running"
    assert search.first() == ("slow", "long"), "it is thought to end at 1.9, b at 2"
    search.tell("slow", 0.1)
    assert search.following() == []
    search.tell("quick", 0.9)
    assert search.clock_s == 2.0
    assert search.first() is None


def test_what_is_running_is_paid_for():
    recipes = {"earlier": Sketch(1.0, 1.0, 0.0, 0.0), **sketched(only=(0.5, 0.5, None))}
    known = {name: Search(recipes) for name in ("a", "b", "c")}
    for search in known.values():
        search.tell("earlier", 0.0)
    search = Searches(known, 2.0)
    assert len(search.following()) == 2
    assert search.following() == []
    search.tell("a", 0.1)
    assert search.following() == []
    assert known["c"].reasons()["only"][1].endswith("compress.budget is spent")


def test_what_several_begin_with_is_paid_for_once():
    steps = {"a": ("prune",), "b": ("prune", "int8"), "c": ("prune", "qat", "int8")}
    begins = {"a": (8.0,), "b": (8.0,), "c": (8.0, 3.0)}
    size = {"a": 0.5, "b": 0.3, "c": 0.3}
    known = {
        n: {"size": size[n], "work": 0.5, "loss": None, "seconds": 1.0}
        | {"steps": steps[n], "begins": begins[n]}
        for n in steps
    }
    search = begin({"net": known}, 1.0)
    assert search.budget_s == pytest.approx(8 + 3 + 3 * 1, rel=0.05)
    found = {n: Sketch(**s) for n, s in known.items()}
    assert cost(found["c"], {}) == 12
    assert cost(found["c"], {"a": found["a"]}) == 4
    assert cost(found["b"], {"c": found["c"]}) == 1


def test_what_is_done_counts_by_what_it_came_to():
    """Not by what it promised: else the rest is small beside what will not be reached."""
    known = sketched(int8=(0.3, 0.5, 0.0), half=(0.6, 0.6, None))
    alone, beside = Search({"half": known["half"]}), Search(known)
    beside.tell("int8", None)
    assert beside.best(9.0) == alone.best(9.0)


def test_what_has_the_same_graph_as_another_is_not_thought_to_be_faster():
    known = sketched(int8=(0.3, 0.5, 0.0), zeros=(0.3, 0.5, None), qat=(0.3, 0.51, None))
    known["zeros"] = replace(known["zeros"], likely=0.03)
    search = Search(known)
    search.tell("int8", 0.0)
    gains = search.gains()
    assert gains["zeros"] == pytest.approx(0, abs=1e-9), "fewer weights, no faster, no smaller"
    assert gains["qat"] > 0


@pytest.mark.parametrize("seed", range(20))
def test_with_sketches_that_hold_it_reaches_nearly_all_of_the_hypervolume(seed):
    rng = random.Random(seed)
    known = {
        str(n): Sketch(rng.random(), rng.random(), rng.choice([None, rng.random()]), 1.0, (str(n),))
        for n in range(25)
    }
    truth = {n: s.loss if s.loss is not None else rng.random() * 0.5 for n, s in known.items()}
    search = Search(known)
    while best := search.best(25.0 - search.spent_s):
        search.tell(best[1], truth[best[1]])
    every = [(s.size, s.work, truth[n]) for n, s in known.items()]
    ran = [(s.size, s.work, truth[n]) for n, s in search.done.items()]
    left = len(known) - len(ran)
    assert hypervolume(ran) >= (1 - LEAST * left) * hypervolume(every)
    assert left > 5


def test_all_names_every_technique_and_is_searched_unless_full():
    params = Params.model_validate({"recipes": "all"})
    assert {p.name for label in params.recipes for p in params.plugins(label)} == set(
        names("technique")
    )
    assert params.searched
    assert not Params(recipes=ALL, budget=1).searched
    assert not Params().searched, "a short sweep is run whole"


@pytest.mark.parametrize("name", ["convnet", "light_gbm"])
def test_a_sketch_is_what_the_variant_turns_out_to_be(digits: Study, tmp_path, name):
    recipes = {
        "int8": [technique("ptq_int8")],
        "clipped": [technique("ptq_int8", ranges="percentile")],
        "rounded": [technique("quantise_thresholds")],
        "student": [technique("distill")],
        "student_int8": [technique("distill"), technique("ptq_int8")],
        "zeros": [technique("prune_unstructured", epochs=1, steps=1)],
        "short": [technique("truncate")],
        "network": [technique("distill", into="mlp", student={"width": 16, "epochs": 2})],
        "small": [
            technique("distill", into="mlp", student={"width": 16, "epochs": 2}),
            technique("ptq_int8", ranges="entropy"),
        ],
    }
    sketches.write(
        *(tmp_path, digits.fp32(name), digits.fitted(name), digits.model(name), recipes),
        *(digits.data.folder, digits.metrics, 1e-4, 64, 0),
    )
    found = json.loads((tmp_path / sketches.FILE).read_text())
    before = certificate(digits.fp32(name))
    for label, recipe in recipes.items():
        stated = certificate(digits.compressed(name, f"sketched_{label}", *recipe))
        if stated["status"] == "not_applicable":
            assert found[label] == {"reason": stated["reason"]}
            continue
        sketch = Sketch(**found[label])
        told = {("light_gbm", "student"): 0.1, ("convnet", "student_int8"): 0.05}  # by the likes
        apart = told.get((name, label), 0.01)
        assert sketch.size == pytest.approx(stated["bytes"] / before["bytes"], rel=apart)
        fitted = label in ("student", "student_int8", "zeros", "network", "small")
        assert (sketch.loss is None) == fitted
        if not fitted:
            after = stated["metrics"]["accuracy"]
            lost = share_lost(before["metrics"]["accuracy"], after, "classification")
            assert sketch.loss == pytest.approx(lost if label == "short" else 0.0)


def test_what_a_fit_is_thought_to_lose_goes_with_what_is_left(digits: Study, tmp_path):
    some, most = ([technique("prune_structured", share=s)] for s in (0.3, 0.7))
    student, tiny = ([technique("distill", share=s)] for s in (0.5, 0.125))
    networks = {"some": some, "most": most, "student": student, "zeros": [technique("qat")]}
    found = {}
    for name, recipes in (("convnet", networks), ("random_forest", {"tiny": tiny})):
        sketches.write(
            *(tmp_path, digits.fp32(name), digits.fitted(name), digits.model(name), recipes),
            *(digits.data.folder, digits.metrics, 1e-4, 64, 0),
        )
        found |= json.loads((tmp_path / sketches.FILE).read_text())
    likely = {label: of["likely"] for label, of in found.items()}
    assert likely["zeros"] == 0 < likely["some"] < likely["most"]
    assert found["student"]["size"] < found["some"]["size"]
    assert likely["student"] > likely["some"], "it is fitted anew"
    cut = certificate(
        digits.compressed("random_forest", "an_eighth", technique("truncate", share=0.125))
    )
    before = certificate(digits.fp32("random_forest"))
    lost = (of["metrics"]["accuracy"] for of in (before, cut))
    assert likely["tiny"] <= max(share_lost(*lost, "classification"), 0.0)


def test_a_sketch_counts_a_teachers_passes(digits: Study, tmp_path):
    recipes = {
        "taught": [technique("qat", epochs=6), technique("ptq_int8")],
        "alone": [technique("qat", epochs=6, teacher=0), technique("ptq_int8")],
        "less": [technique("qat", epochs=3, teacher=0), technique("ptq_int8")],
    }
    sketches.write(
        *(tmp_path, digits.fp32("convnet"), digits.fitted("convnet"), digits.model("convnet")),
        *(recipes, digits.data.folder, digits.metrics, 1e-4, 64, 0),
    )
    found = json.loads((tmp_path / sketches.FILE).read_text())
    taught, alone, less = (found[label]["begins"][0] for label in recipes)
    assert taught > alone > less
    assert (taught - alone) / 6 < (alone - less) / 3, "to predict is less than to be fitted"


def test_a_network_that_trees_teach_is_counted_in_steps_of_its_own(digits: Study, tmp_path):
    recipes = {
        rows: [technique("distill", into="mlp", student={"width": 16, "batch_size": int(rows)})]
        for rows in ("64", "256")
    }
    model = digits.model("light_gbm")
    sketches.write(
        *(tmp_path, digits.fp32("light_gbm"), digits.fitted("light_gbm"), model, recipes),
        *(digits.data.folder, digits.metrics, 1e-4, 64, 0),
    )
    found = json.loads((tmp_path / sketches.FILE).read_text())
    few, many = (sum(found[rows]["begins"]) or found[rows]["seconds"] for rows in recipes)
    assert 1.5 < few / many < 4


def test_a_teacher_is_what_the_technique_starts_from(digits: Study, tmp_path):
    """Pruned once more, a network is taught by the one that is left, which takes less."""
    half = technique("prune_structured", multiple=4)
    recipes = {"once": [half], "twice": [half, half]}
    sketches.write(
        *(tmp_path, digits.fp32("convnet"), digits.fitted("convnet"), digits.model("convnet")),
        *(recipes, digits.data.folder, digits.metrics, 1e-4, 64, 0),
    )
    found = json.loads((tmp_path / sketches.FILE).read_text())
    first, second = found["twice"]["begins"]
    assert first == found["once"]["begins"][0]
    assert second < first


def test_a_workload_may_ask_for_all():
    table = {"task": "regression", "target": "y"}
    workload = Workload.model_validate({"table": table, "compress": {"recipes": "all"}})
    assert set(workload.compress.recipes) == set(ALL)
