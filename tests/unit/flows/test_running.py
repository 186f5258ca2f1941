"""What is said at the end of a run that stopped after a step."""

import pytest
import yaml

from flows.running import save_settings, summarise
from tasks.core.artifacts import named
from tests import samples

COUNT = {"ran": 3, "cached": 0}


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    samples.home(monkeypatch, tmp_path)


def said(capsys, made, until):
    assert summarise("digits", made, False, COUNT, until) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("until", "last"), [("clean", "clean/table"), ("validate", "validate/")])
def test_the_last_artifact_is_of_the_step_that_was_asked_for(capsys, until, last):
    steps = samples.early_steps()
    documents = samples.artifact("validate/expectations", {"a.json": "{}"})
    made = named(*steps, documents)  # they came last, beside the rest
    assert f"Last artifact: {last}" in said(capsys, made, until)


def test_a_run_until_train_ends_with_a_model_and_not_with_how_its_fit_went(capsys):
    made = named(*samples.fitted(), *samples.telemetry())
    assert "Last artifact: train/" in said(capsys, made, "train")


def test_a_run_until_compare_shows_the_leaderboard(capsys):
    shown = said(capsys, named(*samples.fitted(), samples.board()), "compare")
    assert "digits: judged on test (360 rows)" in shown
    lines = shown.splitlines()
    for name in samples.MODELS:
        assert any(name in line and "±" in line for line in lines), name
    assert "Last artifact: compare/leaderboard in " in shown


SHARED = """\
# of all
workloads:
  one:
    table: &table {target: y, columns: {y: {type: float, min: 0}}}  # as measured
    train: {models: {lstm: &net {depth: 1}, average: {members: {lstm: *net}}}}
  two:
    table: *table
    clean: {steps: [types]}
  three: {<<: {table: *table}}
"""


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_what_is_saved_for_one_workload_leaves_what_others_share_with_it(
    name, monkeypatch, tmp_path
):
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    path = tmp_path / "params.yaml"
    path.write_text(SHARED)
    save_settings(name, ["table.columns.y.min=5", "compare.resamples=3"])
    text, was = path.read_text(), yaml.safe_load(SHARED)["workloads"]
    now = yaml.safe_load(text)["workloads"]
    assert now.pop(name) == was.pop(name) | {
        "table": {"target": "y", "columns": {"y": {"type": "float", "min": 5}}},
        "compare": {"resamples": 3},
    }
    assert now == was
    assert text.startswith("# of all\n")
    if name != "one":
        assert "# as measured" in text
        save_settings("one", ["train.models.average.members.lstm.depth=2"])
        models = yaml.safe_load(path.read_text())["workloads"]["one"]["train"]["models"]
        assert models == {"lstm": {"depth": 1}, "average": {"members": {"lstm": {"depth": 2}}}}
