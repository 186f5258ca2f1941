"""Files of models that were fitted elsewhere, as graphs: X (N, feature) -> prediction."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.graph import output_name, rename
from tasks.train.foreign import boosters, estimators, graphs, programs
from tasks.train.foreign.checking import outputs

if TYPE_CHECKING:
    import onnx

READ = ".onnx, .ubj or .json (XGBoost), .txt (LightGBM), .skops (scikit-learn), .pt2 (torch.export)"
ROWS = 512  # that a file is tried on


def graph_of(content: bytes, path: Path, data: FitData, where: str) -> "onnx.ModelProto":
    """Return the graph of a file, with input `X` and the prediction as its one output.

    Raises:
        ParamsError: it is of no kind that is read, or does not suit the table.
        ParityError: its graph does not give what its library gives.
    """
    X = np.ascontiguousarray(data.X[:ROWS], np.float32)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        model = graphs.read(content, X, where)
    elif suffix in (".ubj", ".json"):
        model = boosters.xg_boost(content, X, data, where)
    elif suffix == ".txt":
        model = boosters.light_gbm(content, X, data, where)
    elif suffix == ".skops":
        model = estimators.read(content, X, data, where)
    elif suffix == ".pt2":
        model = programs.read(content, X, where)
    else:
        raise ParamsError(f"{where}: {path.name}: expected {READ}")
    return _finished(model, X, data, where)


def _finished(
    model: "onnx.ModelProto", X: np.ndarray, data: FitData, where: str
) -> "onnx.ModelProto":
    """Return the graph with its prediction named as Temper's are: probabilities, or the value."""
    import onnx
    from onnx import helper

    found = outputs(model.SerializeToString(), X)
    graph = model.graph
    last, name = graph.output[0].name, output_name(data.task)
    width = max(data.n_classes, 1) if data.task == "classification" else 1
    both = data.task == "classification" and width == 2 and found.shape[1] == 1
    if found.shape[1] != width and not both:
        raise ParamsError(
            f"{where}: it gives {found.shape[1]} numbers a row; the table's target has "
            f"{f'{width} classes' if width > 1 else 'one'}"
        )
    if last == name:
        rename(graph.node, last, last := f"{last}/given")
    if both:
        score = last
        if found.min() < 0 or found.max() > 1:
            graph.node.append(helper.make_node("Sigmoid", [last], [score := "given/positive"]))
        graph.node.append(helper.make_node("Constant", [], ["given/one"], value_float=1.0))
        graph.node.append(helper.make_node("Sub", ["given/one", score], ["given/negative"]))
        pair = ["given/negative", score]
        graph.node.append(helper.make_node("Concat", pair, [name], axis=1))
    elif data.task == "classification" and not _sums_to_one(found):
        graph.node.append(helper.make_node("Softmax", [last], [name], axis=1))
    else:
        graph.node.append(helper.make_node("Identity", [last], [name]))
    del graph.output[:]
    graph.output.append(graphs.value(name, width))
    onnx.checker.check_model(model)
    return model


def _sums_to_one(found: np.ndarray) -> bool:
    return found.min() >= -1e-6 and bool(np.abs(found.sum(1) - 1).max() < 1e-3)
