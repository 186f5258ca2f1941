"""Every dataset plugin against the promises of its kind."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core import plugins
from tasks.core.artifacts import folder_digest
from tasks.core.errors import DataError
from tasks.core.schema import ROW, Table
from tasks.ingest.oura.fields import ENDPOINTS
from tasks.ingest.reading import UNPARSED, Reading
from tasks.ingest.remote import days
from tests.services import document

pytestmark = pytest.mark.contracts
NAMES = plugins.names("dataset")
TABLES = {  # a plugin that reads a file gets one with this target
    "digits": Table(task="classification", target="digit"),
    "generated": Table(task="regression", target="y"),
    "readiness_simulated": Table(task="regression", target="readiness"),
    "sklearn_toy": Table(task="classification", target="target"),
}
PICTURES = {  # plugins of images: the shape of one
    "mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3), "cifar100": (32, 32, 3),
    "folder": (12, 12, 3),
}  # fmt: skip
SENSORS = {  # plugins of sensors and wearables: params and target
    "sensor_table": ({}, "co2"),
    "fitbit_export": ({}, "TotalSteps"),
    "oura_export": ({}, "readiness_score"),
    "oura": ({}, "readiness_score"),
    "tsi": ({"devices": ["unit-1"]}, "temperature_c"),
    "weather_underground": ({"stations": ["KX1"]}, "tempAvg"),
    "joined": ({"sources": {"oura": {"dataset": "oura"}, "tsi": {"dataset": "tsi", "options": {
        "devices": ["unit-1"]}}}}, "readiness_score"),
}  # fmt: skip
OPTIONS = {"readiness_simulated": {"homes": 2, "nights": 30}}  # by default two million rows
FILE_TABLE = Table(task="regression", target="MedHouseVal")
TYPES = {
    "float": pl.Float64,
    "integer": pl.Int64,
    "boolean": pl.Boolean,
    "category": pl.String,
    "text": pl.String,
    "datetime": pl.Datetime,
    "image": pl.Array,
}


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    rows = [
        f"{i},{i / 7},{i % 5},{2 + i / 3},{'val' if i % 4 == 0 else 'train'}" for i in range(40)
    ]
    path.write_text("row_id,MedInc,HouseAge,MedHouseVal,split\n" + "\n".join(rows) + "\n")
    return path


def sensors(name: str, folder: Path) -> Path:
    """Return a source of three weeks for a plugin of sensors or wearables; always the same."""
    folder.mkdir()
    month = [date(2024, 1, n) for n in range(1, 22)]
    rings = [(e, day, each) for e in ENDPOINTS for day in month for each in document(e, day)]
    if name == "joined":
        for part in ("oura", "tsi"):
            sensors(part, folder / part)
    elif name == "sensor_table":
        rows = [f"{day} 08:00:00,{400 + day.day}" for day in month]
        (folder / "log.csv").write_text("time,co2\n" + "\n".join(rows) + "\n")
    elif name == "fitbit_export":
        rows = [f"7,1/{day.day}/2024,{100 * day.day}" for day in month]
        for what, column in (("ActivityDate", "TotalSteps"), ("SleepDay", "TotalMinutesAsleep")):
            (folder / f"{what}.csv").write_text("\n".join([f"Id,{what},{column}", *rows]) + "\n")
    elif name == "oura_export":
        content = {e: [each for n, _, each in rings if n == e] for e in ENDPOINTS}
        (folder / "export.json").write_text(json.dumps(content))
    elif name == "oura":
        for endpoint, day, each in rings:
            days.write(folder / endpoint, day, [(str(day), each)], True)
    else:
        for day in month:
            moment = f"{day}T08:00:00.000000Z"
            record = {"temperature": 20.5 + day.day, "rh": 40, "timestamp": moment}
            seen = {"metric": {"tempAvg": 20.5 + day.day}, "obsTimeUtc": moment}
            part, each = ("unit-1", record) if name == "tsi" else ("KX1", seen)
            days.write(folder / part, day, [(moment, each)], True)
    return folder


def params_of(name: str) -> Any:
    """Return a plugin's params, with those that it must have for a test."""
    options = OPTIONS.get(name) or SENSORS.get(name, ({},))[0]
    return plugins.plugin("dataset", name).Params(**options)


def obtain(name: str, source: Path | None, folder: Path) -> tuple[Any, Path | None, Table]:
    module = plugins.plugin("dataset", name)
    given = source if module.ORIGIN in ("file", "remote") else None
    table = TABLES.get(name, FILE_TABLE)
    if name in SENSORS:
        table = Table(task="regression", target=SENSORS[name][1])
        given = sensors(name, folder.parent / f"{folder.name}-source")
    if name in PICTURES:
        given = folder.parent / "pictures.npz"
        table = Table(task="classification", target="label")
        images = np.arange(40 * np.prod(PICTURES[name])).astype(np.uint8)
        images = images.reshape(40, *PICTURES[name])
        labels = np.arange(40) % 10
        np.savez(
            given, x_train=images[:30], y_train=labels[:30], x_test=images[30:], y_test=labels[30:]
        )
    folder.mkdir()
    module.fetch(params_of(name), given, folder)
    return module, given, table


def test_there_are_plugins():
    assert len(NAMES) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_the_protocol(name: str):
    module = plugins.plugin("dataset", name)
    assert module.ORIGIN in ("bundled", "generated", "remote", "file", "collected")
    if module.ORIGIN == "collected":
        assert module.FOLDER
        assert module.WINDOW_DAYS >= 1
        verbs = ("credentials", "parts", "documents")
        assert all(callable(getattr(module, verb)) for verb in verbs)
        assert module.credentials(params_of(name)).variables
        assert not any("token" in f or "secret" in f for f in module.Params.model_fields)
    assert issubclass(module.Params, plugins.PluginParams)
    assert module.__doc__
    assert all(callable(getattr(module, verb)) for verb in ("origin", "fetch", "read"))


@pytest.mark.parametrize("name", NAMES)
def test_fetch_writes_the_same_bytes(name: str, houses: Path, tmp_path: Path):
    module, given, _ = obtain(name, houses, tmp_path / "one")
    obtain(name, houses, tmp_path / "two")
    assert getattr(module, "FOLDER", False) or len(list((tmp_path / "one").iterdir())) == 1
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    origin = module.origin(params_of(name), given)
    assert origin == module.origin(params_of(name), given)
    assert str(tmp_path) not in origin


@pytest.mark.parametrize("name", NAMES)
def test_read_gives_a_typed_table(name: str, houses: Path, tmp_path: Path):
    module, _, table = obtain(name, houses, tmp_path / "raw")
    reading: Reading = module.read(tmp_path / "raw", params_of(name), table)
    frame = reading.frame
    assert frame.columns == [ROW, *reading.columns]
    assert frame[ROW].dtype == pl.UInt32
    assert frame[ROW].to_list() == list(range(1, len(frame) + 1))
    for column, spec in reading.columns.items():
        assert spec.type is not None
        assert frame[column].dtype == TYPES[spec.type]
    assert [n for n, c in reading.columns.items() if c.role == "target"] == [table.target]
    assert dict(reading.unparsed.schema) == UNPARSED
    source = reading.source
    assert (source["rows"], source["columns"]) == (len(frame), frame.width - 1)
    assert {"origin", "licence", "sha256", "format", "notes"} <= set(source)
    assert len(source["sha256"]) == 64
    again: Reading = module.read(tmp_path / "raw", params_of(name), table)
    assert again.frame.equals(frame)
    assert again.source == source


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_target_is_a_data_error(name: str, houses: Path, tmp_path: Path):
    module, _, table = obtain(name, houses, tmp_path / "raw")
    wrong = table.model_copy(update={"target": "nowhere"})
    with pytest.raises(DataError, match="nowhere"):
        module.read(tmp_path / "raw", params_of(name), wrong)


def test_digits_hold_the_pixels_of_the_library(tmp_path: Path):
    from sklearn.datasets import load_digits

    module, _, table = obtain("digits", None, tmp_path / "raw")
    frame = module.read(tmp_path / "raw", module.Params(), table).frame
    images = frame["image"].to_numpy()
    assert images.shape == (1797, 8, 8, 1)
    assert images.dtype == "uint8"
    assert (images[..., 0] == load_digits().images).all()
    assert frame["digit"].n_unique() == 10


def test_generated_follows_its_params(tmp_path: Path):
    module = plugins.plugin("dataset", "generated")
    params = module.Params(task="classification", rows=90, classes=3, features=4, seed=7)
    module.fetch(params, None, tmp_path)
    table = Table(task="classification", target="y")
    frame = module.read(tmp_path, params, table).frame
    assert frame.shape == (90, 4 + 1 + 1 + 1)
    assert sorted(frame["y"].unique()) == ["class_0", "class_1", "class_2"]


def test_the_housing_plugin_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sklearn.datasets

    def offline(**_: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", offline)
    module = plugins.plugin("dataset", "california_housing")
    with pytest.raises(DataError, match=r"download failed \(Name or service") as error:
        module.fetch(module.Params(), None, tmp_path)
    assert error.value.exit_code == 2


def test_the_housing_file_may_hold_its_split(houses: Path, tmp_path: Path):
    module, _, table = obtain("california_housing", houses, tmp_path / "raw")
    columns = module.read(tmp_path / "raw", module.Params(), table).columns
    assert columns["split"].role == "split"
    assert columns["row_id"].role == "ignore"
