"""Every recipe plugin against the promises of its kind: Python and ONNX give the same numbers."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from tasks.core import plugins, preparation
from tasks.core.errors import DataError
from tasks.core.plugins import Plugin
from tasks.core.prepared import feed
from tasks.core.schema import Column, Columns

pytestmark = pytest.mark.contracts
NAMES = plugins.names("recipe")
START = datetime.datetime(2021, 3, 1)
PARAMS = {
    "numeric": [
        {},
        {"scale": "standard", "outliers": "clip", "limit": 2.5},
        {"outliers": "keep", "flag_missing": False},
        {"centres": 5},
        {"scale": "standard", "outliers": "keep", "centres": 1},
    ],
    "categorical": [{}, {"max_categories": 3}, {"min_rows": 1, "max_distinct": 1.0}],
    "date_time": [{}, {"cycles": ["year"], "min_rounds": 0, "elapsed": False}],
    "image": [{}, {"divisor": "255"}],
    "pca": [{}, {"variance": 0.5}, {"variance": 1.0, "score": False}],
}
CASES = [(name, params) for name in NAMES for params in PARAMS.get(name, [{}])]


def rows(n: int, seed: int, odd: bool) -> tuple[pl.DataFrame, Columns]:
    """Return a column of each type, two of most; `odd`: with what training did not see."""
    random = np.random.default_rng(seed)
    gone = random.random(n) < 0.15

    def some(values):
        return [None if g else v for v, g in zip(values, gone, strict=True)]

    words = [*"aaaabbbccd", "", "ü 东", *(["new", "a "] if odd else [])]
    normal, skewed = random.normal(5, 2, n), random.lognormal(0, 3, n)
    if odd:
        normal[:4] = [np.nan, np.inf, -np.inf, 1e38]
    seconds = random.integers(0, 3 * 365 * 86400, n)
    windows = random.normal(20, 3, (n, 5, 2)).astype(np.float32)
    windows[random.random(windows.shape) < 0.3] = np.nan  # some from the first step on
    if odd:
        windows[0] = np.nan
    when = [START + datetime.timedelta(seconds=int(s)) for s in seconds]
    frame = pl.DataFrame(
        {
            "normal": some(normal.tolist()),
            "skewed": skewed,
            "whole": random.integers(-5, 5, n),
            "epoch": seconds + 1_600_000_000,
            "word": some(random.choice(words, n).tolist()),
            "letter": random.choice(["x", "y"], n),
            "yes": some((random.random(n) < 0.3).tolist()),
            "sure": random.random(n) < 0.5,
            "when": some(when),
            "day": [w.date() for w in when],
            "picture": pl.Series(
                random.integers(0, 17, (n, 4, 3, 2)).astype(np.uint8),
                dtype=pl.Array(pl.UInt8, (4, 3, 2)),
            ),
            "past": pl.Series(windows, dtype=pl.Array(pl.Float32, (5, 2))),
        }
    )
    types = {"normal": "float", "skewed": "float", "whole": "integer", "epoch": "integer"}
    types |= {"word": "category", "letter": "category", "yes": "boolean", "sure": "boolean"}
    types |= {"when": "datetime", "day": "datetime", "picture": "image"}
    types |= {"past": "window"}
    return frame, {name: Column(type=kind) for name, kind in types.items()}


def fitted(name: str, params: dict):
    frame, columns = rows(300, 0, odd=False)
    if name == "raw":  # it fills no missing values
        columns = {n: c for n, c in columns.items() if not frame[n].null_count()}
    return preparation.fit(frame, columns, [Plugin(kind="recipe", name=name, params=params)])


def onnx_output(state, frame: pl.DataFrame) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        preparation.to_onnx(state).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["X"], feed(frame, preparation.inputs(state)))[0]


def test_the_recipes_are_found():
    assert set(NAMES) >= {"numeric", "categorical", "boolean", "date_time", "image", "sequence"}


@pytest.mark.parametrize(("name", "params"), CASES)
def test_onnx_gives_what_transform_gives(name, params):
    state = fitted(name, params)
    for frame, _ in (rows(200, 1, odd=True), rows(1, 2, odd=False)):
        X = preparation.transform(frame, state)
        assert X.shape == (len(frame), len(preparation.feature_names(state)))
        assert X.dtype == np.float32
        assert np.isfinite(X).all()
        assert np.array_equal(onnx_output(state, frame), X)  # to the bit: trees split at values


def test_a_time_at_a_quarter_of_a_circle_is_the_same_to_the_bit():
    start = datetime.datetime(2016, 1, 11)
    frame = pl.DataFrame(
        {"when": [start + datetime.timedelta(minutes=30 * i) for i in range(2000)]}
    )
    times = {"when": Column(type="datetime", role="time")}
    state = preparation.fit(frame, times, [Plugin(kind="recipe", name="date_time")])
    X = preparation.transform(frame, state)
    assert np.array_equal(onnx_output(state, frame), X)
    sides = np.sign(X)  # a tree that splits at 0 sees no side of it where there is none
    assert np.array_equal(np.sign(onnx_output(state, frame)), sides)
    assert (sides == 0).any()


@pytest.mark.parametrize(("name", "params"), CASES)
def test_the_state_is_json_and_names_are_unique(name, params):
    state = fitted(name, params)
    again = json.loads(json.dumps(state, allow_nan=False))
    frame, _ = rows(50, 3, odd=True)
    assert np.array_equal(preparation.transform(frame, again), preparation.transform(frame, state))
    names = preparation.feature_names(state)
    assert len(set(names)) == len(names)
    assert preparation.recipes(state) == [Plugin(kind="recipe", name=name, params=params)]


@pytest.mark.parametrize(("name", "params"), CASES)
def test_only_standard_operators(name, params):
    model = preparation.to_onnx(fitted(name, params))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 20)]
    assert all(node.domain == "" for node in model.graph.node)
    assert model.graph.output[0].name == "X"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "categorical"])
def test_it_opens_in_openvino(name):
    """Strings it does not take; doubles it computes in float32, which moves times by a minute."""
    import openvino

    state = fitted(name, {})
    frame, _ = rows(60, 1, odd=False)
    core = openvino.Core()
    model = core.read_model(preparation.to_onnx(state).SerializeToString())
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(feed(frame, preparation.inputs(state)))[0]
    allowed = 0.02 if any(i.dtype == "float64" for i in preparation.inputs(state)) else 1e-5
    assert np.abs(found - preparation.transform(frame, state)).max() <= allowed


def test_a_recipe_that_fills_nothing_names_what_is_missing():
    frame, columns = rows(100, 0, odd=False)
    with pytest.raises(DataError, match=r"column 'normal': \d+ values are missing"):
        preparation.fit(frame, columns, [Plugin(kind="recipe", name="raw")])
    known = Plugin(kind="recipe", name="raw", params={"missing": True})
    state = preparation.fit(frame, columns, [known])
    X, taken = preparation.transform(frame, state), preparation.feature_names(state)
    assert np.isnan(X).sum() == sum(frame[name].is_null().sum() for name in taken)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "raw"])
def test_an_all_missing_column_is_left_out_with_a_note(name):
    frame, columns = rows(100, 0, odd=False)
    frame = frame.with_columns(
        pl.lit(None, dtype=frame.schema[c]).alias(c) for c in ("normal", "word", "yes", "when")
    )
    state = preparation.fit(frame, columns, [Plugin(kind="recipe", name=name)])
    used = {i.name for i in preparation.inputs(state)}
    assert used
    assert not used & {"normal", "word", "yes", "when"}
    assert any(note.startswith("normal: left out") for note in state["notes"])
