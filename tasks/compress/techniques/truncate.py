"""The first trees of an ensemble, exported anew: smaller and faster in proportion.

Boosted trees keep most of their accuracy (300 trees to 200: R2 .9804 to .9802), since later trees
correct less. A forest's trees are equals: it loses a little of its averaging. Not for models
without trees.
"""

from typing import Any

from pydantic import Field

from tasks.compress import graphs
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.plugins import PluginParams

PRECISION = ""


class Params(PluginParams):
    """How much of the ensemble stays."""

    share: float = Field(
        default=0.5, gt=0, lt=1, description="of the boosting rounds, or of the trees"
    )


def applies(parent: Parent) -> str | None:
    """Return None, or why there are no trees to leave out."""
    module = parent.model.module
    if not hasattr(module, "truncate") or not graphs.is_trees(parent.graph.graph):
        return "not an ensemble of trees"
    return None


def milder(params: Params) -> list[dict[str, Any]]:
    """Return params that leave more of the trees."""
    return [{"share": round(1 - (1 - params.share) * part, 3)} for part in (0.75, 0.5, 0.25)]


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with its first trees only.

    Raises:
        NotApplicable: nothing says which those are.
    """
    made = parent.model.module.truncate(parent.fitted, params.share)
    if made is None:
        raise NotApplicable("its file does not say whether its trees are added in turn or averaged")
    return made
