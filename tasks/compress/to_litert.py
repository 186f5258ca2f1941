"""Takes a Keras file to LiteRT, in a process of its own: Keras runs on TensorFlow here.

`python -m tasks.compress.to_litert FOLDER PRECISION` reads the folder's `model.keras` and
`rows.npy` and writes `model.tflite`; what goes wrong is the last line of its errors.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tasks.core.litert import FILE
from tasks.core.plugins import ROOT

ALONE = {  # one thread, no GPU, the same bytes each time, and a quiet log
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
LONGEST = 240  # characters of an error


class ConversionError(Exception):
    """LiteRT's converter does not take the model; the message is its own, shortened."""


def convert(keras: bytes, rows: np.ndarray, precision: str) -> bytes:
    """Return the LiteRT file of a Keras file, X -> prediction for any number of rows.

    Args:
        keras: content of a `.keras` file of one input (None, feature).
        rows: (n, feature) float32 that the ranges of INT8 are taken from.
        precision: fp32, fp16, int8, or int8_weights (ranges of activations taken at run time).

    Raises:
        ConversionError: the converter does not take it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.keras").write_bytes(keras)
        np.save(folder / "rows.npy", np.ascontiguousarray(rows, np.float32))
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(folder), precision],
            env={**os.environ, **ALONE, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise ConversionError(lines[-1][:LONGEST])
        return (folder / FILE).read_bytes()


def main(folder: Path, precision: str) -> None:
    """Convert the folder's model."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    try:
        (folder / FILE).write_bytes(_converted(folder, precision))
    except Exception as error:  # whatever the converter raises
        text = " ".join(str(error).split())
        at = text.find("error: '")  # of its compiler, behind the places in the graph
        sys.exit(f"{type(error).__name__}: {text[max(at, 0) :]}")


def _converted(folder: Path, precision: str) -> bytes:
    import keras  # pyright: ignore[reportMissingImports] - an extra of its own
    import tensorflow as tf  # pyright: ignore[reportMissingModuleSource] - an extra of its own

    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        rows = np.load(folder / "rows.npy")

        def each() -> Iterator[list[np.ndarray]]:
            yield from ([row[None]] for row in rows)

        converter.representative_dataset = each
    return converter.convert()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
