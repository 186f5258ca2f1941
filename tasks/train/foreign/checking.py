"""What every kind of file is held to: the table's columns, and the predictions of its library."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.core.errors import ParamsError, ParityError

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-4  # of the usual size of a prediction


def features(count: int, X: np.ndarray, where: str) -> None:
    """Check that a model wants as many features as the table has.

    Raises:
        ParamsError: it does not.
    """
    if count != X.shape[1]:
        raise ParamsError(
            f"{where}: it wants {count} features, the table has {X.shape[1]} columns of that role"
        )


def one_input(found: str, features: int, where: str) -> ParamsError:
    """Return the error of a graph whose inputs are not the table's feature columns."""
    return ParamsError(
        f"{where}: expected one input of float32 [rows, {features}], the feature columns of "
        f"the table in their order; found {found}"
    )


def verified(
    graph: "onnx.ModelProto", expected: np.ndarray, X: np.ndarray, library: str, where: str
) -> "onnx.ModelProto":
    """Return a graph that gives what its library gives on rows of the table.

    Raises:
        ParityError: it does not.
    """
    expected = np.reshape(np.asarray(expected, np.float64), (len(X), -1))
    found = outputs(graph.SerializeToString(), X)
    scale = max(float(np.abs(expected).mean()), 1e-30)
    if found.shape != expected.shape or not np.abs(found - expected).max() / scale <= TOLERANCE:
        raise ParityError(
            f"{where}: its graph does not give what {library} gives on {len(X)} rows (of a kind "
            "that Temper does not write?); export it as ONNX"
        )
    return graph


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
