"""params.yaml: every problem at once, with its path and the nearest known name."""

from pathlib import Path

import pytest

from flows.workload import build
from tasks.core import params
from tasks.core.errors import ParamsError

TABLE = {"task": "regression", "target": "y"}


def test_overrides_are_yaml_and_leave_the_rest():
    own = {"train": {"models": {"linear": {}}, "threads": 1}}
    changed = params.override(own, ["train.threads=2", "ingest.path=a.csv", "clean.steps=[types]"])
    assert changed["train"] == {"models": {"linear": {}}, "threads": 2}
    assert changed["ingest"] == {"path": "a.csv"}
    assert changed["clean"] == {"steps": ["types"]}
    assert own["train"]["threads"] == 1


def test_dates_stay_as_they_are_written(tmp_path):
    (tmp_path / "params.yaml").write_text("workloads: {a: {start: 2024-10-01, hours: 1.5}}")
    read = params.read(tmp_path)
    assert read["workloads"]["a"] == {"start": "2024-10-01", "hours": 1.5}
    assert params.override({}, ["start=2024-10-01"]) == {"start": "2024-10-01"}
    assert len(params.digest(read)) == 64


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path):
    (tmp_path / "params.yaml").write_text("workloads:\n  a: {}\n  b: {c: 1}\n  a: {d: 2}\n")
    with pytest.raises(ParamsError, match=r"key 'a' stands in lines 2 and 4"):
        params.read(tmp_path)
    merged = "workloads:\n  a: &a {c: 1}\n  b: {<<: *a, d: 2}\n"
    (tmp_path / "params.yaml").write_text(merged)
    assert params.read(tmp_path)["workloads"]["b"] == {"c": 1, "d": 2}


@pytest.mark.parametrize("setting", ["train.threads", "=3", "seed.x=1", "a=[1"])
def test_wrong_settings_are_named(setting):
    with pytest.raises(ParamsError, match="--set"):
        params.override({"seed": 1}, [setting])


def test_all_problems_at_once_with_did_you_mean():
    own = {
        "table": {"task": "regresion", "target": "y"},
        "trian": {},
        "train": {"threads": 0, "time_limits": 3},
    }
    with pytest.raises(ParamsError) as caught:
        build("w", own)
    text = str(caught.value)
    assert len(text.splitlines()) == 4
    assert "workloads.w.trian: unknown parameter 'trian'. Did you mean 'train'?" in text
    assert "workloads.w.train.time_limits" in text
    assert "Did you mean 'time_limit_s'?" in text
    assert "workloads.w.train.threads: " in text
    assert "workloads.w.table.task: " in text


def test_sections_named_like_attributes_of_pydantic_work():
    workload = build("w", {"table": TABLE, "validate": {"max_bad_share": 0.5}, "register": {}})
    assert workload.validate_.max_bad_share == 0.5


def test_unknown_plugin_names_are_problems():
    workload = build("w", {"table": TABLE, "train": {"models": {"light_gmb": {}}}})
    assert any("Did you mean 'light_gbm'?" in line for line in workload.problems())


ROWSS = "ingest.options.rowss: unknown parameter 'rowss'. Did you mean 'rows'?"


def test_wrong_options_and_recipes_are_problems():
    own = {
        "table": TABLE,
        "ingest": {"dataset": "generated", "options": {"rowss": 1}},
        "features": {"recipes": {"numerc": {}}},
    }
    options, recipes = build("w", own).problems()
    assert options.startswith(ROWSS)
    assert "Did you mean 'numeric'?" in recipes
    (dataset,) = build("w", {"table": TABLE, "ingest": {"dataset": "generatd"}}).problems()
    assert dataset.startswith("ingest.dataset: unknown dataset 'generatd'. Did you mean")


def test_a_run_and_check_name_a_wrong_option_alike(tmp_path, temper_home, monkeypatch):
    from flows.checking import check_all
    from flows.running import run_workload

    (tmp_path / "params.yaml").write_text(
        "workloads:\n  w:\n    table: {task: regression, target: y}\n"
        "    ingest: {dataset: generated, options: {rowss: 1}}\n"
    )
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    for asked in (check_all, lambda: run_workload("w", [], "ingest", False, False)):
        with pytest.raises(ParamsError) as caught:
            asked()
        assert str(caught.value).startswith(f"workloads.w.{ROWSS}")
        assert caught.value.exit_code == 2


def test_each_entry_of_a_list_is_a_line_with_the_nearest_name():
    own = {
        "table": TABLE,
        "clean": {"steps": ["typs", {"range": {"limit": {}}}]},
        "benchmark": {"engines": [{"onnx_runtime_cuda": {"tf23": True}}, "natve"]},
    }
    with pytest.raises(ParamsError) as caught:
        build("w", own)
    lines = str(caught.value).splitlines()
    assert [line.split(". ")[0] for line in lines] == [
        "workloads.w.clean.steps: [0] unknown step 'typs'",
        "workloads.w.clean.steps: [1] range.limit: unknown parameter 'limit'",
        "workloads.w.benchmark.engines: onnx_runtime_cuda.tf23: unknown parameter 'tf23'",
        "workloads.w.benchmark.engines: unknown engine 'natve'",
    ]
    meant = [line.partition("Did you mean ")[2].split("?")[0] for line in lines]
    assert meant == ["'types'", "'limits'", "'tf32'", "'native'"]
    assert "found" not in str(caught.value)


def test_what_was_found_is_said_once():
    levels = {"forecast": {"quantiles": [0.9, 0.5]}}
    with pytest.raises(ParamsError) as caught:
        build("w", {"table": TABLE, "features": levels})
    assert str(caught.value).count("found [0.9, 0.5]") == 1


def test_unknown_workload(tmp_path):
    (tmp_path / "params.yaml").write_text("workloads: {digits: {}}\n")
    with pytest.raises(ParamsError, match="Did you mean 'digits'"):
        params.section(params.read(tmp_path), "digit")


@pytest.mark.parametrize(
    "text", ["workloads: [", "- 1", "workload: {}", "workloads: {}\nactiv: []"]
)
def test_unreadable_params_file(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError):
        params.read(tmp_path)


def test_a_date_is_a_text(tmp_path: Path):
    """DVC reads params.yaml too, and fails at a date: every one of its commands."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text(
        "workloads: {ring: {ingest: {options: {start: 2026-01-31, days: ['x', 2026-02-01]}}}}"
    )
    with pytest.raises(ParamsError) as caught:
        params.read(tmp_path)
    assert 'workloads.ring.ingest.options.start: write "2026-01-31" in quotes' in str(caught.value)
    assert 'options.days.1: write "2026-02-01" in quotes' in str(caught.value)
    assert params.override({}, ["a.b=2026-01-31"]) == {"a": {"b": "2026-01-31"}}
    assert params.override({}, ["a.b=[1, x]"]) == {"a": {"b": [1, "x"]}}
