"""`temper compress` looks at model and table before it writes, and takes back what fails."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows import given, running
from tasks.core import progress
from tasks.core.errors import DataError, ParamsError, TransientError

PARAMS = "active: []\nworkloads:\n  other:\n    table: {task: regression, target: y}\n"


@pytest.fixture
def place(temper_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project without DVC, a LightGBM file on four columns and a table that suits it."""
    import lightgbm

    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    (tmp_path / "params.yaml").write_text(PARAMS)
    X = np.random.default_rng(0).normal(size=(200, 4))
    table = pl.DataFrame({c: X[:, i] for i, c in enumerate("abcd")}).with_columns(y=X[:, 0])
    data = lightgbm.Dataset(X, table["y"].to_numpy(), feature_name=list("abcd"))
    settings = {"objective": "regression", "verbose": -1, "num_threads": 1}
    lightgbm.train(settings, data, 3).save_model(tmp_path / "m.txt")
    table.write_csv(tmp_path / "rows.csv")
    table.drop("c").write_csv(tmp_path / "less.csv")
    table.select("d", "c", "b", "a", "y").write_csv(tmp_path / "order.csv")
    table.with_columns(c=pl.lit(1.5)).write_csv(tmp_path / "constant.csv")
    (tmp_path / "readme.onnx").write_text("# A readme")
    text = (tmp_path / "m.txt").read_text()
    (tmp_path / "damaged.txt").write_text(f"{text[: text.index('split_gain')]}\nend of trees\n")
    return tmp_path


def make(place: Path, model: str = "m.txt", data: str = "rows.csv", target: str = "y"):
    return given.make("m", place / model, place / data, target, None)


def nothing_stays(place: Path) -> None:
    assert (place / "params.yaml").read_text() == PARAMS
    assert not list((place / "data" / "raw").glob("**/*m*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "rows.csv"}, r"rows\.csv: expected a model's file: \.onnx .*\.keras \(Keras\)$"),
        ({"model": "readme.onnx"}, r"readme\.onnx: not an ONNX file"),
        ({"model": "damaged.txt"}, r"damaged\.txt: it is damaged or cut off: its library does not"),
        ({"target": "z"}, r"unknown target column 'z'"),
        ({"data": "none.csv"}, r"expected a file with a table"),
        ({"data": "readme.onnx"}, r"readme\.onnx"),
        ({"data": "less.csv"}, r"m\.txt: it wants 4 features, the table has 3 .* lacks c"),
        ({"data": "order.csv"}, r"m\.txt: .*another order: a, b, c, d; the table's are d, c, b, a"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(place, arguments, words):
    with pytest.raises((ParamsError, DataError), match=words):
        make(place, **arguments)
    nothing_stays(place)


def test_the_corrected_command_goes_through(place: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(DataError):
        make(place, target="z")
    make(place)
    assert "temper run" not in capsys.readouterr().out, "it runs at once"
    with pytest.raises(ParamsError, match=r"workload 'm' already: `temper run m` .*--name"):
        make(place)
    (place / "params.yaml").write_text(PARAMS)
    with pytest.raises(DataError, match=r"exists already; remove it and m\.dvc, or .*--name"):
        make(place)


def test_a_column_that_the_model_wants_is_a_feature(place: Path):
    make(place, data="constant.csv")
    assert '"c": {type: float}   # the model wants it' in ((place / "params.yaml").read_text())


@pytest.mark.parametrize(
    ("error", "fitted", "stays"),
    [
        (DataError("bad rows"), False, False),
        (DataError("late"), True, True),
        (TransientError("a server"), False, True),
    ],
)
def test_a_run_that_stops_at_the_beginning_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, fitted: bool, stays: bool
):
    def run(*_: object) -> int:
        if fitted:
            progress.tell(progress.Event("ended", "fit", "given", "Completed"))
        raise error

    monkeypatch.setattr(running, "run_workload", run)
    with pytest.raises(type(error)):
        given.compress(place / "m.txt", place / "rows.csv", "y", None, None)
    if stays:
        assert "  m:\n" in (place / "params.yaml").read_text()
    else:
        nothing_stays(place)
