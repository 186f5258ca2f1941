"""Sets of images in every form that they are passed on in, and what is said of damaged ones."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tasks.core.errors import DataError
from tasks.core.plugins import plugin
from tasks.core.schema import Table
from tasks.ingest.pictures import formats, known, pictures

TABLE = Table(task="classification", target="label")


def made(n: int, shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % 10


TRAIN, TEST = made(20, (28, 28, 1)), made(10, (28, 28, 1), 1)
COLOUR = made(20, (32, 32, 3)), made(10, (32, 32, 3), 1)


def idx(values: np.ndarray) -> bytes:
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def write_idx(folder: Path, packed: bool) -> Path:
    for name, (images, labels) in {"train": TRAIN, "t10k": TEST}.items():
        for kind, values in {"images-idx3": images[..., 0], "labels-idx1": labels}.items():
            content = idx(values)
            path = folder / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder


def binary(images: np.ndarray, labels: np.ndarray, coarse: bool) -> bytes:
    columns = [labels[:, None], images.transpose(0, 3, 1, 2).reshape(len(images), -1)]
    if coarse:
        columns.insert(0, labels[:, None] // 2)
    return np.concatenate(columns, 1).astype(np.uint8).tobytes()


def write_binary(folder: Path, coarse: bool = False) -> Path:
    (images, labels), test = COLOUR
    names = ("train.bin", "test.bin") if coarse else ("data_batch_1.bin", "test_batch.bin")
    (folder / names[0]).write_bytes(binary(images, labels, coarse))
    (folder / names[1]).write_bytes(binary(*test, coarse))
    return folder


def encoded(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).save(stream, "PNG")
    return stream.getvalue()


def write_parquet(folder: Path, nested: bool) -> Path:
    for part, (images, labels) in {"train": COLOUR[0], "test": COLOUR[1]}.items():
        values = [encoded(i) for i in images]
        column = [{"bytes": v, "path": "p"} for v in values] if nested else values
        frame = pl.DataFrame({"image": column, "label": labels})
        frame.write_parquet(folder / f"set_{part}.parquet")
    return folder


def write_classes(folder: Path, divided: bool = True) -> Path:
    for part, (images, labels) in {"train": COLOUR[0], "test": COLOUR[1]}.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = folder / part / f"c{label}" if divided else folder / f"c{label}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{part}{number:03}.png").write_bytes(encoded(image))
    return folder


def by_part(
    found: list[pictures.Pictures], notes: object = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {p.part: (p.images, p.labels) for p in found}


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(tmp_path, packed):
    found = by_part(*formats.read(write_idx(tmp_path, packed)))
    for part, (images, labels) in {"train": TRAIN, "test": TEST}.items():
        np.testing.assert_array_equal(found[part][0], images)
        np.testing.assert_array_equal(found[part][1], labels)


def test_npz(tmp_path):
    path = tmp_path / "set.npz"
    grey = {"x_train": TRAIN[0][..., 0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]}
    np.savez(path, **grey)
    found = by_part(*formats.read(path))
    np.testing.assert_array_equal(found["train"][0], TRAIN[0])
    np.testing.assert_array_equal(found["test"][1], TEST[1])


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_cifars_binaries_and_their_archive(tmp_path, coarse, packed):
    source = write_binary(tmp_path, coarse)
    if packed:
        source = tmp_path / "cifar-binary.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            for path in sorted(tmp_path.glob("*.bin")):
                archive.add(path, f"cifar/{path.name}")
    found = by_part(*formats.read(source))
    for part, (images, labels) in {"train": COLOUR[0], "test": COLOUR[1]}.items():
        np.testing.assert_array_equal(found[part][0], images)
        np.testing.assert_array_equal(found[part][1], labels)


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_with_encoded_images_by_folder_and_by_pattern(tmp_path, nested):
    write_parquet(tmp_path, nested)
    for source in (tmp_path, tmp_path / "set_*.parquet"):
        found = by_part(*formats.read(source))
        np.testing.assert_array_equal(found["train"][0], COLOUR[0][0])
        np.testing.assert_array_equal(found["test"][1], COLOUR[1][1])


@pytest.mark.parametrize("divided", [True, False])
def test_folders_of_classes(tmp_path, divided):
    found = by_part(*formats.read(write_classes(tmp_path, divided)))
    assert set(found) == ({"train", "test"} if divided else {""})
    images, labels = found["train" if divided else ""]
    first = [i for i, label in enumerate(COLOUR[0][1]) if label == 0]
    assert labels[0] == "c0"
    wanted = COLOUR[0 if divided else 1][0][first[0]]
    np.testing.assert_array_equal(images[0], wanted)


def test_encoded_images_are_resized_and_made_grey_on_demand(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "train" / "c0" / "wide.png").write_bytes(encoded(np.zeros((8, 20, 3), np.uint8)))
    with pytest.raises(DataError, match=r"2 sizes \(8x20, 32x32 …\); set ingest.options.size"):
        formats.read(tmp_path)
    found = by_part(*formats.read(tmp_path, (16, 16), gray=True))
    assert found["train"][0].shape == (21, 16, 16, 1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-images-idx3-ubyte", idx(TRAIN[0][..., 0])[:-1], "expected 15680 values"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\3", "not an IDX file of bytes"),
        ("train-images-idx3-ubyte", idx(TRAIN[0][..., 0]), "and one of as many labels"),
        ("a-ubyte.gz", b"\x1f\x8b\x08", "cannot be unpacked"),
        ("data_batch_1.bin", b"123", "no whole number of CIFAR's records"),
        ("cifar.tar.gz", b"\x1f\x8b\x08\0", "a damaged archive"),
        ("set.npz", b"PK\3\4", "cannot be read as .npz"),
        ("set.csv", b"a,b\n", "expected IDX files"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        formats.read(path)


def test_no_pickle_is_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match="pickles and may run any code; get the binary version"):
        formats.read(tmp_path)
    path = tmp_path / "objects.npz"
    np.savez(path, x_train=np.array([{}], object), y_train=np.zeros(1))
    with pytest.raises(DataError, match=r"cannot be read as .npz"):
        formats.read(path)
    archive = tmp_path / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as made_archive:
        made_archive.add(tmp_path / "data_batch_1", "cifar/data_batch_1")
    with pytest.raises(DataError, match="pickles"):
        formats.read(archive)


def test_a_missing_place_names_the_forms(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder.*IDX files"):
        formats.read(tmp_path / "nothing")


def test_indices_become_class_names_and_parts_a_column(tmp_path):
    source = write_binary(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    module = plugin("dataset", "cifar10")
    module.fetch(module.Params(limit=10), source, out)
    reading = module.read(out, module.Params(), TABLE)
    frame = reading.frame
    assert frame["split"].to_list() == ["train"] * 10 + ["test"] * 10
    assert frame["label"].to_list()[:3] == ["airplane", "automobile", "bird"]
    np.testing.assert_array_equal(frame["image"].to_numpy()[:10], COLOUR[0][0][:10])
    assert reading.columns["split"].role == "split"
    assert reading.columns["image"].type == "image"
    again = tmp_path / "again"
    again.mkdir()
    module.fetch(module.Params(), out / pictures.FILE, again)  # as it lies in data/raw
    assert (again / pictures.FILE).read_bytes() == (out / pictures.FILE).read_bytes()


def test_an_index_without_a_class_is_named(tmp_path):
    with pytest.raises(DataError, match="label 12: expected 0 to 9"):
        pictures.write(
            [pictures.Pictures(TRAIN[0][:1], np.array([12]))], tmp_path, tuple("0123456789"), None
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give the address of a server on loopback, and the folder that it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", folder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_set_is_downloaded_and_its_checksums_compared(tmp_path, site):
    url, folder = site
    write_idx(folder, packed=True)
    files = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}
    own = known.Known("digits", tuple("0123456789"), (28, 28, 1), url, files, "none")
    out = tmp_path / "out"
    out.mkdir()
    known.fetch(own, known.Params(), None, out)
    assert len(pl.read_parquet(out / pictures.FILE)) == 30
    wrong = known.Known(
        "digits", own.classes, own.shape, url, dict.fromkeys(files, "0" * 32), "none"
    )
    with pytest.raises(DataError, match="which its origin states"):
        known.fetch(wrong, known.Params(), None, out)
    lost = known.Known("digits", own.classes, own.shape, url + "lost/", files, "none")
    with pytest.raises(DataError, match=r"download failed.*Files may be IDX files"):
        known.fetch(lost, known.Params(), None, out)
    assert known.origin(own, None) != known.origin(wrong, None)


def png(image: np.ndarray, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    made_of = Image.fromarray(image)
    (made_of.convert(mode) if mode else made_of).save(stream, "PNG")
    return stream.getvalue()


def place(folder: Path, files: dict[str, bytes]) -> Path:
    """Write images by their paths without `.png`."""
    for name, content in files.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def obtained(folder: Path, source: Path, dataset: str = "folder", **options: object):
    """Return the table that a dataset makes of a source, and the notes."""
    out = folder / f"out{len(list(folder.glob('out*')))}"
    out.mkdir()
    module = plugin("dataset", dataset)
    module.fetch(module.Params(**options), source, out)
    reading = module.read(out, module.Params(), TABLE)
    return reading.frame, reading.source["notes"]


SMALL = encoded(made(1, (8, 8, 3))[0][0])


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    ((found,), _) = formats.read(place(tmp_path, {"a/0": png(deep), "b/0": png(deep)}), gray=True)
    np.testing.assert_array_equal(found.images[0, ..., 0], np.round(deep / 257))
    (tmp_path / "a" / "deeper.tif").write_bytes(b"")
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a" / "deeper.tif")
    with pytest.raises(DataError, match=r"a/deeper.tif \(32 bits a pixel; save it with 8 or 16\)"):
        formats.read(tmp_path)


def test_an_image_is_turned_as_its_exif_entry_says(tmp_path):
    image = Image.fromarray(np.vstack([np.full((4, 16, 3), 255, np.uint8), np.zeros((4, 16, 3))]
                                      ).astype(np.uint8))  # fmt: skip
    entry = image.getexif()
    entry[0x0112] = 6  # a quarter turn
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=entry)
    upright = encoded(np.zeros((16, 8, 3), np.uint8))
    ((found,), _) = formats.read(place(tmp_path, {"a/0": stream.getvalue(), "b/0": upright}))
    assert found.images.shape == (2, 16, 8, 3)
    assert found.images[0, :, 4:].min() == 255
    assert found.images[0, :, :4].max() == 0


def test_transparent_pixels_are_white_and_palettes_have_their_colours(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    red = np.full((8, 8, 3), (200, 0, 0), np.uint8)
    ((found,), _) = formats.read(place(tmp_path, {"a/0": png(clear), "b/0": png(red, "P")}))
    assert (found.images[0, :4] == 0).all()
    assert (found.images[0, 4:] == 255).all()
    np.testing.assert_allclose(found.images[1].astype(int), red, atol=60)


def test_every_broken_image_is_named_at_once(tmp_path):
    place(tmp_path, {"a/0": SMALL, "a/1": SMALL[:60], "b/0": b"", "b/1": b"text", "b/2": SMALL})
    with pytest.raises(DataError, match=r"3 files are not an image.*a/1.png.*b/0.png.*b/1.png"):
        formats.read(tmp_path)


def test_images_that_take_too_much_memory_want_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.ingest.pictures.encoded.MOST_GIB", 1e-7)
    with pytest.raises(DataError, match=r"2 images of 8x8 take .*smaller \[height, width\]"):
        formats.read(place(tmp_path, {"a/0": SMALL, "b/0": SMALL}))


def test_hidden_files_are_passed_over_and_others_are_noted(tmp_path):
    shown = ["a/0", "a/inner/1", *(f"b/{number}" for number in range(10))]
    hidden = ["a/._0", ".cache/0", "__MACOSX/a/0"]
    source = place(tmp_path / "set", dict.fromkeys([*shown, *hidden], SMALL))
    for name in (".DS_Store", "a/.DS_Store", "b/notes.txt"):
        (source / name).write_text("")
    (source / "c").mkdir()
    frame, notes = obtained(tmp_path, source)
    assert frame["label"].value_counts().sort("label").rows() == [("a", 2), ("b", 10)]
    assert "1 file that is no image in a class left out: b/notes.txt" in notes
    assert "1 empty class left out: c" in notes


def test_a_class_name_is_the_same_however_its_accents_are_written(tmp_path):
    names = ("train/cafe\u0301/0", "test/caf\u00e9/0", "train/bar/0", "test/bar/0")
    place(tmp_path, dict.fromkeys(names, SMALL))
    found = by_part(*formats.read(tmp_path))
    assert sorted(found["train"][1]) == sorted(found["test"][1]) == ["bar", "caf\u00e9"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("train/a/0", "train/b/0", "docs/x/0"), "found docs without folders of classes"),
        (("train/a/0", "train/b/0", "test/0"), "found test without folders of classes"),
        (("train/0", "test/0"), "found test, train without folders of classes"),
        (("pets/cat/0", "pets/dog/0"), r"one class only \('pets'\).*cat, dog .* give .*/pets"),
    ],
)
def test_folders_laid_out_in_another_way_are_not_taken_for_classes(tmp_path, files, words):
    place(tmp_path, dict.fromkeys(files, SMALL))
    with pytest.raises(DataError, match=words):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("latest.parquet", ""), ("interval", ""), ("contest", ""), ("traindata_test", "test"),
        ("x_train", "train"), ("TestImages", "test"), ("validation-00000-of-00001", "val"),
        ("cifar10_train10k", "train"), ("t10k-images-idx3-ubyte", "test"), ("Training", "train"),
        ("mnist_train20k_test4k", ""), ("data_batch_3.bin", "train"),
    ],
)  # fmt: skip
def test_a_part_is_a_word_of_a_name(name, part):
    assert pictures.part_of(name) == part


def test_a_limit_is_for_the_part_and_takes_of_every_class(tmp_path):
    images, labels = COLOUR[0]
    for number in (1, 2):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(binary(images, np.sort(labels), False))
    (tmp_path / "test_batch.bin").write_bytes(binary(images, labels, False))
    frame, _ = obtained(tmp_path, tmp_path, "cifar10", limit=10)
    assert frame["split"].value_counts().sort("split").rows() == [("test", 10), ("train", 10)]
    assert frame["label"].value_counts()["count"].to_list() == [2] * 10


def test_one_part_alone_is_no_split(tmp_path):
    np.savez(tmp_path / "s.npz", x_train=TRAIN[0], y_train=TRAIN[1])
    assert obtained(tmp_path, tmp_path / "s.npz", "mnist")[0].columns[1:] == ["image", "label"]


@pytest.mark.parametrize("kind", ["int", "float", "str", "bool", "category"])
def test_a_row_without_a_label_has_none(tmp_path, kind):
    values = {"int": 1, "float": 1.0, "str": "1", "bool": True, "category": "1"}
    label = pl.Series([None] + [values[kind], values[kind]] * 6)
    label = label.cast(pl.Categorical) if kind == "category" else label
    other = pl.Series([None] + ["0", values[kind]] * 6, strict=False) if kind == "str" else label
    frame = pl.DataFrame({"image": [SMALL] * 13, "label": other})
    frame.write_parquet(tmp_path / "set.parquet")
    ((found,), _) = formats.read(tmp_path / "set.parquet")
    assert found.labels[0] is None
    assert found.labels[2] == (True if kind == "bool" else values[kind])
    assert not isinstance(found.labels[2], float)
    out = tmp_path / "out"
    out.mkdir()
    pictures.write([found], out, (), None)
    made_of = pl.read_parquet(out / pictures.FILE)["label"]
    assert made_of[0] is None
    assert made_of[2] in ("1", "True")


@pytest.mark.parametrize(
    "labels", [TRAIN[1].astype(float), np.eye(10)[TRAIN[1]], TRAIN[1][:, None]]
)
def test_labels_as_floats_columns_and_one_hot(tmp_path, labels):
    np.savez(tmp_path / "s.npz", train_images=TRAIN[0], train_labels=labels, classes=np.arange(3))
    ((found,), _) = formats.read(tmp_path / "s.npz")
    assert found.labels == TRAIN[1].tolist()


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (TRAIN[0], TRAIN[1] + 0.5, r"y_train: expected labels .* found float64 \(20,\)"),
        (TRAIN[0], TRAIN[1][:15], r"x_train \(20, 28, 28, 1\), y_train \(15,\)"),
        (TRAIN[0], np.ones((20, 3)), "one-hot"),
        (TRAIN[0] / 255, TRAIN[1], "as uint8"),
        (made(20, (9, 9, 9))[0], TRAIN[1], "1 to 4 channels"),
    ],
)
def test_arrays_that_are_no_images_with_labels(tmp_path, images, labels, words):
    np.savez(tmp_path / "s.npz", x_train=images, y_train=labels)
    with pytest.raises(DataError, match=words):
        formats.read(tmp_path / "s.npz")


def test_channels_may_come_first(tmp_path):
    np.savez(tmp_path / "s.npz", x=COLOUR[0][0].transpose(0, 3, 1, 2), y=COLOUR[0][1])
    ((found,), _) = formats.read(tmp_path / "s.npz")
    np.testing.assert_array_equal(found.images, COLOUR[0][0])


def test_damage_inside_a_file_is_said(tmp_path):
    packed = tmp_path / "s.npz"
    np.savez_compressed(packed, x_train=TRAIN[0], y_train=TRAIN[1])
    content = bytearray(packed.read_bytes())
    content[200:260] = b"\xff" * 60
    packed.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as .npz"):
        formats.read(packed)
    archive = tmp_path / "c.tar.gz"
    (tmp_path / "train.bin").write_bytes(binary(*COLOUR[0], True))
    with tarfile.open(archive, "w:gz") as writing:
        writing.add(tmp_path / "train.bin", "train.bin")
    content = bytearray(archive.read_bytes())
    content[3000:3100] = b"\0" * 100
    archive.write_bytes(content)
    with pytest.raises(DataError, match="a damaged archive"):
        formats.read(archive)
    (tmp_path / "a-ubyte").write_bytes(b"\0\0\x08\x20abcd")
    with pytest.raises(DataError, match="expected the sizes of 32 dimensions, found 8 bytes"):
        formats.read(tmp_path / "a-ubyte")
    photos = tmp_path / "photos.zip"
    with zipfile.ZipFile(photos, "w") as archive:
        archive.writestr("cat/0.png", SMALL)
    with pytest.raises(DataError, match=r"cat/0.png …\); unpack it and give the folder"):
        formats.read(photos)


def test_files_of_another_well_known_set_are_refused(tmp_path):
    for dataset, coarse in (("cifar100", False), ("cifar10", True)):
        source = tmp_path / dataset
        source.mkdir()
        other = "cifar10" if dataset == "cifar100" else "cifar100"
        with pytest.raises(DataError, match=f"found those of {other}. Set ingest.dataset to"):
            obtained(tmp_path, write_binary(source, coarse), dataset)
    with pytest.raises(DataError, match=r"expected the images of mnist.*found images of \(32, 32"):
        obtained(tmp_path, write_parquet(tmp_path, False) / "set_*.parquet", "mnist")


def test_idx_files_by_a_pattern_are_read_once(tmp_path):
    write_idx(tmp_path, False)
    found, _ = formats.read(tmp_path / "*-ubyte")
    assert {p.part: len(p.images) for p in found} == {"train": 20, "test": 10}


def test_grey_images_of_a_well_known_set_in_parquet_stay_grey(tmp_path):
    frame = pl.DataFrame({"image": [encoded(i) for i in TRAIN[0]], "label": TRAIN[1]})
    frame.write_parquet(tmp_path / "digits.parquet")
    table, _ = obtained(tmp_path, tmp_path / "digits.parquet", "mnist")
    np.testing.assert_array_equal(table["image"].to_numpy(), TRAIN[0])


def test_parquet_of_ones_own_may_have_arrays_a_split_and_any_name(tmp_path):
    images = pl.Series(COLOUR[0][0], dtype=pl.Array(pl.UInt8, (32, 32, 3)))
    split = ["train"] * 15 + ["validation"] * 5
    frame = pl.DataFrame({"image": images, "label": COLOUR[0][1], "split": split})
    frame.write_parquet(tmp_path / pictures.FILE)
    table, _ = obtained(tmp_path, tmp_path / pictures.FILE, size=(16, 16), gray=True)
    assert table["image"].dtype == pl.Array(pl.UInt8, (16, 16, 1))
    assert table["split"].value_counts().sort("split").rows() == [("train", 15), ("val", 5)]
    frame.with_columns(split=pl.lit("fold1")).write_parquet(tmp_path / "folds.parquet")
    with pytest.raises(DataError, match="'split': expected train, val or test, found 'fold1'"):
        formats.read(tmp_path / "folds.parquet")


def test_files_of_which_only_some_say_their_part(tmp_path):
    write_parquet(tmp_path, False)
    (tmp_path / "set_test.parquet").rename(tmp_path / "more.parquet")
    with pytest.raises(DataError, match="some images are of the part train, others of none"):
        obtained(tmp_path, tmp_path)
