"""Reads LiteRT files: their weights, and which operators run on integers."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
DTYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8}


class _Operator(NamedTuple):
    name: str
    inputs: list[int]  # positions of tensors
    outputs: list[int]


def facts(content: bytes) -> dict[str, Any]:
    """Return weight_bytes, nonzero_share and quantised_share of a file, as certificates have them.

    An operator counts as run on integers where the weights that it reads are INT8: LiteRT's kernels
    go by that, and round activations that come as floats.
    """
    schema = _schema()
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    operators = list(_operators(model, graph))
    made_by = {o.outputs[0]: o for o in operators}
    weighted = [o for o in operators if o.name in WEIGHTED]
    integer = [o for o in weighted if _kind(graph, o.inputs[1]) == "INT8"]
    weights = []
    for operator in weighted:
        tensor = operator.inputs[1]
        if tensor in made_by and made_by[tensor].name == "DEQUANTIZE":
            tensor = made_by[tensor].inputs[0]
        weights.append(_values(model, graph, tensor))
    count = sum(w.size for w in weights)
    nonzero = sum(int(np.count_nonzero(w)) for w in weights)
    return {
        "weight_bytes": sum(model.Buffers(i).DataLength() for i in range(model.BuffersLength())),
        "nonzero_share": nonzero / count if count else None,
        "quantised_share": len(integer) / len(weighted) if weighted else None,
    }


def _operators(model: Any, graph: Any) -> Iterator[_Operator]:
    schema = _schema()
    names = {code: n for n, code in vars(schema.BuiltinOperator).items() if n.isupper()}
    for at in range(graph.OperatorsLength()):
        operator = graph.Operators(at)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        outputs = [operator.Outputs(i) for i in range(operator.OutputsLength())]
        yield _Operator(names[code], inputs, outputs)


def _kind(graph: Any, tensor: int) -> str:
    kinds = {code: name for name, code in vars(_schema().TensorType).items() if name.isupper()}
    return kinds[graph.Tensors(tensor).Type()]


def _values(model: Any, graph: Any, tensor: int) -> np.ndarray:
    """Return a constant's values; none of a tensor that is computed."""
    buffer = model.Buffers(graph.Tensors(tensor).Buffer())
    kind = _kind(graph, tensor)
    if not buffer.DataLength() or kind not in DTYPES:
        return np.zeros(0)
    return buffer.DataAsNumpy().view(DTYPES[kind])


def _schema() -> Any:
    from ai_edge_litert import (  # pyright: ignore[reportMissingImports] - an extra of its own
        schema_py_generated,
    )

    return schema_py_generated
