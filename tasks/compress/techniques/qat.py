"""Fitted further with the rounding of INT8 in the way: weights that lose less by it.

The network is fitted as it will be quantised (Jacob et al. 2018, arXiv 1712.05877, by torchao's
PT2E), and its weights are taken back into the float network. `ptq_int8`, which follows in the
recipe, makes the graph: as small and as fast as any other. Not for what INT8 leaves as it is.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import Tuning, taught_by

LIBRARIES = ("numpy", "torch", "torchao")
PRECISION = ""
SAME_SHAPE = True
SETUP_S = 3.5  # the network is exported and prepared
SLOWER = 3  # a pass with rounding than one without
TEMPERATURE = 3.0


class Params(PluginParams):
    """How it is fitted further."""

    epochs: int = Field(default=3, ge=1, description="with rounded weights and activations")
    rate: float = Field(default=0.1, gt=0, description="share of the model's own learning rate")
    teacher: float = Field(
        default=0.5, ge=0, le=1, description="weight of the float network's outputs in the loss"
    )


applies = networks.unfit


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data, in the time of passes without rounding."""
    return SLOWER * params.epochs


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with weights that were fitted under rounding."""
    model = parent.fitted
    objective = taught_by(model.module, params.teacher, TEMPERATURE) if params.teacher else None
    tuning = Tuning(params.epochs, params.rate, objective=objective)
    with _quiet():
        rounded = networks.with_module(model, _rounding(model.module, context.data.X))
        state = networks.tuned(rounded, parent, context, tuning).module.state_dict()
    module = copy.deepcopy(model.module)
    module.load_state_dict({name: state[name] for name in module.state_dict()})
    return networks.with_module(model, module.eval())


def _rounding(module: Any, X: Any) -> Any:
    """Return the network with INT8's rounding of weights and activations put in."""
    import torch
    from torchao.quantization.pt2e import allow_exported_model_train_eval
    from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    rows = torch.from_numpy(X[:8].copy())
    batch = torch.export.Dim("batch", min=2)
    network = copy.deepcopy(module).train()
    exported = torch.export.export(network, (rows,), dynamic_shapes=({0: batch},)).module()
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config(is_qat=True))
    return allow_exported_model_train_eval(prepare_qat_pt2e(exported, quantizer))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide that torchao 0.18 uses what torch 2.13 calls old, and has CUDA kernels to load."""
    logger = logging.getLogger("torchao")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logger.setLevel(level)
