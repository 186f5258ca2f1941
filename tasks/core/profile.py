"""Counts what one row costs an ONNX graph: multiply-adds, bytes moved, weights, peak memory."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.core.buffers import GIVEN, Buffers
from tasks.core.sizes import DEQUANTISE, FLOAT_BYTES, Sizes, inferred

if TYPE_CHECKING:
    import onnx

CLASSES: tuple[str, ...] = ("conv_3x3", "conv", "depthwise", "fully_connected")
QUANTISE = "QuantizeLinear"
SUM_BYTES, ADDRESS_BYTES = 4, 8
# What ONNX Runtime holds of an operator beside its tensors: in float32 what a session of 163 small
# ones takes more than one of 13, a piece; on integers what MobileNetV2's 68 hold once loaded.
OPERATOR_BYTES, INTEGER_OPERATOR_BYTES = 16 * 1024, 20 * 1024
FUSED = {"Relu", "Clip", "LeakyRelu"}  # computed as the operator before them writes its values
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}
IN_PLACE = FUSED | VIEWS | {"Add", "Sub", "Mul", "Div", "Sigmoid", "HardSwish", "Tanh", "Softmax"}


@dataclass(frozen=True)
class Work:
    """What one row costs.

    `macs` are multiply-adds by class: 3 x 3 convolutions of stride 1 (for which there are faster
    algorithms), other dense convolutions, depthwise ones, fully connected layers.
    `activation_bytes` is what all operators read and write of activations, as float32 whatever the
    graph has.
    """

    macs: dict[str, int]
    activation_bytes: int
    weight_bytes: int
    operators: int

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())


class Layer(NamedTuple):
    """A convolution or a matrix product, by its class: channels that it writes, those that each of
    them reads, values of a window, places that it stands at.
    """

    kind: str
    channels: int
    inputs: int
    window: int = 1
    places: int = 1

    @property
    def macs(self) -> int:
        return math.prod(self[1:])


@dataclass(frozen=True)
class Profile:
    """The work of a graph, with its memory, the caller's input included.

    `live_bytes` is the largest live set of activations, `block_bytes` the block that ONNX Runtime
    lays them out in, `working_bytes` what the greediest of its integer kernels takes beside.
    `unsized` are tensors whose shape cannot be inferred: they count nothing, so that the memory is
    a lower bound where there are any.
    """

    work: Work
    live_bytes: int
    block_bytes: int
    working_bytes: int
    int8: bool
    trees: bool
    unsized: tuple[str, ...]

    @property
    def tensor_bytes(self) -> int:
        """Return what weights, activations and working memory take."""
        return self.work.weight_bytes + self.block_bytes + self.working_bytes

    @property
    def peak_bytes(self) -> int:
        """Return what must be held to run: tensors and operators."""
        each = INTEGER_OPERATOR_BYTES if self.int8 else OPERATOR_BYTES
        return self.tensor_bytes + each * self.work.operators

    @property
    def arena_bytes(self) -> int:
        """Return about the most that ONNX Runtime holds by default: its arena keeps the memory of a
        first call, allocated one by one, beside the block of all later ones. What is to spare there
        is more than the operators take."""
        return max(self.tensor_bytes + self.block_bytes, self.peak_bytes)


def profile(model: "onnx.ModelProto") -> Profile:
    """Return what one row costs a graph; the symbolic first dimension of its inputs is taken as 1.

    Raises:
        onnx.shape_inference.InferenceError: the graph contradicts itself.
    """
    graph = inferred(model)
    sizes = Sizes(graph)
    nodes = [n for n in graph.node if not sizes.constant(n)]
    readers = Counter(name for n in nodes for name in n.input)
    macs = dict.fromkeys(CLASSES, 0)
    moved = operators = 0
    for node in nodes:
        if layer := _layer(node, sizes):
            macs[layer.kind] += layer.macs
        values = _moved(node, sizes, readers)
        moved += values
        operators += values > 0
    buffers = _buffers(graph, nodes, sizes, readers)
    work = Work(macs, moved * FLOAT_BYTES, sizes.weight_bytes(nodes), operators)
    names = {n.op_type for n in nodes}
    return Profile(
        work=work,
        live_bytes=buffers.live(),
        block_bytes=buffers.block(),
        working_bytes=_working(nodes, sizes),
        int8=any(n.startswith("QLinear") for n in names) or {QUANTISE, DEQUANTISE} <= names,
        trees=any(n.startswith("TreeEnsemble") for n in names),
        unsized=tuple(sorted(sizes.unsized)),
    )


def convolution_class(kernel: Sequence[int], stride: int, groups: int, channels: int) -> str:
    """Return the class of a convolution with so many input channels."""
    if groups > 1 and groups == channels:
        return "depthwise"
    plain = tuple(kernel) == (3, 3) and stride == 1 and groups == 1
    return "conv_3x3" if plain else "conv"


def layers(model: "onnx.ModelProto") -> list[Layer]:
    """Return the layers of a graph whose shapes are known."""
    graph = inferred(model)
    sizes = Sizes(graph)
    found = (_layer(node, sizes) for node in graph.node if not sizes.constant(node))
    return [layer for layer in found if layer]


def _layer(node: "onnx.NodeProto", sizes: Sizes) -> Layer | None:
    """Return the layer that a node is; None: it is none, or its shapes are unknown (those are
    noted)."""
    quantised = node.op_type.startswith("QLinear")
    kind = node.op_type.removeprefix("QLinear").removeprefix("Fused").removesuffix("Integer")
    if kind == "MatMulNBits":  # its output has no known shape: of one vector, then
        return Layer("fully_connected", _attribute(node, "N", 0), _attribute(node, "K", 0))
    if kind not in ("Conv", "Gemm", "MatMul"):
        return None
    weight = sizes.shape(node.input[3 if quantised else 1])
    outputs = sizes.values(node.output[0])
    if weight is None or not outputs:
        return None
    if kind == "Conv":
        groups, strides = _attribute(node, "group", 1), _attribute(node, "strides", [1])
        channels = weight[1] * groups
        name = convolution_class(weight[2:], max(strides), groups, channels)
        return Layer(name, weight[0], weight[1], math.prod(weight[2:]), outputs // weight[0])
    inner = weight[-1] if _attribute(node, "transB", 0) else weight[-2]
    return Layer("fully_connected", outputs, inner)


def _working(nodes: "Sequence[onnx.NodeProto]", sizes: Sizes) -> int:
    """Return the most bytes that ONNX Runtime's kernel of a convolution on integers takes.

    Seen by what single convolutions take beside their tensors: an address for each value of a
    window, at each place; where the channels of a group are no multiple of four, each window
    unrolled and sums of 32 bits instead.
    """
    made = {name: node.op_type for node in nodes for name in node.output}
    rounded = {name for n in nodes if n.op_type == QUANTISE for name in n.input}
    rounded |= {n.input[0] for n in nodes if n.op_type in FUSED and n.output[0] in rounded}
    most = 0
    for node in nodes:
        if node.op_type not in ("Conv", "QLinearConv"):
            continue
        whole = node.op_type == "QLinearConv"
        between = made.get(node.input[0]) == DEQUANTISE and node.output[0] in rounded
        weight = sizes.shape(node.input[3 if whole else 1])
        if weight is None or not (whole or between):
            continue
        outputs, window = sizes.values(node.output[0]), math.prod(weight[2:])
        places = outputs // weight[0]
        if weight[1] % 4 and _attribute(node, "group", 1) == 1:
            most = max(most, math.prod(weight[1:]) * places + SUM_BYTES * outputs)
        elif window > 1:
            most = max(most, ADDRESS_BYTES * window * places)
    return most


def _moved(node: "onnx.NodeProto", sizes: Sizes, readers: Counter[str]) -> int:
    """Return the values that a node reads and writes of activations, 0 of what is fused or moves
    nothing."""
    name = node.op_type
    if name in VIEWS or name in (QUANTISE, DEQUANTISE, "Constant"):
        return 0
    if name in FUSED and readers[node.input[0]] == 1:
        return 0
    read = [n for n in node.input if n and n not in sizes.stored]
    return sum(map(sizes.values, [*read, *filter(None, node.output)]))


def _buffers(
    graph: "onnx.GraphProto",
    nodes: "Sequence[onnx.NodeProto]",
    sizes: Sizes,
    readers: Counter[str],
) -> Buffers:
    """Return the activations' buffers, with what ONNX Runtime computes in place or fuses."""
    buffers = Buffers()
    kept = {i.name for i in graph.input} - set(sizes.stored)  # nobody may write into these
    for name in sorted(kept):
        buffers.write(name, sizes.bytes(name), GIVEN)
        buffers.read(name, len(nodes))
    for step, node in enumerate(nodes):
        inputs = [n for n in node.input if n and n not in sizes.stored]
        for name in inputs:
            buffers.read(name, step)
        outputs = [n for n in node.output if n]
        if node.op_type == DEQUANTISE or (
            node.op_type == QUANTISE and readers[inputs[0]] == 1 and inputs[0] not in kept
        ):
            buffers.share(inputs[0], outputs[0], min(map(sizes.bytes, (inputs[0], outputs[0]))))
            kept |= {name for name in outputs if node.op_type == DEQUANTISE}
            continue
        reused = _reusable(node, inputs, sizes, readers, kept)
        for name in outputs:
            if reused and name == outputs[0]:
                buffers.share(reused, name, sizes.bytes(name))
            else:
                buffers.write(name, sizes.bytes(name), step)
    for tensor in graph.output:
        buffers.read(tensor.name, len(nodes))
    return buffers


def _reusable(
    node: "onnx.NodeProto",
    inputs: list[str],
    sizes: Sizes,
    readers: Counter[str],
    kept: set[str],
) -> str | None:
    """Return the input whose memory a node's output takes: of the same size, read by nobody else,
    and not to be kept."""
    if node.op_type not in IN_PLACE:
        return None
    wanted = sizes.bytes(node.output[0])
    free = (n for n in inputs if readers[n] == 1 and n not in kept and sizes.bytes(n) == wanted)
    return next(free, None)


def _attribute(node: "onnx.NodeProto", name: str, default: Any) -> Any:
    from onnx import helper

    found = [a for a in node.attribute if a.name == name]
    return helper.get_attribute_value(found[0]) if found else default
