"""Files of models that were fitted elsewhere, as graphs: X (N, feature) -> prediction."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ParamsError, ParityError
from tasks.core.fitting import FitData
from tasks.core.graph import IR_VERSION, output_name, rename
from tasks.core.home import project

if TYPE_CHECKING:
    import onnx

READ = ".onnx, .ubj or .json (XGBoost), .txt (LightGBM), .keras (with `temper compress`)"
ROWS = 512  # that a file is tried on
TOLERANCE = 1e-4


def content_of(path: str, sha256: str, where: str) -> tuple[bytes, Path]:
    """Return a file's content and where it is; `path` is relative to the project.

    Raises:
        ParamsError: the file is not there or not the one meant.
    """
    found = project() / Path(path).expanduser()
    try:
        content = found.read_bytes()
    except OSError as error:
        raise ParamsError(f"{where}: {path!r} cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ParamsError(
            f"{where}: {found} has sha256 {digest}, expected {sha256 or 'one'}; set sha256 to it "
            "if this is the file meant"
        )
    return content, found


def graph_of(content: bytes, path: Path, data: FitData, where: str) -> "onnx.ModelProto":
    """Return the graph of a file, with input `X` and the prediction as its one output.

    Raises:
        ParamsError: it is of no kind that is read, or does not suit the table.
        ParityError: a booster's graph does not give what its library gives.
    """
    X = np.ascontiguousarray(data.X[:ROWS], np.float32)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        model = _onnx(content, X, where)
    elif suffix in (".ubj", ".json"):
        model = _xg_boost(content, X, data, where)
    elif suffix == ".txt":
        model = _light_gbm(content, X, data, where)
    else:
        raise ParamsError(f"{where}: {path.name}: expected {READ}")
    return _finished(model, X, data, where)


def outputs(content: bytes, X: np.ndarray) -> np.ndarray:
    """Return a graph's first output for X (n, feature), (n, width) float64."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(content, options, providers=providers)
    rows = np.ascontiguousarray(X, np.float32)
    found = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: rows})[0]
    return np.asarray(found, np.float64).reshape(len(rows), -1)


def _onnx(content: bytes, X: np.ndarray, where: str) -> "onnx.ModelProto":
    """Return the graph with input X and one output of numbers."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ParamsError(f"{where}: not an ONNX file") from None
    graph = model.graph
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in inputs]
    fits = len(inputs) == 1 and len(shapes[0]) == 2 and shapes[0][1] in (0, X.shape[1])
    if not fits or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        found = ", ".join(f"{i.name} {s}" for i, s in zip(inputs, shapes, strict=True))
        raise ParamsError(
            f"{where}: expected one input of float32 [rows, {X.shape[1]}], the feature columns of "
            f"the table in their order; found {found}"
        )
    if shapes[0][0] > 1:
        raise ParamsError(f"{where}: its batch is fixed to {shapes[0][0]}; export it with any")
    name = _prediction(graph, where)
    rename(graph.node, inputs[0].name, "X")
    del graph.input[:]
    graph.input.append(_value("X", X.shape[1]))
    del graph.output[:]
    graph.output.append(_value("X" if name == inputs[0].name else name, None))
    model.ir_version = min(model.ir_version, IR_VERSION)
    return model


def _prediction(graph: "onnx.GraphProto", where: str) -> str:
    """Return the tensor of probabilities or values: scikit-learn's converters wrap it in a ZipMap,
    and put the labels before it.
    """
    import onnx

    zipped = [n for n in graph.node if n.op_type == "ZipMap"]
    if zipped:
        for node in zipped:
            graph.node.remove(node)
        return zipped[0].input[0]
    floats = [o for o in graph.output if o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    if not floats:
        found = ", ".join(o.name for o in graph.output)
        raise ParamsError(f"{where}: no output of float32 among {found}")
    named = [o for o in floats if "prob" in o.name.lower()]
    return (named or floats)[0].name


def _xg_boost(content: bytes, X: np.ndarray, data: FitData, where: str) -> "onnx.ModelProto":
    import xgboost

    from tasks.core.plugins import plugin

    booster = xgboost.Booster({"nthread": 1, "device": "cpu"})
    try:
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, ValueError) as error:
        first = str(error).strip().splitlines()[-1]
        raise ParamsError(f"{where}: not a model of XGBoost ({first})") from None
    _check_features(booster.num_features(), X, where)
    module = plugin("model", "xg_boost")
    return _verified(module, module.Model(data.task, booster, {}, "cpu"), X, where)


def _light_gbm(content: bytes, X: np.ndarray, data: FitData, where: str) -> "onnx.ModelProto":
    import lightgbm

    from tasks.core.plugins import plugin

    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise ParamsError(f"{where}: not a model of LightGBM ({error})") from None
    _check_features(booster.num_feature(), X, where)
    module = plugin("model", "light_gbm")
    return _verified(module, module.Model(data.task, booster, {}), X, where)


def _check_features(count: int, X: np.ndarray, where: str) -> None:
    if count != X.shape[1]:
        raise ParamsError(
            f"{where}: it wants {count} features, the table has {X.shape[1]} columns of that role"
        )


def _verified(module: Any, model: Any, X: np.ndarray, where: str) -> "onnx.ModelProto":
    """Return a booster's graph, held against its library on rows of the table."""
    graph = module.to_onnx(model)
    expected = np.reshape(module.predict(model, X), (len(X), -1))
    found = outputs(graph.SerializeToString(), X)
    scale = max(float(np.abs(expected).mean()), 1e-30)
    if found.shape != expected.shape or np.abs(found - expected).max() / scale > TOLERANCE:
        raise ParityError(
            f"{where}: its graph does not give what the library gives on {len(X)} rows (an "
            "objective or a kind of booster that Temper does not write?); export it as ONNX"
        )
    return graph


def _finished(
    model: "onnx.ModelProto", X: np.ndarray, data: FitData, where: str
) -> "onnx.ModelProto":
    """Return the graph with its prediction named as Temper's are: probabilities, or the value."""
    import onnx
    from onnx import helper

    follows = ending(outputs(model.SerializeToString(), X), data, where)
    graph = model.graph
    last, name = graph.output[0].name, output_name(data.task)
    if last == name:
        rename(graph.node, last, last := f"{last}/given")
    if follows.endswith("pair"):
        score = last
        if follows == "sigmoid pair":
            graph.node.append(helper.make_node("Sigmoid", [last], [score := "given/positive"]))
        graph.node.append(helper.make_node("Constant", [], ["given/one"], value_float=1.0))
        graph.node.append(helper.make_node("Sub", ["given/one", score], ["given/negative"]))
        pair = ["given/negative", score]
        graph.node.append(helper.make_node("Concat", pair, [name], axis=1))
    elif follows == "softmax":
        graph.node.append(helper.make_node("Softmax", [last], [name], axis=1))
    else:
        graph.node.append(helper.make_node("Identity", [last], [name]))
    del graph.output[:]
    width = max(data.n_classes, 1) if data.task == "classification" else 1
    graph.output.append(_value(name, width))
    onnx.checker.check_model(model)
    return model


def ending(found: np.ndarray, data: FitData, where: str) -> str:
    """Return what makes a prediction of a model's outputs on some rows, (n, width).

    "" for nothing; "softmax"; "pair" for one probability of two classes, "sigmoid pair" for a score
    of theirs.

    Raises:
        ParamsError: there are not as many outputs as the target needs.
    """
    width = max(data.n_classes, 1) if data.task == "classification" else 1
    both = data.task == "classification" and width == 2 and found.shape[1] == 1
    if found.shape[1] != width and not both:
        raise ParamsError(
            f"{where}: it gives {found.shape[1]} numbers a row; the table's target has "
            f"{f'{width} classes' if width > 1 else 'one'}"
        )
    if both:
        return "sigmoid pair" if found.min() < 0 or found.max() > 1 else "pair"
    return "softmax" if data.task == "classification" and not _sums_to_one(found) else ""


def _sums_to_one(found: np.ndarray) -> bool:
    return found.min() >= -1e-6 and bool(np.abs(found.sum(1) - 1).max() < 1e-3)


def _value(name: str, width: int | None) -> "onnx.ValueInfoProto":
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
