"""A Keras model as a LiteRT file (`.tflite`), by TensorFlow's converter (extra `keras`).

LiteRT is what Android, iOS and small boards run; the engine `litert` runs it here. INT8 is static:
8-bit weights (per channel) and activations, all columns of the input rounded in one common step.
Not for raw columns of very different sizes: take `int8_weights`, which rounds weights alone ahead
and activations as they come. Not for other networks than Keras's.
"""

from typing import Literal

from pydantic import Field

from tasks.compress import litert_file, to_litert
from tasks.compress.protocol import Context, Converted, NotApplicable, Parent
from tasks.core import litert
from tasks.core.plugins import PluginParams

LIBRARIES = ("numpy", "keras", "tensorflow", "ai-edge-litert")
PRECISION = ""  # see `precision`
NO_LAYERS = (
    "the converter gives its file layers of its own: compare it with `precision: fp16` and "
    "`int8_weights` beside it, or explain a recipe of ptq_int8 on the same model"
)


class Params(PluginParams):
    """What the file computes in."""

    precision: Literal["int8", "int8_weights", "fp16", "fp32"] = Field(
        default="int8", description="fp32: the same engine's figure to compare with"
    )


def available() -> str | None:
    """Return None, or what is missing and how to install it."""
    return litert.missing("keras", "tensorflow", "ai_edge_litert")


def precision(params: Params) -> str:
    """Return what the file computes in."""
    return "int8" if params.precision == "int8_weights" else params.precision


def note(params: Params) -> str:
    """Return what the table says of engines."""
    return "a LiteRT file: the engine `litert` runs it, on prepared rows"


def applies(parent: Parent) -> str | None:
    """Return None, or why the converter cannot take it."""
    if hasattr(parent.model.module, "to_keras"):
        return None
    return "LiteRT's converter takes Keras models: this is none"


def convert(parent: Parent, params: Params, context: Context) -> Converted:
    """Return the file.

    Raises:
        NotApplicable: the converter does not take a layer of it.
    """
    rows = context.calibration_X if params.precision == "int8" else context.data.X[:1]
    try:
        content = to_litert.convert(
            parent.model.module.to_keras(parent.fitted), rows, params.precision
        )
    except to_litert.ConversionError as error:
        raise NotApplicable(f"LiteRT's converter does not take it: {error}") from None
    facts = litert_file.facts(content)
    if precision(params) != "int8":
        facts.pop("quantised_share")
    return Converted(litert.FILE, content, lambda X: litert.outputs(content, X), facts)
