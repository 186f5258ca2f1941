"""Files of models that were fitted elsewhere, as graphs: X (N, feature) -> prediction."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.graph import output_name, rename
from tasks.core.home import project
from tasks.train.foreign import boosters, estimators, graphs, inputs, programs
from tasks.train.foreign.checking import Read, no_number, outputs

if TYPE_CHECKING:
    import onnx

READ = {  # files of the model `given`, and who writes them
    ".onnx": "ONNX",
    ".ubj": "XGBoost",
    ".json": "XGBoost",
    ".txt": "LightGBM",
    ".skops": "scikit-learn",
    ".pt2": "torch.export",
}
ROWS = 512  # that a file is tried on


def content_of(path: str, sha256: str, where: str) -> tuple[bytes, Path]:
    """Return a file's content and where it is; `path` is relative to the project.

    Raises:
        ParamsError: the file cannot be read or is not the one meant.
    """
    found = project() / Path(path).expanduser()
    content = whole(found, f"{where}: {path!r}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ParamsError(
            f"{where}: {found} has sha256 {digest}, expected {sha256 or 'one'}; set sha256 to it "
            "if this is the file meant"
        )
    return content, found


def whole(path: Path, where: str) -> bytes:
    """Return a file's content; of an ONNX file with the weights that lie in files beside it.

    Raises:
        ParamsError: there is no such file, or it is empty, or its weights are not beside it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParamsError(f"{where}: cannot be read ({error.strerror})") from None
    if not content:
        raise ParamsError(f"{where}: the file is empty")
    return graphs.with_weights(content, path, where) if path.suffix.lower() == ".onnx" else content


def kinds() -> str:
    """Return the kinds of files that are read, in words."""
    return ", ".join(f"{suffix} ({writer})" for suffix, writer in READ.items())


def graph_of(content: bytes, path: Path, data: FitData, where: str) -> Read:
    """Return the graph of a file, with input `X` and the prediction as its one output; and what is
    known of its trees.

    Raises:
        ParamsError: it is of no kind that is read, does not suit the table, or its graph does not
            give what its library gives.
    """
    X = _tried(data)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        read = Read(graphs.read(content, X, data, where))
    elif suffix in (".ubj", ".json"):
        read = boosters.xg_boost(content, X, data, where)
    elif suffix == ".txt":
        read = boosters.light_gbm(content, X, data, where)
    elif suffix == ".skops":
        read = estimators.read(content, X, data, where)
    elif suffix == ".pt2":
        read = Read(programs.read(content, X, where))
    else:
        raise ParamsError(f"{where}: {path.name}: expected {kinds()}; of .keras, `given_keras`")
    graph = _finished(read.graph, X, data, where)
    _knows_missing(outputs(graph.SerializeToString(), X), X, data.feature_names, where)
    return read._replace(graph=graph)


def _tried(data: FitData) -> np.ndarray:
    """Return the first rows, and the first of those with missing values, as float32."""
    lacking = [X[np.isnan(X).any(axis=1)][:ROWS] for X in (data.X, data.X_stop)]
    return np.ascontiguousarray(np.concatenate([data.X[:ROWS], *lacking]), np.float32)


def _knows_missing(found: np.ndarray, X: np.ndarray, names: list[str], where: str) -> None:
    """Check that a model predicts rows with missing values: found is (n, width).

    Raises:
        ParamsError: it gives no numbers for some of them.
    """
    bad = np.isnan(X).any(axis=1) & ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise no_number(bad, X, names, where)


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
    graph.output.append(inputs.value(name, width))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ParamsError(f"{where}: not a sound graph ({str(error).splitlines()[0]})") from None
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
