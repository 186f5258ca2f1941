"""What is remembered of task runs, and what two keys differ in."""

import json

from tasks.core import trace


def parts(**changes) -> dict:
    return {
        "task": "fit",
        "room": "train",
        "arguments": {
            "model": {"plugin": "model mlp", "params": {"width": 8}, "code": {"tasks.a": "1"}},
            "sources": [{"artifact": "train/a", "digest": "1"}, {"artifact": "b", "digest": "2"}],
            "seed": 0,
        },
        "code": {"tasks.core.x": "1", "tasks/report/page.css": "2"},
        "libraries": {"numpy": "2.1"},
    } | changes


def test_the_same_differs_in_nothing():
    assert trace.differences(parts(), parts()) == []


def test_params_come_before_code_and_libraries():
    after = json.loads(json.dumps(parts(libraries={"numpy": "2.2"})))
    after["arguments"]["model"]["params"]["width"] = 16
    after["arguments"]["model"]["code"]["tasks.a"] = "2"
    assert trace.differences(parts(), after) == [
        [["arguments", "model", "model mlp", "params", "width"], 8, 16],
        [["arguments", "model", "model mlp", "code", "tasks.a"], "1", "2"],
        [["libraries", "numpy"], "2.1", "2.2"],
    ]


def test_artifacts_in_a_list_are_known_by_name():
    after = parts()
    fewer = [{"artifact": "b", "digest": "3"}]
    after = after | {"arguments": after["arguments"] | {"sources": fewer}}
    found = trace.differences(parts(), after)
    assert [d[0][-1] for d in found] == ["train/a", "b"]
    assert found[0][2] == trace.MISSING


def test_a_module_that_is_new_or_gone():
    found = trace.differences(parts(), parts(code={"tasks.core.y": "1"}))
    assert {tuple(d[0]): (d[1], d[2]) for d in found} == {
        ("code", "tasks.core.x"): ("1", trace.MISSING),
        ("code", "tasks/report/page.css"): ("2", trace.MISSING),
        ("code", "tasks.core.y"): (trace.MISSING, "1"),
    }


def test_ends_are_remembered_by_key_newest_first():
    for number in (1, 2, 1):
        trace.begin(number, "w/x", f"key{number}", parts(seed=number))
        trace.end(number, "fit a/b", number == 1, "run")
    first, second = trace.known("w/x", "fit a/b")
    assert (first["key"], first["state"]) == ("key1", "restored")
    assert (second["key"], second["state"]) == ("key2", "ran")
    assert first["changed"] == [[["seed"], 2, 1]]
    assert trace.nearest([first, second], parts(seed=2)) == []
    assert trace.known("w/x", "fit other") == trace.known("other", "fit a/b") == []


def test_only_some_keys_are_remembered():
    for number in range(trace.KEPT + 3):
        trace.begin(number, "w", f"key{number}", parts(seed=number))
        trace.end(number, "fit", False, "run")
    entries = trace.known("w", "fit")
    assert [e["key"] for e in entries] == [f"key{n}" for n in range(trace.KEPT + 2, 2, -1)]


def test_a_task_outside_a_workload_leaves_nothing():
    trace.begin(1, None, "key", parts())
    trace.end(1, "fit", False, "run")
    assert trace.known("None", "fit") == []
