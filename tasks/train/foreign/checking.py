"""What every kind of file is held to: the table's columns, and the predictions of its library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData

if TYPE_CHECKING:
    import onnx

EXPORT = "Export it as ONNX (onnxmltools or skl2onnx do)"
TOLERANCE = 1e-4  # of the usual size of a prediction


class Read(NamedTuple):
    """What a file holds: the graph, and what is known of its trees.

    rounds: of boosting, or the trees of a forest, in the graph's order; 0: there are no trees, or
    the file does not say. averaged: each tree counts as much, and stands divided by their number.
    note: what of the file was left out.
    """

    graph: "onnx.ModelProto"
    rounds: int = 0
    averaged: bool = False
    note: str = ""


def features(
    count: int,
    X: np.ndarray,
    where: str,
    names: Sequence[str] | None = None,
    known: Sequence[str] = (),
) -> None:
    """Check that a model wants the features that the table has.

    `names`: those that it was fitted on, where its file says; `known`: the table's.

    Raises:
        ParamsError: it wants another count of them, or the same names in another order.
    """
    lacking = [name for name in names or [] if name not in known]
    told = 0 < len(lacking) < len(names or [])  # else the file has names of its own: f0, f1, …
    if count != X.shape[1]:
        which = f"; the table lacks {', '.join(lacking[:8])}" if told else ""
        raise ParamsError(
            f"{where}: it wants {count} features, the table has {X.shape[1]} columns of that role"
            + which
        )
    if names and not lacking and list(names) != list(known):
        raise ParamsError(
            f"{where}: it was fitted on the columns in another order: {', '.join(names[:8])}; the "
            f"table's are {', '.join(known[:8])}. They go into it in the table's order"
        )


def classes(labels: Any, data: FitData, where: str) -> None:
    """Check that a model's classes, in its order, are those of the table's target, or 0, 1, … for
    them.

    Raises:
        ParamsError: they are others.
    """
    if len(labels) != data.n_classes:
        raise ParamsError(
            f"{where}: it knows {len(labels)} classes, the table's target has {data.n_classes}"
        )
    found = [str(label.item() if hasattr(label, "item") else label) for label in labels]
    found = [label.removesuffix(".0").lower() for label in found]
    numbered = [str(at) for at in range(len(found))]
    if data.classes and found not in (numbered, [label.lower() for label in data.classes]):
        raise ParamsError(
            f"{where}: its classes are {', '.join(map(str, labels[:8]))}; those of the table's "
            f"target are {', '.join(data.classes[:8])}"
        )


def one_input(found: str, features: int, where: str, also: str = "") -> ParamsError:
    """Return the error of a graph whose inputs are not the table's feature columns.

    also: what else would do.
    """
    return ParamsError(
        f"{where}: expected one input of float32 [rows, {features}], the feature columns of "
        f"the table in their order{also}; found {found}"
    )


def no_number(bad: Any, X: np.ndarray, names: list[str], where: str) -> ParamsError:
    """Return the error of a model that gives none where values are missing, in the rows `bad`."""
    columns = [names[at] for at in np.flatnonzero(np.isnan(X[bad]).any(axis=0))]
    return ParamsError(
        f"{where}: it gives no number where values are missing, in {int(bad.sum())} of "
        f"{len(X)} rows that were tried; missing in {', '.join(columns[:8])}. Fill them in the "
        "file, leave such rows out, or give a model that knows missing values"
    )


def verified(
    graph: "onnx.ModelProto", expected: np.ndarray, X: np.ndarray, library: str, where: str
) -> "onnx.ModelProto":
    """Return a graph that gives what its library gives on rows of the table.

    Raises:
        ParamsError: it does not.
    """
    expected = np.reshape(np.asarray(expected, np.float64), (len(X), -1))
    if not alike(outputs(graph.SerializeToString(), X), expected):
        raise ParamsError(
            f"{where}: the graph that Temper writes of it does not give what {library} gives on "
            f"{len(X)} rows: it is of a kind that is not known here. {EXPORT}"
        )
    return graph


def alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether predictions (n, width) are the same, but for rounding."""
    if found.shape != expected.shape:
        return False
    scale = max(float(np.abs(expected).mean()), 1e-30)
    return bool(np.abs(found - expected).max() / scale <= TOLERANCE)


def outputs(content: bytes, X: np.ndarray) -> np.ndarray:
    """Return a graph's first output for X (n, feature), (n, width) float64."""
    return all_outputs(content, X)[0].reshape(len(X), -1)


def all_outputs(content: bytes, X: np.ndarray) -> list[np.ndarray]:
    """Return a graph's outputs for X (n, feature), float64."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(content, options, providers=providers)
    rows = np.ascontiguousarray(X, np.float32)
    found = session.run(None, {session.get_inputs()[0].name: rows})
    return [np.atleast_1d(np.asarray(output, np.float64)) for output in found]
