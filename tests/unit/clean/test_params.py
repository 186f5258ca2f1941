"""The list of steps as params.yaml writes it."""

import pytest
from pydantic import ValidationError

from tasks.clean.params import DEFAULT, Params
from tasks.core.plugins import names


def test_default_steps_exist():
    steps = Params().steps
    assert tuple(step.name for step in steps) == DEFAULT
    assert set(DEFAULT) <= set(names("clean_step"))


def test_each_way_to_write_a_step_gives_the_same():
    written = [
        "text",
        {"text": None},
        {"text": {}},
        {"name": "text", "kind": "clean_step", "params": {}},
    ]
    assert len({str(step) for step in Params(steps=written).steps}) == 1  # type: ignore[arg-type]


def test_params_survive_json():
    params = Params(steps=["types", {"text": {"case": "lower"}}])  # type: ignore[arg-type]
    assert Params(**params.model_dump(mode="json")) == params
    assert params.steps[1].typed.case == "lower"


def test_every_error_at_once():
    wrong = [
        "typs",
        {"text": {"case": "title", "strp": True}},
        {"range": {"limits": {"a": {"min": 2, "max": 1}}}},
        7,
    ]
    with pytest.raises(ValidationError) as found:
        Params(steps=wrong)  # type: ignore[arg-type]
    message = str(found.value)
    assert "Did you mean 'types'" in message
    assert "text.case" in message
    assert "text.strp" in message
    assert "min 2 is above max 1" in message
    assert "[3]" in message


def test_a_step_alone_is_no_list():
    with pytest.raises(ValidationError, match="expected a list of steps"):
        Params(steps="text")  # type: ignore[arg-type]
