"""A mean of models in one graph: through every recipe it is a row with a reason, or a variant."""

import pytest

from tasks.compress.params import Params
from tests.components.compress import test_forecasters
from tests.compressed import QUICK, Study, certificate

study = test_forecasters.study
MEMBERS = {
    "light_gbm": {"rounds": 30, "num_leaves": 8, "learning_rate": 0.3},
    "lstm": {"epochs": 6, "width": 16, "batch_size": 32, "learning_rate": 0.02},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUICK, "average", {"members": MEMBERS})
    for name, params in MEMBERS.items():
        monkeypatch.setitem(QUICK, name, params)


def test_it_is_no_worse_than_its_members(study: Study) -> None:
    errors = {n: certificate(study.fp32(n))["metrics"]["pinball"] for n in ("average", *MEMBERS)}
    assert errors["average"] < 1.02 * max(errors[n] for n in MEMBERS)


def test_every_recipe_says_what_came_of_it(study: Study) -> None:
    every = Params.model_validate({"recipes": "all"})
    found = {
        label: certificate(study.compressed("average", label, *every.plugins(label)))
        for label in every.recipes
    }
    failed = {label: c["reason"] for label, c in found.items() if c["status"] == "failed"}
    assert not failed
    assert all(c["reason"] for c in found.values() if c["status"] == "not_applicable")
    made = {label for label, c in found.items() if c["status"] == "ok"}
    assert {"bf16", "int8_cpu", "int4", "fewer_leaves"} <= made
    for label in made:
        before = certificate(study.fp32("average"))["metrics"]["pinball"]
        assert found[label]["metrics"]["pinball"] < 3 * before, label
