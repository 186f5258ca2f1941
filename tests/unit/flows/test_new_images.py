"""`temper new` of images: folders of classes and files become a workload with a short section."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from flows import newly, origin
from flows.workload import build
from tasks.core.errors import DataError, ParamsError
from tasks.ingest.pictures import formats

PARAMS = "active: []\nworkloads:\n  other:\n    table: {task: regression, target: y}\n"


def png(height: int, width: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of two classes beside a project without DVC."""
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    (tmp_path / "params.yaml").write_text(PARAMS)
    folder = tmp_path / "Pets & others"
    for label in ("chat é", "dog: #1"):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            (folder / label / f"{number}.png").write_bytes(png(16, 16))
    (folder / ".DS_Store").touch()
    return folder


def made(name: str, data: Path) -> tuple[dict, pl.DataFrame]:
    """Return the section that `temper new` writes, and the table that a run with it has."""
    newly.make(name, data, None, None, False)
    content = yaml.safe_load((origin.project() / "params.yaml").read_text())
    assert content["active"] == [name]
    workload = build(name, content["workloads"][name])
    module, typed = workload.dataset.module, workload.dataset.typed
    out = origin.project() / "out"
    out.mkdir()
    module.fetch(typed, origin.source(name, workload), out)
    return content["workloads"][name], module.read(out, typed, workload.table).frame


def test_folders_of_classes(pets: Path, capsys: pytest.CaptureFixture[str]):
    section, frame = made("pets", pets)
    assert section["ingest"] == {"dataset": "folder"}
    assert section["train"]["models"] == {"baseline": {}, "linear": {}, "convnet": {}}
    assert frame["label"].value_counts().sort("label").rows() == [("chat é", 10), ("dog: #1", 10)]
    assert frame["image"].dtype == pl.Array(pl.UInt8, (16, 16, 3))
    raw = origin.raw_folder("pets")
    assert sorted(p.name for p in raw.iterdir()) == ["chat é", "dog: #1"]
    said = capsys.readouterr().out
    assert "20 images of 16x16x3" in said
    assert "2 classes: " in said
    assert "temper run pets" in said


def test_images_of_several_and_of_large_sizes_get_one(pets: Path):
    (pets / "chat é" / "wide.png").write_bytes(png(100, 400))
    section, frame = made("pets", pets)
    assert section["ingest"]["options"] == {"size": [16, 16]}
    assert frame["image"].dtype == pl.Array(pl.UInt8, (16, 16, 3))
    text = (origin.project() / "params.yaml").read_text()
    assert "# of 2 sizes, 16x16 to 100x400 pixels; from data/raw/pets" in text


def test_large_images_keep_their_shape(pets: Path):
    for path in pets.glob("*/*.png"):
        path.write_bytes(png(96, 192))
    section, _ = made("pets", pets)
    assert section["ingest"]["options"] == {"size": [32, 64]}
    assert section["train"]["models"] == {"baseline": {}, "convnet": {}}


def test_grey_images_have_one_channel(pets: Path):
    for path in pets.glob("*/*.png"):
        Image.open(path).convert("L").save(path)
    section, frame = made("pets", pets)
    assert section["ingest"]["options"] == {"gray": True}
    assert frame["image"].dtype == pl.Array(pl.UInt8, (16, 16, 1))
    first = np.asarray(Image.open(min(pets.glob("*/*.png"))))
    np.testing.assert_array_equal(frame["image"].to_numpy()[0, ..., 0], first)


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_a_file_of_images(pets: Path, kind: str):
    labels, path = np.arange(30) % 3, pets.parent / f"set.{kind}"
    if kind == "npz":
        np.savez(path, x_train=np.zeros((30, 9, 9), np.uint8), y_train=labels)
    else:
        pl.DataFrame({"picture": [png(9, 9)] * 30, "label": labels}).write_parquet(path)
    section, frame = made("own", path)
    assert section["ingest"]["dataset"] == "folder"
    assert frame["label"].n_unique() == 3
    assert origin.source("own", build("own", section)) == origin.raw_folder("own") / path.name


def test_what_cannot_be_used_is_said_and_nothing_stays(pets: Path):
    (pets / "chat é" / "3.png").write_bytes(b"no image")
    empty = pets.parent / "empty"
    empty.mkdir()
    for data, target, error, words in (
        (pets, None, DataError, r"chat é/3.png \(of no known form\)"),
        (pets, "species", ParamsError, "leave out --target and --task"),
        (pets / "chat é", None, DataError, "found no images; expected IDX"),
        (empty, None, DataError, "or a folder with images; found neither"),
    ):
        with pytest.raises(error, match=words):
            newly.make("pets", data, target, None, False)
        assert (pets.parent / "params.yaml").read_text() == PARAMS
        assert not list((pets.parent / "data" / "raw").glob("*"))


def test_a_folder_without_images_is_no_folder_of_images(tmp_path):
    assert not formats.holds(tmp_path)
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "notes.csv").write_text("a,b\n1,2\n")
    assert not formats.holds(tmp_path)
    (tmp_path / "cats" / "A.JPG").write_bytes(b"")
    assert formats.holds(tmp_path)
