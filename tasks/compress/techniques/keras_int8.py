"""Keras's own `quantize("int8")`: 8-bit weights, activations rounded by each row's largest value.

Dense, embedding and einsum layers alone: convolutions stay as they are. The exported graph stores
8-bit weights and multiplies them as floats. Not for speed: `ptq_int8` and `litert` run on integers.
"""

from typing import Any

from tasks.compress import networks
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.plugins import PluginParams

LIBRARIES = ("numpy", "torch", "keras")
PRECISION = "int8"
NO_LAYERS = (
    "Keras rounds its dense layers at once: a recipe of ptq_int8 on the same model is explained "
    "layer by layer"
)


class Params(PluginParams):
    """No parameters."""


def note(params: Params) -> str:
    """Return what the table says of speed."""
    return "8-bit weights, multiplied as floats: smaller, not faster"


def applies(parent: Parent) -> str | None:
    """Return None for a Keras model, else why not."""
    if hasattr(parent.model.module, "quantised"):
        return None
    return "Keras's own `quantize`: not a Keras model"


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with its dense layers in 8 bits.

    Raises:
        NotApplicable: it has no layer that Keras quantises.
    """
    made = parent.model.module.quantised(parent.fitted)
    if made is None:
        raise NotApplicable("no layer of it is one that Keras quantises (Dense, Embedding)")
    return networks.with_module(parent.fitted, made)
