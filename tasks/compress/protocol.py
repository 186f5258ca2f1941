"""What a technique is given: what it starts from, and the circumstances.

A technique is of one of three kinds. One that works on the graph has `apply(parent, params,
context)` and returns an onnx.ModelProto; one that works on the fitted model has `shrink(parent,
params, context)` and returns a model of the same plugin; one that takes the fitted model to another
format, as the last of a recipe, has `convert(parent, params, context)` and returns a `Converted`.
All have `applies(parent)`: None, or why not. One that changes layer by layer takes `only` in
`apply`: the names of the layers to change. One that fits further says how often it goes over the
training data, `passes(params, model)`. A search asks before anything is made whether the graph then
has other numbers alone, `SAME_SHAPE` (and which share of them is not 0, `keeps(params)`), or what
gives it the same shape sooner, `outline(params, model)`; and, of one that not all rows suit, why
these do not, `refuses(params, context)`. One that would undo what others did has their names in
`UNDOES`: behind them it does not apply. One that returns a model of another plugin says which,
`becomes(params, model)`, and names it in `uses(params)`.

For `temper explain`: one with `apply` has `only`; one with `shrink` that can change one layer of a
network has `alone(parent, params, context)`, which yields each layer's name with the model in which
it alone is changed and nothing is fitted further (and a param `keep`, layers left as they are); one
of trees has `milder(params)`, params that change less; any other says in `NO_LAYERS` why its loss
is not that of layers, and what to look at.

What it makes of the model must be what the plugin can save and load again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.compress import certificate, graphs
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import Plugin
from tasks.core.prepared import Meta

if TYPE_CHECKING:
    import onnx

LOWER = ("fp16", "bf16", "ptq_int8", "ptq_int4")  # techniques that leave no float32 weights


class NotApplicable(Exception):
    """Raised by a technique that finds out, while it is applied, that it does not fit the graph."""

    def __init__(self, reason: str, technique: str = "") -> None:
        super().__init__(reason)
        self.technique = technique

    def within(self, recipe: list[Plugin]) -> str:
        """Return the reason, and whose it is where the recipe has others."""
        return str(self) if len(recipe) == 1 else f"{self.technique}: {self}"


def dialect_of(recipe: list[Plugin]) -> str | None:
    """Return which engines' form of INT8 or INT4 a recipe's graph speaks, if of any."""
    spoken = [s.module.dialect(s.typed) for s in recipe if hasattr(s.module, "dialect")]
    return spoken[-1] if spoken else None


class NothingToDo(NotApplicable):
    """Raised by a technique that leaves the graph as it is: a recipe goes on with its next one."""


class Converted(NamedTuple):
    """A variant in another format than ONNX.

    name, content: of its file; predict: X (n, feature) -> prediction (n, width); facts: what the
    certificate states of it (`weight_bytes`, `nonzero_share`, …).
    """

    name: str
    content: bytes
    predict: Callable[[np.ndarray], np.ndarray]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Parent:
    """What a technique is applied to.

    graph: whole (columns -> prediction); model: its plugin; load: gives the fitted model that the
    graph is the export of, None once a technique has changed the graph itself; earlier: the
    techniques of the recipe already applied, in order; last: what the last of them was applied to,
    and that technique; converted: what stands for the graph in another format.
    """

    graph: "onnx.ModelProto"
    model: Plugin
    load: Callable[[], Any] | None
    earlier: tuple[str, ...] = ()
    last: "tuple[Parent, Plugin] | None" = None
    converted: Converted | None = None

    @property
    def lowered(self) -> str | None:
        """Return why a technique that starts from float32 weights does not fit, or None."""
        if by := [name for name in self.earlier if name in LOWER]:
            return f"it starts from float32 weights, not from those that {by[-1]} left"
        half = graphs.is_half(self.graph.graph)
        return "it starts from float32 weights, and they are float16" if half else None

    @cached_property
    def fitted(self) -> Any:
        """Return the fitted model; only a technique with `shrink` may ask for it."""
        assert self.load is not None
        return self.load()


@dataclass(frozen=True)
class Context:
    """The circumstances of a technique.

    draw: gives the `calibration`; matrix: gives `calibration_X`; rows: gives the `data`; fit: seed
    of every random choice, threads, device, and the folder that `fitting` has checkpoints in;
    judge: gives the metrics of a plugin's fitted model on the judged rows, to be stated, not to be
    chosen by; hold: gives the graph's inputs and the target of training rows that a model was not
    fitted on, to choose by; metric: decides on them; brief: nothing but the shape of what is made
    is asked for, and what cut trees lose; facts: what a technique states of its work, by its name;
    turns: numbers its fits.
    """

    meta: Meta
    draw: Callable[[], dict[str, np.ndarray]]
    matrix: Callable[[], np.ndarray]
    rows: Callable[[], FitData]
    fit: FitContext
    judge: Callable[[Plugin, Any], dict[str, float | None]]
    hold: Callable[[Parent], tuple[dict[str, np.ndarray], np.ndarray]]
    metric: Plugin
    brief: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    turns: Iterator[int] = field(default_factory=count)

    @cached_property
    def calibration(self) -> dict[str, np.ndarray]:
        """Return the graph's inputs for training rows, by name."""
        return self.draw()

    @cached_property
    def calibration_X(self) -> np.ndarray:
        """Return X (n, feature) of the calibration rows."""
        _ = self.calibration  # so that they are stated
        return self.matrix()

    @property
    def calibrated(self) -> dict[str, Any] | None:
        """Return what identifies the calibration rows; None: no technique asked for any."""
        return certificate.digest(self.calibration) if "calibration" in vars(self) else None

    def fitting(self) -> FitContext:
        """Return the context of the next fit, which goes on from where a killed one was."""
        folder, turn = self.fit.checkpoint, str(next(self.turns))
        return replace(self.fit, checkpoint=folder / turn if folder else None)

    @cached_property
    def data(self) -> FitData:
        """Return what the model was fitted on."""
        return self.rows()
