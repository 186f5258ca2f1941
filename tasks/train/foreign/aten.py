"""A program of torch's own operators (ATen): computed by torch, and written as a graph.

Both only for the operators in WRITERS, so that a file can ask for no other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.core.graph import Graph, matrix
from tasks.train.foreign.operators import SHAPES, WRITERS, Ref, Unwritten

ATEN = "torch.ops.aten."
SIZE = "sym_size.int"
UNREAD = object()  # an argument of a kind that no operator here takes


@dataclass(frozen=True)
class Call:
    """One operator: `target`, its arguments by name, the names of what it gives."""

    target: str
    given: dict[str, Any]
    outputs: list[str]

    @property
    def operator(self) -> str:
        """Return the operator's name with its overload: `relu.default`."""
        return self.target.removeprefix(ATEN)

    @property
    def in_place(self) -> bool:
        """Return whether it writes into its first argument."""
        return self.operator.partition(".")[0].endswith("_")

    @property
    def written(self) -> str:
        """Return the name that WRITERS has it under."""
        return self.operator.partition(".")[0].rstrip("_")


@dataclass(frozen=True)
class Program:
    """Calls in order. weights: by name; shapes: of what is computed, None where rows count."""

    input: str
    output: str
    calls: list[Call]
    weights: dict[str, np.ndarray]
    shapes: dict[str, list[int | None]]


def unknown(program: Program) -> list[str]:
    """Return the operators that are not known here, sorted."""
    return sorted({c.operator for c in _computed(program) if not _is_known(c)})


def _is_known(call: Call) -> bool:
    if not call.target.startswith(ATEN) or UNREAD in call.given.values():
        return False
    return call.operator == SIZE or (call.written in WRITERS and len(call.outputs) == 1)


def _computed(program: Program) -> list[Call]:
    """Return the calls that give something; export notes what it assumed of sizes by others."""
    return [c for c in program.calls if c.outputs]


def run(program: Program, X: np.ndarray) -> np.ndarray:
    """Return what torch gives for X (n, feature), by its own kernels."""
    import torch

    known: dict[str, Any] = {n: torch.from_numpy(w) for n, w in program.weights.items()}
    known[program.input] = torch.from_numpy(X.copy())
    with torch.no_grad():
        for call in _computed(program):
            given = {k: _filled(v, known) for k, v in call.given.items()}
            known[call.outputs[0]] = _operator(call)(**given)
    return known[program.output].numpy()


def to_onnx(program: Program, features: int) -> Any:
    """Return the graph X (N, feature) -> the program's output, under the name `given`.

    Raises:
        Unwritten: an operator has a form, or a setting, that no graph is written for.
    """
    graph = Graph()
    known: dict[str, Any] = {**program.weights, program.input: Ref("X")}
    for call in _computed(program):
        if call.operator == SIZE:
            continue
        try:
            schema = _operator(call)._schema.arguments
            given = {a.name: call.given.get(a.name, a.default_value) for a in schema}
            given = {k: _filled(v, known) for k, v in given.items() if k not in SHAPES}
            shape = program.shapes[call.outputs[0]]
            made = Ref(WRITERS[call.written](graph, given, shape))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Unwritten(f"{call.operator} is not written as a graph in this form") from None
        known[call.outputs[0]] = made
        if call.in_place:
            known[call.given[schema[0].name]] = made
    width = program.shapes[program.output][-1] or 1
    return graph.model(matrix(features), known[program.output], "given", width)


def _operator(call: Call) -> Any:
    import torch

    name, _, overload = call.operator.partition(".")
    return getattr(getattr(torch.ops.aten, name), overload)


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """Return an argument with what its references stand for."""
    if isinstance(value, list):
        return [_filled(v, known) for v in value]
    return known[value] if isinstance(value, Ref) else value
