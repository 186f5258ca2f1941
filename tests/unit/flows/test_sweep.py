"""The sweep's tasks: each starts when what it goes on from has ended, once for all recipes."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from flows import compress
from flows.compress import _Sweep
from flows.workload import Workload
from tasks.core.artifacts import Artifact

CUT = {"prune_structured": {"share": 0.3, "steps": 1}}
RECIPES = {
    "once": [CUT],
    "twice_int8": [CUT, CUT, "ptq_int8"],
    "twice": [CUT, CUT],
    "int8": ["ptq_int8"],
}


class _Task:
    """Stands for a task: keeps what it was called with, by label; a test ends its runs."""

    def __init__(self, at: int) -> None:
        self.at = at  # which argument the label is
        self.calls: dict[str, tuple] = {}
        self.futures: dict[str, Future] = {}

    def submit(self, *args: Any) -> Future:
        self.calls[args[self.at]] = args
        return self.futures.setdefault(args[self.at], Future())

    def end(self, label: str) -> Artifact:
        made = Artifact(name=label, digest="0")
        self.futures[label].set_result(made)
        return made


@pytest.fixture
def shrink(monkeypatch) -> _Task:
    monkeypatch.setattr(compress, "shrink", _Task(4))
    return compress.shrink  # type: ignore[return-value]


@pytest.fixture
def variant(monkeypatch) -> _Task:
    monkeypatch.setattr(compress, "compress_model", _Task(3))
    return compress.compress_model  # type: ignore[return-value]


@pytest.fixture
def sweep(monkeypatch, shrink, variant) -> _Sweep:
    table = {"task": "classification", "target": "y"}
    given = {"train": {"models": {"convnet": {}}}, "compress": {"recipes": RECIPES}}
    workload = Workload.model_validate({"table": table, **given})
    some = Artifact(name="some", digest="0")
    exported = SimpleNamespace(map=lambda *_: SimpleNamespace(result=lambda: [some]))
    monkeypatch.setattr(compress, "export", exported)
    made = _Sweep(workload, "cpu", {"train/convnet": some, "features/prepared": some})
    for pair in made.every:
        made._start(pair)
    return made


def test_what_recipes_begin_with_is_begun_once_and_nothing_waits_for_others(sweep, shrink, variant):
    assert list(shrink.calls) == ["once"], "of three recipes"
    assert list(variant.calls) == ["int8"], "it begins with nothing"
    first = shrink.end("once")
    made = variant.end("int8")
    sweep._wait_for(("convnet", "int8"))
    assert sweep.variants["convnet", "int8"] == made
    assert list(shrink.calls) == ["once", "twice_int8 2"], "by the first recipe with two of them"
    assert shrink.calls["twice_int8 2"][2] == first, "it goes on from the first"
    assert list(variant.calls) == ["int8", "once"]
    second = shrink.end("twice_int8 2")
    variant.end("once")
    sweep._wait_for(("convnet", "once"))
    assert list(variant.calls) == ["int8", "once", "twice_int8", "twice"]
    assert variant.calls["twice_int8"][-1] == variant.calls["twice"][-1] == second
    for label in ("twice", "twice_int8"):
        variant.end(label)
    for pair in sweep.every:
        sweep._wait_for(pair)
    assert set(sweep.variants) == set(sweep.every)


def test_what_stops_a_beginning_is_raised_as_it_was(sweep, shrink):
    shrink.futures["once"].set_exception(ValueError("the original"))
    with pytest.raises(ValueError, match="the original"):
        sweep._wait_for(("convnet", "twice"))
