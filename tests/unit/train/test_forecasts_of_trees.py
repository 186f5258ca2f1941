"""Conformal offsets, and what trees see of windows: numpy and graph alike."""

import numpy as np
import pytest

from tasks.core.errors import DataError
from tasks.core.fitting import FitData
from tasks.core.graph import Graph, matrix
from tasks.core.sequence import Sequence
from tasks.train import conformal, naive, window_features
from tasks.train.window_features import Layout

KNOWN = ("clock", "sine of day", "cosine of day")
SEQUENCE = Sequence(
    context=30, horizon=8, channels=("y", "z", *KNOWN), known=KNOWN, static=("home",),
    quantiles=(0.1, 0.5, 0.9), season=6, step_s=600, scale=1.0,
)  # fmt: skip


def some(n: int, seed: int = 0, sequence: Sequence = SEQUENCE) -> np.ndarray:
    random = np.random.default_rng(seed)
    X = random.lognormal(2, 1, (n, len(sequence.feature_names))) * random.choice([1, 0.01, 1000])
    return np.round(X, 3).astype(np.float32)


BARE = {"channels": ("y", "z"), "known": ()}
OTHERS = {"own_past": False, "lead": 0, "channels": ("z", "x", *KNOWN)}


@pytest.mark.parametrize(
    "seen", [{}, {"lead": 7}, BARE, OTHERS], ids=["usual", "later", "bare", "others"]
)
@pytest.mark.parametrize("horizon", [1, 8, 40])
@pytest.mark.parametrize("context", [1, 5, 30])
@pytest.mark.parametrize("summaries", [True, False])
def test_the_graph_sees_the_same_bits(horizon, context, summaries, seen):
    import onnxruntime

    sequence = SEQUENCE.model_copy(update={"horizon": horizon, "context": context} | seen)
    layout, graph = Layout(sequence, summaries), Graph()
    names = [name for name, _ in layout.columns()]
    assert len(set(names)) == len(names)
    last = window_features.add(layout, graph)
    assert any(" mean " in name for name in names) == (summaries and context > 1)
    X = some(50, sequence=sequence)
    X[::3] *= -1  # the second half of a day, too
    expected = window_features.rows(layout, X)
    assert expected.shape == (50 * horizon, len(names))
    model = graph.model(matrix(X.shape[1]), last, "rows", len(names))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [found] = session.run(None, {"X": X})
    np.testing.assert_array_equal(found, expected)
    [one] = session.run(None, {"X": X[7:8]})
    np.testing.assert_array_equal(one, expected[7 * horizon : 8 * horizon])


def test_features_are_what_their_names_say():
    layout, X = Layout(SEQUENCE), some(20)
    names = [name for name, _ in layout.columns()]
    rows = window_features.rows(layout, X).reshape(20, 8, -1)
    target = SEQUENCE.past(X)[:, :, 0].astype(float)

    def of(name: str, step: int = 0) -> np.ndarray:
        return rows[:, step, names.index(name)]

    np.testing.assert_array_equal(of("y last"), target[:, -1])
    np.testing.assert_array_equal(of("y lag 2"), target[:, -3])
    np.testing.assert_allclose(of("z mean 6"), SEQUENCE.past(X)[:, -6:, 1].mean(1), rtol=1e-6)
    np.testing.assert_allclose(of("y spread 12"), target[:, -12:].std(1), rtol=1e-5)
    np.testing.assert_array_equal(of("y most 30"), target.max(1).astype(np.float32))
    np.testing.assert_array_equal(of("home"), X[:, -1])
    np.testing.assert_array_equal(of("clock of the step", 4), SEQUENCE.future(X)[:, 4, 0])
    np.testing.assert_array_equal(of("step", 4), np.full(20, 5))
    np.testing.assert_array_equal(of("y 1 season ago", 1), target[:, 30 - 1 + 2 - 6])
    np.testing.assert_array_equal(of("y 1 season ago", 7), target[:, 30 - 1 + 8 - 12])


def test_the_turn_of_a_cycle_grows_from_its_beginning_to_its_end():
    layout, X = Layout(SEQUENCE), some(24)
    angle = 2 * np.pi * np.arange(24) / 24
    size = SEQUENCE.past_size
    X[:, size + 1], X[:, size + 2] = np.sin(angle), np.cos(angle)
    names = [name for name, _ in layout.columns()]
    assert not any("sine" in name for name in names)
    turn = window_features.rows(layout, X).reshape(24, 8, -1)[:, 0, names.index("turn of the day")]
    assert turn[0] == 0
    assert turn[12] == 2
    assert (np.diff(turn) > 0).all()
    assert turn[-1] < 4


def test_every_column_of_x_gets_its_share():
    layout = Layout(SEQUENCE)
    features = len(SEQUENCE.feature_names)
    gains = np.array([1.0 if name == "z mean 3" else 0.0 for name, _ in layout.columns()])
    shares = window_features.shares(layout, gains, features)
    where = [SEQUENCE.feature_names[i] for i in np.flatnonzero(shares)]
    assert where == ["z[-2]", "z[-1]", "z[0]"]
    assert shares.sum() == pytest.approx(1)


def test_calibrated_intervals_cover_what_they_state():
    random, levels = np.random.default_rng(0), (0.05, 0.1, 0.5, 0.9, 0.95)
    spread = np.array([1.0, 4.0])  # of the steps

    def drawn(n: int) -> np.ndarray:
        return random.normal(0, 1, (n, 2)) * spread

    wrong = np.zeros((1, 2, 5)) + np.array([-0.3, -0.1, 0, 0.1, 0.3])
    covered = []
    for _ in range(40):
        offsets = conformal.offsets(drawn(400), np.repeat(wrong, 400, axis=0), levels)
        assert (offsets[:, 2] == 0).all()
        moved, y = wrong + offsets, drawn(2000)
        covered.append(((y >= moved[:, :, 1]) & (y <= moved[:, :, 3])).mean(0))
    assert np.abs(np.mean(covered, axis=0) - 0.8).max() < 0.01
    few = conformal.offsets(drawn(3), np.repeat(wrong, 3, axis=0), levels)
    assert np.isfinite(few).all()
    assert (conformal.offsets(drawn(0), wrong[:0], levels) == 0).all()


def test_quantiles_that_cross_are_moved_outwards_from_the_median():
    found = conformal.ascending(np.array([[3.0, 1.0, 2.0, 1.5, 5.0]]), median=2)
    np.testing.assert_array_equal(found, [[1.0, 1.0, 2.0, 2.0, 5.0]])


def test_a_naive_forecast_wants_its_season_in_the_context():
    short = SEQUENCE.model_copy(update={"context": 4})
    data = FitData(
        X=some(9, sequence=short), y=np.ones((9, 8)), X_stop=some(0, sequence=short),
        y_stop=np.ones((0, 8)), task="forecast", sequence=short,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"expected 6 steps or more, found 4"):
        naive.fit(
            data, short, 4 - 1 + np.arange(1, 9) - 6 * np.ceil(np.arange(1, 9) / 6).astype(int)
        )
