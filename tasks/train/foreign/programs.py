"""Programs of torch.export (`.pt2`) as graphs, without the loader that could run what they hold.

`torch.export.load` (torch 2.13) tries pickled parts as weights alone, and where that fails without
any restriction; it reads other parts without one, and evaluates the text of symbolic sizes as
Python. So the archive is read here instead: its graph is JSON, its weights are plain bytes. What
could only be unpickled is refused, except the example inputs, which nobody reads.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ParamsError
from tasks.train.foreign import aten, checking
from tasks.train.foreign.aten import Call
from tasks.train.foreign.operators import WRITERS, Ref, Unwritten

if TYPE_CHECKING:
    import onnx

SCHEMA = 8  # major version of the JSON
FLOAT32, CPU_ORDER = 7, b"little"
DTYPES = {  # torch's numbers of the types that numpy has too
    1: np.uint8,
    2: np.int8,
    3: np.int16,
    4: np.int32,
    5: np.int64,
    6: np.float16,
    FLOAT32: np.float32,
    8: np.float64,
    12: np.bool_,
}
TRAINING = "(a network in training mode? call eval() before torch.export.export)"
PLAIN = ("as_int", "as_float", "as_bool", "as_string", "as_ints", "as_floats", "as_bools")


class _Refused(Exception):
    """Raised with the reason why an archive is not read."""


@dataclass(frozen=True)
class _Input:
    """A graph's input: its name and its declaration (`dtype`, `sizes`)."""

    name: str
    declared: dict[str, Any]


def read(content: bytes, X: np.ndarray, where: str) -> "onnx.ModelProto":
    """Return the graph of a program of one input of float32 [rows, feature] and one output.

    Raises:
        ParamsError: it is none, holds what is not read, or is of operators not known here; or the
            graph does not give what torch gives.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            program, entry = _program(_Archive(archive))
    except _Refused as why:
        raise ParamsError(f"{where}: {why}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, IndexError) as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise ParamsError(f"{where}: not a program of torch.export ({reason})") from None
    _check_input(entry, X.shape[1], where)
    if unknown := aten.unknown(program):
        raise ParamsError(
            f"{where}: {', '.join(unknown[:5])} is not written as a graph here; known: "
            f"{', '.join(WRITERS)}. Export it as ONNX (torch.onnx.export does)"
        )
    try:
        graph = aten.to_onnx(program, X.shape[1])
    except Unwritten as why:
        raise ParamsError(f"{where}: {why}") from None
    return checking.verified(graph, aten.run(program, X), X, "torch", where)


class _Archive:
    """The files of the archive, by their path below its one folder."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names = {n.partition("/")[2]: n for n in archive.namelist()}
        if "archive_format" not in self.names or self.read("archive_format") != b"pt2":
            raise _Refused("not a program of torch.export: save it with torch.export.save")
        version = self.read("archive_version")
        if version != b"0" or self.read("byteorder") != CPU_ORDER:
            raise _Refused(f"an archive of version {version!r}; expected that of torch 2.13")
        if any(n.startswith("data/aotinductor/") for n in self.names):
            raise _Refused(
                "it holds compiled code, which is not run; save it with torch.export.save"
            )

    def read(self, name: str) -> bytes:
        return self.archive.read(self.names[name])

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def tensors(self, kind: str, model: str) -> dict[str, np.ndarray]:
        """Return the `weights` or `constants` of a model, by name; plain bytes alone."""
        if f"data/{kind}/{model}.pt" in self.names:
            raise _Refused(f"its {kind} are pickled, as torch before 2.9 wrote them; save it anew")
        listed = self.json(f"data/{kind}/{model}_{kind}_config.json")
        found = {}
        for name, entry in listed["config"].items():
            path, meta = entry["path_name"], entry["tensor_meta"]
            if entry["use_pickle"] or not path.startswith(("weight_", "tensor_")):
                raise _Refused(f"{name!r} of its {kind} is pickled, which is not read")
            found[name] = _strided(self.read(f"data/{kind}/{path}"), meta, name)
        return found


def _strided(content: bytes, meta: dict[str, Any], name: str) -> np.ndarray:
    """Return the tensor that lies in a storage with these sizes, strides and offset."""
    if meta["dtype"] not in DTYPES:
        raise _Refused(f"{name!r} is of a type that is not read (torch's number {meta['dtype']})")
    flat = np.frombuffer(content, DTYPES[meta["dtype"]])
    sizes, strides = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
    start = int(meta["storage_offset"]["as_int"])
    last = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if min([start, 0, *sizes, *strides]) < 0 or (0 not in sizes and last >= len(flat)):
        raise ValueError(f"{name!r} does not lie within its bytes")
    bytes_of = [step * flat.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(flat[start:], sizes, bytes_of).copy()


def _program(archive: _Archive) -> tuple[aten.Program, _Input]:
    models = [n for n in archive.names if n.startswith("models/") and n.endswith(".json")]
    if len(models) != 1:
        raise _Refused(f"{len(models)} programs in one file; expected one")
    model = models[0].removeprefix("models/").removesuffix(".json")
    content = archive.json(models[0])
    if content["schema_version"]["major"] != SCHEMA:
        raise _Refused(
            f"written by torch {content['torch_version']} in another form; save it with torch 2.13"
        )
    stored = archive.tensors("weights", model) | archive.tensors("constants", model)
    graph, signature = content["graph_module"]["graph"], content["graph_module"]["signature"]
    weights, inputs = {}, []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind in ("parameter", "buffer", "tensor_constant"):
            weights[entry["arg"]["name"]] = stored[entry[f"{kind}_name"]]
        else:
            inputs.append(entry["arg"])
    declared = graph["tensor_values"]
    output = _output(signature)
    if len(inputs) != 1 or "as_tensor" not in inputs[0]:
        raise _Refused(f"expected one input, a tensor; found {len(inputs)}: {_names(inputs)}")
    name = inputs[0]["as_tensor"]["name"]
    calls = [_call(node) for node in graph["nodes"]]
    made = {o for call in calls for o in call.outputs}
    others = [n for n in made if n in declared and declared[n]["dtype"] != FLOAT32]
    if others:
        raise _Refused(f"{others[0]!r} is not float32, which all of it must be {TRAINING}")
    shapes = {n: [_size(s) for s in declared[n]["sizes"]] for n in (*made, name) if n in declared}
    return aten.Program(name, output, calls, weights, shapes), _Input(name, declared[name])


def _output(signature: dict[str, Any]) -> str:
    found = [(kind, entry) for spec in signature["output_specs"] for kind, entry in spec.items()]
    if len(found) != 1 or found[0][0] != "user_output" or "as_tensor" not in found[0][1]["arg"]:
        kinds = ", ".join(kind for kind, _ in found)
        raise _Refused(f"expected one output, a tensor; found {kinds} {TRAINING}")
    return found[0][1]["arg"]["as_tensor"]["name"]


def _names(inputs: list[dict[str, Any]]) -> str:
    return ", ".join(str(next(iter(i.values()), {}).get("name", "?")) for i in inputs)


def _size(size: dict[str, Any]) -> int | None:
    """Return a size; None: it depends on the rows."""
    return int(size["as_int"]) if "as_int" in size else None


def _call(node: dict[str, Any]) -> Call:
    given = {argument["name"]: _value(argument["arg"]) for argument in node["inputs"]}
    outputs = [o["as_tensor"]["name"] for o in node["outputs"] if "as_tensor" in o]
    outputs += [o["as_sym_int"]["as_name"] for o in node["outputs"] if "as_sym_int" in o]
    return Call(node["target"], given, outputs)


def _value(argument: dict[str, Any]) -> Any:
    """Return an argument: a number, a text, a Ref to what another call gives, or a list of them."""
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind in PLAIN:
        return value
    if kind in ("as_tensor", "as_tensors"):
        return Ref(value["name"]) if kind == "as_tensor" else [Ref(v["name"]) for v in value]
    if kind in ("as_sym_int", "as_sym_ints"):
        each = [value] if kind == "as_sym_int" else value
        sizes = [v["as_int"] if "as_int" in v else Ref(v["as_name"]) for v in each]
        return sizes[0] if kind == "as_sym_int" else sizes
    return aten.UNREAD


def _check_input(entry: _Input, features: int, where: str) -> None:
    sizes = [_size(s) for s in entry.declared["sizes"]]
    if len(sizes) != 2 or sizes[1] != features or entry.declared["dtype"] != FLOAT32:
        shown = ["rows" if s is None else s for s in sizes]
        kind = np.dtype(DTYPES.get(entry.declared["dtype"], np.void)).name
        raise checking.one_input(f"{entry.name} of {kind} {shown}", features, where)
    if sizes[0] is not None:
        raise ParamsError(
            f"{where}: its batch is fixed to {sizes[0]}; export it with any: "
            "dynamic_shapes={...: {0: torch.export.Dim.AUTO}}, on an example of 2 rows or more"
        )
