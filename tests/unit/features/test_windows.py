"""Windows: what a forecast may see, and what it is asked."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import DataError, ParamsError
from tasks.core.fitting import training_data
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Table
from tasks.core.sequence import by_channel
from tasks.features import windows
from tasks.features.params import Forecast, Params
from tasks.features.prepare import prepare

START = datetime(2026, 3, 1)
COLUMNS = {
    "time": Column(type="datetime", role="time"),
    "home": Column(type="category", role="group"),
    "kind": Column(type="category"),
    "y": Column(type="float", role="target"),
    "z": Column(type="float"),
}
SPEC = Table(task="forecast", target="y", columns=COLUMNS)
PARAMS = Forecast(horizon=3, context=5, calendar=False)


def table(steps: int = 60, homes: str = "ab", step: timedelta = timedelta(hours=1)) -> pl.DataFrame:
    """Return y = 1000 home + step, z = -y, by home and then time."""
    rows = [
        {"time": START + step * t, "home": h, "kind": f"kind {h}", "y": 1000.0 * i + t}
        for i, h in enumerate(homes)
        for t in range(steps)
    ]
    frame = pl.DataFrame(rows).with_columns(z=-pl.col("y"))
    return frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.UInt32))


def test_a_window_ends_with_its_origin_and_the_target_follows():
    made = windows.cut(table(), SPEC, PARAMS)
    past = made.frame["past"].to_numpy()
    assert past.shape == (2 * (60 - 5 - 3 + 1), 5, 2)
    np.testing.assert_array_equal(past[0], [[t, -t] for t in range(5)])
    np.testing.assert_array_equal(made.y[0], [5, 6, 7])
    np.testing.assert_array_equal(past[:, -1, 0], made.frame["y"].to_numpy())
    np.testing.assert_array_equal(made.y[:, 0], past[:, -1, 0] + 1)
    assert made.sequence.channels == ("y", "z")
    assert (made.sequence.season, made.sequence.step_s) == (24, 3600)


@pytest.mark.parametrize(("lead", "first"), [(None, 0), (0, 0), (4, 4)])
def test_a_sequence_regression_tells_the_target_from_the_other_channels(lead, first):
    params = Forecast(own_past=False, lead=lead, horizon=2, context=5, calendar=("day",))
    frame = table(homes="a").with_columns(
        y=pl.when(pl.int_range(pl.len()).is_between(10, 20)).then(None).otherwise("y")
    )
    made = windows.cut(frame, SPEC, params)
    past, future = (made.frame[n].to_numpy() for n in ("past", "future"))
    assert made.sequence.channels == ("z", "sine of day", "cosine of day")
    assert (made.sequence.lead, made.sequence.own_past) == (first, False)
    np.testing.assert_array_equal(made.y[:, 0], -past[:, -1, 0] + first)
    np.testing.assert_array_equal(made.y[:, 1], made.y[:, 0] + 1)
    angle = 2 * np.pi * made.y[:, 0] / 24  # of the first step's own hour
    np.testing.assert_allclose(future[:, 0], np.stack([np.sin(angle), np.cos(angle)], 1), atol=1e-5)
    hours = {int(v) for v in -past[:, -1, 0]}  # the target missed there does not matter before
    assert hours == set(range(4, 60 - first - 1)) - set(range(10 - first - 1, 21 - first))
    names = made.sequence.feature_names
    assert names[:3] == ["z[-4]", "sine of day[-4]", "cosine of day[-4]"]
    assert names[-2:] == [f"cosine of day[+{first + 1}]", "kind"]


@pytest.mark.parametrize(("every", "stride", "block"), [(1, 1, 50), (1, 5, 10), (10, 1, 4)])
def test_a_block_is_as_long_as_horizon_and_season_however_rare_origins_are(every, stride, block):
    frame = table(200).with_columns(y=pl.when(pl.int_range(pl.len()) % every == 0).then("y"))
    params = Forecast(own_past=False, context=5, calendar=False, stride=stride)
    assert windows.cut(frame, SPEC, params).sequence.block == block


def test_a_forecast_may_begin_some_steps_later():
    made = windows.cut(table(), SPEC, PARAMS.model_copy(update={"lead": 6}))
    np.testing.assert_array_equal(made.y[:, 0], made.frame["y"].to_numpy() + 6)
    assert len(made.y) == 2 * (60 - 5 - 8 + 1)


def test_windows_without_the_targets_past_want_other_channels():
    with pytest.raises(ParamsError, match="own_past: false wants a numeric column beside"):
        windows.cut(table(), SPEC, Forecast(own_past=False, channels=[]))
    with pytest.raises(ValueError, match="lead: expected 1 or more, found 0"):
        Forecast(lead=0)


def test_windows_stay_within_their_group_in_any_order_of_rows():
    shuffled = table().sample(fraction=1, shuffle=True, seed=3)
    made = windows.cut(shuffled, SPEC, PARAMS)
    past = made.frame["past"].to_numpy()[:, :, 0]
    assert (np.floor(past / 1000) == np.floor(made.y[:, :1] / 1000)).all()
    assert (np.diff(past, axis=1) == 1).all()
    assert made.frame["kind"].n_unique() == 2  # the same in a home: it goes along


def test_what_is_seen_does_not_change_when_the_future_is_cut_off():
    whole, short = table(60), table(40)
    params = Forecast(horizon=3, context=5, calendar=("day", "week"))
    found = [
        windows.cut(f, SPEC, params).frame.drop("future").sort("home", "time")
        for f in (whole, short)
    ]
    keys = ["home", "time"]
    shared = found[0].join(found[1].select(keys), on=keys, how="semi")
    assert len(shared) == len(found[1]) > 50
    np.testing.assert_array_equal(shared["past"].to_numpy(), found[1]["past"].to_numpy())


def test_a_gap_is_missing_values_and_no_target():
    frame = table(homes="a").filter(
        ~pl.col("time").is_between(*[START + timedelta(hours=h) for h in (20, 22)])
    )
    made = windows.cut(frame, SPEC, PARAMS)
    assert not np.isnan(made.y).any()
    past = made.frame["past"].to_numpy()[:, :, 0]
    times = made.frame["time"].to_list()
    at = times.index(START + timedelta(hours=25))
    np.testing.assert_array_equal(past[at], [np.nan, np.nan, 23, 24, 25])
    asked = {(t - START).total_seconds() / 3600 for t in times}
    assert not asked & {17, 18, 19, 20, 21, 22}  # a target or an origin in the gap
    assert not asked & {23, 24}  # too little of the past is there


def test_the_calendar_has_the_cycles_that_came_twice_or_those_asked_for():
    def turns(steps: int, **params) -> list[str]:
        known = windows.cut(table(steps, homes="a"), SPEC, Forecast(context=5, **params))
        return [name.removeprefix("sine of ") for name in known.sequence.known[::2]]

    assert turns(40) == []
    assert turns(60) == ["day"]
    assert turns(24 * 15) == ["day", "week"]
    assert turns(24 * 365) == ["day", "week"]  # one summer says nothing of the next
    assert turns(24 * 735) == ["day", "week", "year"]
    assert turns(60, calendar=["week", "year"]) == ["week", "year"]
    assert turns(60, calendar=False) == []


def test_known_columns_and_the_calendar_are_seen_ahead():
    spec = SPEC.model_copy()
    made = windows.cut(table(), spec, Forecast(horizon=3, context=5, known=["z"]))
    future = made.frame["future"].to_numpy()
    names = made.sequence.known
    assert names[0] == "z"
    assert names[1] == "sine of day"
    np.testing.assert_array_equal(future[:, :, 0], -made.y)
    hour = np.array([(t - START).total_seconds() / 3600 for t in made.frame["time"]])
    np.testing.assert_allclose(future[:, 0, 1], np.sin((hour + 1) / 24 * 2 * np.pi), atol=1e-6)
    assert made.sequence.channels[-len(names) :] == names
    daily = windows.cut(table(step=timedelta(days=1)), SPEC, Forecast(context=5))
    assert daily.sequence.known[0] == "sine of week"
    assert daily.sequence.season == 7


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.with_columns(time=pl.col("time") + pl.duration(seconds=pl.col(ROW) % 7 * 60)),
         DataError, "put the table onto a grid with the clean step `resample`"),
        (lambda f: pl.concat([f, f[:1]]), DataError, "two rows at one time"),
        (lambda f: f.head(4), DataError, "no window fits"),
        (lambda f: f.with_columns(time=pl.lit(None, dtype=pl.Datetime)), DataError, "no time"),
        (lambda f: f.with_columns(time=pl.col(ROW)), DataError, "datetime column of role time"),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        windows.cut(change(table(homes="a")), SPEC, PARAMS)


def test_unknown_channels_and_too_much_memory_are_refused():
    with pytest.raises(ParamsError, match="zz"):
        windows.cut(table(), SPEC, Forecast(context=5, channels=["zz"]))
    for own_past in (True, False):
        params = Forecast(context=5, known=["y"], own_past=own_past)
        with pytest.raises(ParamsError, match="known in advance, found 'y', the target"):
            windows.cut(table(), SPEC, params)
    big = table(20_000, homes="a", step=timedelta(seconds=60))
    with pytest.raises(DataError, match=r"Raise features\.forecast\.stride"):
        windows.cut(big, SPEC, Forecast(context=500, max_mib=10))


def test_no_training_target_lies_in_the_judged_part(tmp_path):
    params = Params(forecast=Forecast(horizon=6, context=5), stop_share=0.2)
    prepare(table(200), SPEC, params, 0, tmp_path)
    prepared = Prepared(tmp_path)
    train, test = prepared.table("train"), prepared.table("test")
    first = test["time"].min()
    assert (train["time"] + timedelta(hours=6) < first).all()
    kept = prepared.stop
    fitted, stop = train.filter(pl.Series(kept == 0)), train.filter(pl.Series(kept == 1))
    assert fitted["time"].max() + timedelta(hours=6) < stop["time"].min()
    assert (kept == 2).sum() == 2 * 6
    data = training_data(prepared)
    assert len(data.X) + len(data.X_stop) + 12 == len(train)
    sequence = prepared.meta.sequence
    assert sequence is not None
    assert sequence.scale == 24  # y rises by one an hour
    assert data.X.shape[1] == len(sequence.feature_names) == len(set(sequence.feature_names))
    shares = by_channel(sequence, np.full(data.X.shape[1], 1 / data.X.shape[1]))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["y"] == pytest.approx(5 / data.X.shape[1])
    np.testing.assert_array_equal(sequence.past(data.X)[:, -1, 0], data.y[:, 0] - 1)


def test_another_split_is_refused(tmp_path):
    params = Params(forecast=PARAMS, split={"name": "at_random"})
    with pytest.raises(ParamsError, match="a forecast is split by_time"):
        prepare(table(), SPEC, params, 0, tmp_path)


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5, 0.1), (0.0, 0.5), (0.5, 0.5)])
def test_quantiles_ascend_and_hold_the_median(levels):
    with pytest.raises(ValueError, match=r"ascending|median"):
        Forecast(quantiles=levels)
