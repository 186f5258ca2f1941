"""Every split plugin against the promises of its kind."""

import datetime

import numpy as np
import polars as pl
import pytest

from tasks.core import plugins
from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Column, Table
from tasks.core.stopping import stop_mask

pytestmark = pytest.mark.contracts
NAMES = plugins.names("split")
DRAWN = [name for name in NAMES if name != "given"]  # they follow a share and a seed


def sample(n: int = 200, seed: int = 1) -> tuple[pl.DataFrame, Table]:
    """Return rows with everything a split may follow; times and groups come several at a time."""
    random = np.random.default_rng(seed)
    start = datetime.datetime(2024, 1, 1)
    times = [start + datetime.timedelta(minutes=int(m)) for m in random.integers(0, n // 2, n)]
    frame = pl.DataFrame(
        {
            ROW: np.arange(1, n + 1, dtype=np.uint32),
            "x": random.normal(size=n),
            "when": times,
            "who": random.integers(0, 25, n).astype(str),
            "latitude": random.uniform(40, 50, n),
            "longitude": random.uniform(0, 10, n),
            "part": random.choice(["train", "val", "test"], n, p=[0.6, 0.2, 0.2]),
            "y": random.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    columns = {
        "x": Column(type="float"),
        "when": Column(type="datetime", role="time"),
        "who": Column(type="category", role="group"),
        "latitude": Column(type="float"),
        "longitude": Column(type="float"),
        "part": Column(type="category", role="split"),
        "y": Column(type="category", role="target"),
    }
    return frame, Table(task="classification", target="y", columns=columns)


def opened(name: str):
    plugin = Plugin(kind="split", name=name)
    return plugin.module, plugin.typed, *sample()


def test_the_splits_are_found():
    assert len(NAMES) >= 6
    assert set(NAMES) >= {"at_random", "stratified", "by_time", "by_group", "given"}


@pytest.mark.parametrize("name", NAMES)
def test_parts_hold_every_row_once(name):
    module, params, frame, spec = opened(name)
    parts = module.parts(frame, spec, params, 0)
    assert "train" in parts
    assert {"val", "test"} & set(parts)
    rows = np.concatenate(list(parts.values()))
    assert sorted(rows.tolist()) == list(range(len(frame)))
    assert all(len(p) for p in parts.values())


@pytest.mark.parametrize("name", DRAWN)
def test_the_test_part_has_about_its_share(name):
    module, _, frame, spec = opened(name)
    for share in (0.2, 0.4):
        parts = module.parts(frame, spec, module.Params(test_share=share), 0)
        assert len(parts["test"]) == pytest.approx(share * len(frame), abs=0.05 * len(frame))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_and_leaves_the_frame_alone(name):
    module, params, frame, spec = opened(name)
    before = frame.clone()
    first, second = (module.parts(frame, spec, params, 7) for _ in range(2))
    assert all(np.array_equal(first[part], second[part]) for part in first)
    pairs = [module.resamples(frame, spec, params, 10, 7) for _ in range(2)]
    for (a, b), (c, d) in zip(*pairs, strict=True):
        assert np.array_equal(a, c)
        assert np.array_equal(b, d)
    assert frame.equals(before)


@pytest.mark.parametrize("name", NAMES)
def test_ten_resamples_of_which_the_first_five_are_those_of_five(name):
    module, params, frame, spec = opened(name)
    ten = module.resamples(frame, spec, params, 10, 0)
    assert len(ten) == 10
    for train, test in ten:
        assert len(train)
        assert len(test)
        assert not set(train) & set(test)
    if name not in ("by_time", "given"):  # windows depend on how many there are
        five = module.resamples(frame, spec, params, 5, 0)
        assert all(np.array_equal(a[1], b[1]) for a, b in zip(five, ten, strict=False))
        assert sorted(np.concatenate([test for _, test in five])) == list(range(len(frame)))


@pytest.mark.parametrize("name", NAMES)
def test_stop_rows_are_some_and_leave_every_class(name):
    _, _, frame, spec = opened(name)
    mask = stop_mask(Plugin(kind="split", name=name), frame, spec, 0.1, 0)
    assert mask.dtype == bool
    assert 0 < mask.sum() < 0.25 * len(frame)
    assert frame.filter(~mask)["y"].n_unique() == 3


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_words_what_it_did(name):
    module, params, frame, spec = opened(name)
    assert len(module.note(frame, spec, params)) > 10


def test_time_goes_forward_and_ties_stay_together():
    module, params, frame, spec = opened("by_time")
    parts = module.parts(frame, spec, params, 0)
    assert frame["when"][parts["train"]].max() < frame["when"][parts["test"]].min()
    previous = -1
    for train, test in module.resamples(frame, spec, params, 10, 0):
        assert frame["when"][train].max() < frame["when"][test].min()
        assert len(train) > previous  # the window expands
        previous = len(train)
    mask = module.stop(frame, spec, params, 0.1, 0)
    assert frame.filter(~mask)["when"].max() < frame.filter(mask)["when"].min()


@pytest.mark.parametrize("name", ["by_group", "spatial_blocks"])
def test_groups_stay_whole(name):
    module, params, frame, spec = opened(name)
    keys = module._keys(frame, spec if name == "by_group" else params)
    parts = module.parts(frame, spec, params, 0)
    pairs = [(parts["train"], parts["test"]), *module.resamples(frame, spec, params, 10, 0)]
    mask = module.stop(frame, spec, params, 0.1, 0)
    for train, test in [*pairs, (np.flatnonzero(~mask), np.flatnonzero(mask))]:
        assert not set(keys[train]) & set(keys[test])


def test_classes_have_their_share_in_every_fold():
    module, params, frame, spec = opened("stratified")
    shares = frame["y"].value_counts(normalize=True).sort("y")["proportion"].to_numpy()
    for _, test in module.resamples(frame, spec, params, 10, 0):
        found = [(frame["y"][test] == c).mean() for c in "abc"]
        assert np.allclose(found, shares, atol=0.03)
