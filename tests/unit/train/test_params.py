import pytest

from tasks.core.errors import ParamsError
from tasks.train.params import Params, plugins


def test_the_models_become_plugins_in_order():
    chosen = plugins(Params(models={"linear": {"alpha": 2.0}, "baseline": {}}))
    assert [p.name for p in chosen] == ["linear", "baseline"]
    assert chosen[0].typed.alpha == 2.0


def test_every_problem_is_told_at_once():
    params = Params(models={"lineer": {}, "linear": {"alpha": -1, "alfa": 2}, "forest": {}})
    with pytest.raises(ParamsError) as caught:
        plugins(params, image=False)
    text = str(caught.value)
    assert "Did you mean 'linear'?" in text
    assert "train.models.linear.alpha" in text
    assert "train.models.linear.alfa: unknown parameter 'alfa'. Did you mean 'alpha'?" in text
    assert "unknown model 'forest'" in text


def test_models_that_repeat_the_targets_past_are_refused_where_it_is_not_seen():
    members = {"light_gbm": {}, "lstm": {"relative": "last"}}
    models = {"persistence": {}, "tcn": {"relative": "window"}, "average": {"members": members}}
    assert plugins(Params(models=models), "forecast")
    with pytest.raises(ParamsError) as caught:
        plugins(Params(models=models), "forecast", own_past=False)
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert told[0].startswith("train.models.persistence: it repeats the target's own past, which")
    assert "train.models.average: lstm: relative: last is of the target's own past" in told[2]
    fine = {"climatology": {}, "light_gbm": {}, "lstm": {}, "average": {}}
    assert plugins(Params(models=fine), "forecast", own_past=False)


def test_no_model_at_all_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Params(models={})
