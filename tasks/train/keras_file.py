"""Keras's `.keras` files (extra `keras`): read without running code that is in them, on torch.

Such a file is a ZIP archive of the layers' settings (JSON) and their weights (HDF5). Settings may
hold Python functions, pickles and paths of other files; those are refused before Keras sees them.
"""

import io
import json
import os
import random
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core import litert
from tasks.core.errors import EngineUnavailable, ParamsError
from tasks.core.home import keras_settings

CONFIG = "config.json"
MEMBERS = {CONFIG, "metadata.json", "model.weights.h5"}
PLAIN = {  # numbers and places, in Keras's own writing
    *("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__"),
}
UNSAFE = {  # they hold code or pickles, or read files of their own
    *("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}


def missing() -> str | None:
    """Return None where Keras and what exports it are here, else how to install them."""
    return litert.missing("keras", "onnxscript")


def library() -> Any:
    """Return the module keras, on torch and on the CPU.

    Raises:
        EngineUnavailable: it is not here, or was imported before for another library than torch.
    """
    if reason := missing():
        raise EngineUnavailable(reason)
    os.environ |= keras_settings()
    import keras  # pyright: ignore[reportMissingImports] - an extra of its own

    if keras.backend.backend() != "torch":
        raise EngineUnavailable(
            f"Keras runs on {keras.backend.backend()} in this process; Temper needs it on torch"
        )
    return keras


def load(content: bytes, where: str) -> Any:
    """Return the keras.Model of a file's content; what it was compiled with is left out.

    Raises:
        ParamsError: it is no such file, or holds what could run code.
    """
    _check(content, where)
    keras = library()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, KeyError, OSError) as error:
            first = str(error).strip().splitlines()[0]
            raise ParamsError(f"{where}: Keras cannot read it ({first[:200]})") from None


def content_of(model: Any) -> bytes:
    """Return the content of the `.keras` file of a keras.Model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def check_ends(model: Any, features: int, where: str) -> None:
    """Check that it takes one matrix of that many features, and gives one.

    Raises:
        ParamsError: it does not.
    """
    inputs = [(list(i.shape), str(i.dtype)) for i in getattr(model, "inputs", None) or []]
    fits = len(inputs) == 1 and inputs[0] == ([None, features], "float32")
    if not fits:
        found = ", ".join(f"{kind} {shape}" for shape, kind in inputs) or "none that it names"
        raise ParamsError(
            f"{where}: expected one input of float32 [None, {features}], the feature columns of "
            f"the table in their order; found {found}"
        )
    shapes = [list(o.shape) for o in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise ParamsError(f"{where}: expected one output [None, width], found {shapes}")


def ended(model: Any, ending: str) -> Any:
    """Return the model with what follows its output: see `reading.ending`."""
    keras = library()
    last = model.outputs[0]
    if ending == "softmax":
        last = keras.layers.Softmax()(last)
    if ending == "sigmoid pair":
        last = keras.layers.Activation("sigmoid")(last)
    if ending in ("pair", "sigmoid pair"):
        negative = keras.layers.Rescaling(-1.0, 1.0)(last)
        last = keras.layers.Concatenate()([negative, last])
    return model if ending == "" else keras.Model(model.inputs, last)


def narrower(model: Any, share: float, scale: float, offset: float, seed: int) -> Any:
    """Return a new model with that share of the units and filters of each layer but the last.

    Its output is multiplied by `scale` and `offset` is added, so that it learns numbers of any
    size; layers that normalise inputs are taken over as they are.

    Raises:
        ParamsError: its layers do not fit together then.
    """
    keras = library()
    random.seed(seed)  # Keras draws the seeds of new weights from it
    sized = [x for x in model.layers if {"units", "filters"} & set(x.get_config())]

    def smaller(layer: Any) -> Any:
        config = layer.get_config()
        for key in {"units", "filters"} & set(config):
            if layer is not sized[-1]:
                config[key] = max(1, round(config[key] * share))
        return type(layer).from_config(config)

    try:
        made = keras.models.clone_model(model, clone_function=smaller)
    except (ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ParamsError(f"with {share:g} of its units, its layers do not fit: {first}") from None
    for old, new in zip(model.layers, made.layers, strict=True):
        if isinstance(old, keras.layers.Normalization):
            new.set_weights(old.get_weights())
    if (scale, offset) == (1.0, 0.0):
        return made
    return keras.Model(made.inputs, keras.layers.Rescaling(scale, offset)(made.outputs[0]))


def quantised(model: Any) -> Any:
    """Return the model after Keras's own `quantize("int8")`; None where that changes no layer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of each layer that it leaves
        model.quantize("int8")
    return model if any(str(w.dtype) == "int8" for w in model.weights) else None


def _check(content: bytes, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {i.filename for i in archive.infolist() if not i.is_dir()}
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise ParamsError(f"{where}: not a file that Keras 3 saved as .keras") from None
    problems = [f"it holds the file {n}" for n in sorted(names - MEMBERS)]
    if "model.weights.h5" not in names:
        problems.append("it holds no model.weights.h5")
    problems += list(_problems(config))
    if problems:
        raise ParamsError(
            f"{where}: {'; '.join(problems[:5])}. Temper reads layers of Keras's own alone, for "
            "others could run code; build the model without them, or export it as ONNX"
        )


def _problems(value: Any) -> Iterator[str]:
    """Yield what of the settings is not plain Keras."""
    if isinstance(value, list):
        for each in value:
            yield from _problems(each)
    if not isinstance(value, dict):
        return
    kind, module = value.get("class_name"), value.get("module")
    if kind in UNSAFE:
        named = value.get("config")
        name = named.get("name", "") if isinstance(named, dict) else ""
        yield f"a layer {kind} ({name})"
    elif isinstance(kind, str) and kind not in PLAIN and not _own(module):
        yield f"{kind} of {module or 'a module of your own'}"
    for key, inner in value.items():
        if key != "compile_config":  # it is not read
            yield from _problems(inner)


def _own(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == "keras"
