"""Differences between cache keys, in words."""

import pytest

from flows.explain import words
from tasks.core.trace import MISSING


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (
            [["arguments", "model", "model light_gbm", "params", "num_leaves"], 31, 63],
            "params workloads.h.train.models.light_gbm.num_leaves 31 -> 63",
        ),
        (
            [["arguments", "plugins", "split at_random", "params", "test_share"], 0.2, 0.3],
            "params workloads.h.features.split.params.test_share 0.2 -> 0.3",
        ),
        (
            [["arguments", "params", "steps", "clean_step text", "params", "case"], None, "lower"],
            "params workloads.h.clean.steps.text.case None -> lower",
        ),
        ([["arguments", "seed"], 0, 1], "params seed 0 -> 1"),
        ([["arguments", "device"], "cpu", "cuda 9.0"], "device cpu -> cuda 9.0"),
        ([["arguments", "demanded"], False, True], "params device: cuda is now demanded"),
        ([["arguments", "threads"], 1, 2], "params workloads.h.train.threads 1 -> 2"),
        (
            [["arguments", "spec", "columns", "a", "max"], 3, MISSING],
            "params workloads.h.table.columns.a.max 3 -> nothing",
        ),
        (
            [["arguments", "metrics", "metric r2"], MISSING, {"plugin": "metric r2"}],
            "metric r2 (new)",
        ),
        (
            [["arguments", "metrics", "metric r2"], {"plugin": "metric r2"}, MISSING],
            "metric r2 (gone)",
        ),
        (
            [["arguments", "dataset"], {"plugin": "dataset a"}, {"plugin": "dataset b"}],
            "dataset a -> dataset b",
        ),
        (
            [["arguments", "prepared"], {"artifact": "a/b"}, {"artifact": "a/b"}],
            "input a/b",
        ),
        ([["arguments", "origin"], "1", "2"], "input data/raw/h"),
        ([["code", "tasks.core.frames"], "1", "2"], "code tasks/core/frames.py"),
        ([["code", "tasks.train"], "1", "2"], "code tasks/train/__init__.py"),
        ([["code", "tasks.core.frames"], MISSING, "2"], "code tasks/core/frames.py (new)"),
        (
            [["arguments", "model", "code", "tasks/report/a.css"], "1", MISSING],
            "code tasks/report/a.css (gone)",
        ),
        ([["libraries", "polars"], "1.0", "1.1"], "library polars 1.0 -> 1.1"),
    ],
)
def test_a_difference_in_words(difference, said):
    assert words(difference, "h", "train") == said
