"""No task runs first-party code that is not part of its cache key."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from tasks.core import child, closure
from tasks.core.plugins import KINDS, Plugin, names

pytestmark = pytest.mark.pipeline
MICRO = """
seed: 0
device: cpu
workloads:
  micro:
    table: {task: regression, target: y}
    ingest: {dataset: generated, options: {rows: 120}}
    validate: {expectations: null}
    train: {models: {baseline: {}, linear: {}, light_gbm: {rounds: 5}}}
    compress: {recipes: {fp16: [fp16], half: [truncate], network: [
      {distill: {into: mlp, student: {width: 8, epochs: 1}}}, {qat: {epochs: 1}}, ptq_int8]}}
    benchmark: {engines: [native, onnx_runtime], batch_sizes: [1], samples: 100, samples_more: 100}
"""


class Watch:
    """Notes which first-party modules run while a task's own function does, and what may."""

    def __init__(self) -> None:
        self.ran: dict[str, set[str]] = {}
        self.allowed: dict[str, set[str]] = {}
        self.current = threading.local()

    def wrap(self, task: Any) -> Callable[..., Any]:
        """Return the task's function, watched."""
        fn = task.fn

        def watched(*args: Any, **named: Any) -> Any:
            used = [f"{KINDS[k]}.{n}" for k in task.cache_policy.plugins for n in names(k)]
            used += [p.module.__name__ for p in _plugins([args, named])]
            code = closure.code_of(fn.__module__, *used)
            self.allowed.setdefault(task.name, set()).update(code)
            seen = self.ran.setdefault(task.name, set())

            def note(frame: Any, event: str, _: Any) -> None:
                if event == "call":
                    name = frame.f_globals.get("__name__", "")
                    if name.startswith(("tasks.", "flows.")):
                        seen.add(name)

            before = sys.getprofile()
            sys.setprofile(note)
            try:
                return fn(*args, **named)
            finally:
                sys.setprofile(before)

        watched.__module__, watched.__name__ = fn.__module__, fn.__name__
        watched.__wrapped__ = fn  # type: ignore[attr-defined]
        return watched


def _plugins(value: Any) -> list[Plugin]:
    if isinstance(value, Plugin):
        return [value, *getattr(value.module, "uses", lambda params: [])(value.typed)]
    if isinstance(value, BaseModel):  # a step's params hold plugins, and the key looks into them
        value = dict(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [found for item in value for found in _plugins(item)]
    return []


def test_what_a_task_runs_is_in_its_key(api: str, tmp_path, monkeypatch, temper_home):
    (tmp_path / "params.yaml").write_text(MICRO)
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    monkeypatch.setattr(  # in this process and thread, so that it is seen
        child, "run", lambda function, *args, **_: child.Outcome(function(*args), 0.1, 1.0)
    )
    from prefect import Task

    from flows import pipeline

    watch = Watch()
    tasks = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("tasks.") and name.endswith(".task")
        for value in vars(module).values()
        if isinstance(value, Task)
    }
    assert len(tasks) >= 14
    for task in tasks.values():
        monkeypatch.setattr(task, "fn", watch.wrap(task))

    pipeline.pipeline(name="micro")

    assert {"ingest", "features", "fit", "resample", "benchmark", "register", "report"} <= set(
        watch.ran
    )
    outside = {
        task: sorted(seen - watch.allowed[task] - closure.ORCHESTRATION)
        for task, seen in watch.ran.items()
    }
    assert {task: found for task, found in outside.items() if found} == {}
    assert sum(len(seen) for seen in watch.ran.values()) > 60
    assert "tasks.train.models.mlp" in watch.ran["shrink"], "trees taught a network"
