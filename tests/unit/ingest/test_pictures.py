"""Sets of images in every form that they are passed on in, and what is said of damaged ones."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
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


def by_part(found: list[pictures.Pictures]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {p.part: (p.images, p.labels) for p in found}


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(tmp_path, packed):
    found = by_part(formats.read(write_idx(tmp_path, packed)))
    for part, (images, labels) in {"train": TRAIN, "test": TEST}.items():
        np.testing.assert_array_equal(found[part][0], images)
        np.testing.assert_array_equal(found[part][1], labels)


def test_npz(tmp_path):
    path = tmp_path / "set.npz"
    grey = {"x_train": TRAIN[0][..., 0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]}
    np.savez(path, **grey)
    found = by_part(formats.read(path))
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
    found = by_part(formats.read(source))
    for part, (images, labels) in {"train": COLOUR[0], "test": COLOUR[1]}.items():
        np.testing.assert_array_equal(found[part][0], images)
        np.testing.assert_array_equal(found[part][1], labels)


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_with_encoded_images_by_folder_and_by_pattern(tmp_path, nested):
    write_parquet(tmp_path, nested)
    for source in (tmp_path, tmp_path / "set_*.parquet"):
        found = by_part(formats.read(source))
        np.testing.assert_array_equal(found["train"][0], COLOUR[0][0])
        np.testing.assert_array_equal(found["test"][1], COLOUR[1][1])


@pytest.mark.parametrize("divided", [True, False])
def test_folders_of_classes(tmp_path, divided):
    found = by_part(formats.read(write_classes(tmp_path, divided)))
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
    found = by_part(formats.read(tmp_path, (16, 16), gray=True))
    assert found["train"][0].shape == (21, 16, 16, 1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-images-idx3-ubyte", idx(TRAIN[0][..., 0])[:-1], "expected 15680 values"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\3", "not an IDX file of bytes"),
        ("train-images-idx3-ubyte", idx(TRAIN[0][..., 0]), "as many images as labels"),
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
    module.fetch(module.Params(limit=8), source, out)
    reading = module.read(out, module.Params(), TABLE)
    frame = reading.frame
    assert frame["split"].to_list() == ["train"] * 8 + ["test"] * 8
    assert frame["label"].to_list()[:3] == ["airplane", "automobile", "bird"]
    np.testing.assert_array_equal(frame["image"].to_numpy()[:8], COLOUR[0][0][:8])
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
    own = known.Known("digits", tuple("0123456789"), url, files, "none")
    out = tmp_path / "out"
    out.mkdir()
    known.fetch(own, known.Params(), None, out)
    assert len(pl.read_parquet(out / pictures.FILE)) == 30
    wrong = known.Known("digits", own.classes, url, dict.fromkeys(files, "0" * 32), "none")
    with pytest.raises(DataError, match="which its origin states"):
        known.fetch(wrong, known.Params(), None, out)
    lost = known.Known("digits", own.classes, url + "lost/", files, "none")
    with pytest.raises(DataError, match=r"download failed.*Files may be IDX files"):
        known.fetch(lost, known.Params(), None, out)
    assert known.origin(own, None) != known.origin(wrong, None)
