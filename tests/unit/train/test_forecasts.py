"""The networks that forecast, as models: what they learn, calibrate, tell and go on from."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.core import progress
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext
from tasks.core.sequence import by_channel
from tasks.nets import fitting
from tasks.nets.tuning import Tuning, taught_by
from tasks.train import forecasts
from tasks.train.models import lstm, tcn, tft
from tests.forecasts import windows

QUICK = {"width": 8, "batch_size": 32, "learning_rate": 0.02}
MODELS = {"lstm": lstm, "tcn": tcn, "tft": tft}


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_it_learns_a_season_and_what_is_known_better_than_the_last_value(name):
    module, data = MODELS[name], windows()
    model = module.fit(data, module.Params(**QUICK, epochs=20), FitContext())
    predicted = module.predict(model, data.X_stop)
    sequence = data.sequence
    assert sequence is not None
    last = sequence.past(data.X_stop)[:, -1:, 0]
    error = np.abs(predicted[:, :, 1] - data.y_stop).mean()
    assert error < 0.4 * np.abs(last - data.y_stop).mean()
    shares = by_channel(sequence, module.importances(model))
    assert shares["known"] > 3 * shares["other"]


def test_quantiles_hold_on_the_rows_kept_back():
    data = windows(kept=100)
    model = lstm.fit(data, lstm.Params(**QUICK, epochs=3), FitContext())
    below = (data.y_stop[:, :, None] <= lstm.predict(model, data.X_stop)).mean(0)
    assert (below[:, 0] <= 0.1).all()
    assert (below[:, 2] >= 0.9).all()
    assert np.abs(below[:, [0, 2]] - [0.1, 0.9]).max() < 0.02
    free = forecasts._free(model)
    assert np.abs(lstm.predict(free, data.X_stop) - lstm.predict(model, data.X_stop)).max() > 0
    np.testing.assert_array_equal(  # the median is the network's own
        lstm.predict(free, data.X_stop)[:, :, 1], lstm.predict(model, data.X_stop)[:, :, 1]
    )


def test_early_stopping_is_by_the_pinball_loss():
    data = windows()
    model = tcn.fit(data, tcn.Params(**QUICK, epochs=4), FitContext())
    scaled = forecasts._scaled(data, model.build)
    q = fitting.outputs_of(forecasts._free(model).module, data.X_stop).reshape(60, 3, 3)
    away = scaled.y_stop[:, :, None] - q
    levels = np.array([0.1, 0.5, 0.9])
    loss = np.where(away >= 0, levels * away, (levels - 1) * away).mean()
    assert min(model.curves["stop loss"]) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch, name):
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    module, data = MODELS[name], windows(rows=120, kept=40)
    params = module.Params(**QUICK | {"width": 4}, epochs=4, dropout=0.2)
    whole = module.fit(data, params, FitContext(seed=4))
    context = FitContext(seed=4, checkpoint=tmp_path)

    def stop(share: float, text: str) -> None:
        if text.startswith("epoch 2 "):
            raise Killed

    with pytest.raises(Killed), progress.to(stop):
        module.fit(data, params, context)
    resumed = module.fit(data, params, context)
    np.testing.assert_array_equal(
        module.predict(resumed, data.X_stop), module.predict(whole, data.X_stop)
    )
    assert resumed.curves == whole.curves
    assert resumed.facts == whole.facts


def test_a_transformer_tells_what_it_looks_at():
    data = windows(static=2)
    model = tft.fit(data, tft.Params(**QUICK, epochs=2), FitContext())
    facts = json.loads(json.dumps(tft.facts(model)))
    assert set(facts["variables"]["past"]) == {"target", "other", "known"}
    assert set(facts["variables"]["static"]) == {"mean", "spread", "s0", "s1"}
    for shares in facts["variables"].values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    attention = facts["attention_by_distance"]
    assert len(attention) == 12 + 1
    assert min(attention) >= 0


@pytest.mark.parametrize("name", MODELS)
def test_a_torch_module_gives_what_the_model_predicts(name):
    import torch

    module, data = MODELS[name], windows(rows=80, kept=20)
    params = module.Params(**QUICK | {"width": 4}, epochs=1, transform="log", relative="last")
    model = module.fit(data, params, FitContext())
    with torch.no_grad():
        found = module.torch_module(model)(torch.from_numpy(data.X)).numpy()
    np.testing.assert_allclose(found, module.predict(model, data.X).reshape(60, 9), rtol=1e-4)


def test_further_fitting_is_calibrated_again_and_leaves_the_model_alone():
    data = windows()
    params = lstm.Params(**QUICK, epochs=3)
    model = lstm.fit(data, params, FitContext())
    before = lstm.predict(model, data.X_stop)
    teacher = taught_by(model.module, 0.5, 3.0)
    tuned = lstm.tune(model, params, data, FitContext(), Tuning(2, 1.0, objective=teacher))
    np.testing.assert_array_equal(lstm.predict(model, data.X_stop), before)
    after = lstm.predict(tuned, data.X_stop)
    assert not np.array_equal(after, before)
    below = (data.y_stop[:, :, None] <= after).mean(0)
    assert (below[:, 0] <= 0.1).all()
    assert (below[:, 2] >= 0.9).all()


def test_a_teacher_of_quantiles_brings_its_own_loss():
    import torch

    data = windows(rows=80, kept=20)
    model = lstm.fit(data, lstm.Params(**QUICK, epochs=1), FitContext())
    X, y = torch.from_numpy(data.X), torch.zeros(60, 3)
    with torch.no_grad():
        outputs = model.module(X)
        assert float(taught_by(model.module, 1.0, 3.0)(X, outputs, y)) == pytest.approx(0, abs=1e-9)
        half = float(taught_by(model.module, 0.5, 3.0)(X, outputs, y))
        assert half == pytest.approx(0.5 * float(model.module.loss(outputs, y)))


def test_narrower_networks_and_tables_that_are_no_windows():
    assert forecasts.narrower(tcn.Params(width=32), 0.25).width == 8
    assert forecasts.narrower(tft.Params(width=16, heads=2), 0.3).width % 2 == 0
    data = windows(rows=80, kept=20)
    table = type(data)(data.X, data.y, data.X_stop, data.y_stop, "forecast")
    with pytest.raises(ParamsError, match=r"train\.models\.lstm: needs windows"):
        lstm.fit(table, lstm.Params(), FitContext())
    with pytest.raises(ValidationError, match="a multiple of heads"):
        tft.Params(width=9, heads=2)
