import pytest
from pydantic import ValidationError

from tasks.compress.params import Params
from tasks.core.errors import ParamsError


def test_default_recipes_are_plugins_in_order():
    params = Params()
    assert [p.name for p in params.plugins("fp16")] == ["fp16"]
    (step,) = params.plugins("int8_trt")
    assert (step.name, step.typed.dialect) == ("ptq_int8", "int8_trt")
    assert params.plugins("truncate_half")[0].typed.share == 0.5


def test_hybrid_recipe_keeps_its_order():
    params = Params(recipes={"both": [{"truncate": {"share": 0.3}}, "fp16"]})
    assert [p.name for p in params.plugins("both")] == ["truncate", "fp16"]


def test_every_problem_of_the_recipes_is_named_at_once():
    recipes = {
        "fp32": ["fp16"],
        "Bad-Label": ["fp16"],
        "empty": [],
        "typo": ["ptq_int"],
        "two": [{"fp16": {}, "truncate": {}}],
        "range": [{"truncate": {"share": 2}}],
        "name": [{"ptq_int8": {"dialekt": "int8_cpu"}}],
    }
    with pytest.raises(ValidationError) as caught:
        Params(recipes=recipes)
    text = str(caught.value)
    assert "Did you mean 'ptq_int8'" in text
    for word in ("fp32", "Bad-Label", "empty", "['fp16', 'truncate']", "share", "dialekt"):
        assert word in text


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(ParamsError, match="Did you mean 'int8_cpu'"):
        Params().plugins("int8cpu")
