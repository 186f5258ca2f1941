"""What is said at the end of a run that stopped after a step."""

import pytest

from flows.running import summarise
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
