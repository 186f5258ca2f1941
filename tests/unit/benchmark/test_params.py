import pytest
from pydantic import ValidationError

from tasks.benchmark.params import Params


def test_engines_become_plugins_with_their_parameters():
    params = Params(engines=["native", {"open_vino": {"precision": "bf16"}}])
    native, open_vino = params.plugins()
    assert (native.name, native.params) == ("native", {})
    assert open_vino.typed.precision == "bf16"


def test_every_problem_is_named():
    with pytest.raises(ValidationError) as caught:
        Params(engines=["open_vin", {"open_vino": {"precision": "f8"}}, "native", "native"])
    text = str(caught.value)
    assert "Did you mean 'open_vino'" in text
    assert "f8" in text
    assert "native: stands there twice" in text


@pytest.mark.parametrize("bad", [{"rounds": 5}, {"warm_up": 3}, {"batch_sizes": [0]}])
def test_the_protocol_has_floors(bad):
    with pytest.raises(ValidationError):
        Params(**bad)


def test_batch_sizes_are_sorted():
    assert Params(batch_sizes=[64, 1, 8]).batch_sizes == [1, 8, 64]
