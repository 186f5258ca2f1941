"""A narrower network that learns from the fitted one as well as from the data.

Hinton et al. 2015 (arXiv 1503.02531). A network of the same size that learnt from the data alone
stands beside it in the certificate (`alone`): the teacher is worth the difference. Not for a model
that is not much better than such a small one, nor where training data is short of the real rows.
"""

from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, Parent
from tasks.core import progress
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import taught_by

LIBRARIES = ("numpy", "torch")
PRECISION = ""


class Params(PluginParams):
    """The student's size, and how much it listens to its teacher."""

    share: float = Field(default=0.5, gt=0, lt=1, description="of the teacher's width")
    weight: float = Field(default=0.7, gt=0, le=1, description="of the teacher in the loss")
    temperature: float = Field(default=3.0, gt=0, description="that softens its probabilities")


applies = networks.unfit


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data: two students learn."""
    return 2 * model.typed.epochs


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the student."""
    teacher, plugin = parent.fitted, parent.model
    narrow = plugin.module.narrower(plugin.typed, params.share)
    with progress.within(0.0, 0.5, "alone"):
        alone = plugin.module.fit(context.data, narrow, context.fit)
    objective = taught_by(teacher.module, params.weight, params.temperature)
    with progress.within(0.5, 1.0, "taught"):
        student = plugin.module.fit(context.data, narrow, context.fit, objective)
    context.facts["distill"] = {"alone": context.judge(alone), "taught": context.judge(student)}
    return student
