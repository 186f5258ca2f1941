"""How far rows are from the nearest of a few centres of the training part: an outlier score.

k-means over scaled columns (Lloyd 1982), and the Euclidean distance to the nearest centre: large
where a row is like no group of rows that training saw.
"""

import numpy as np

from tasks.core.graph import Graph
from tasks.features.estimators import Library, estimator

ROWS = 100_000  # that the centres are found in at most
STARTS = 4  # of k-means; the best is taken


def fit(Z: np.ndarray, count: int, library: Library, where: str) -> list[list[float]]:
    """Return the centres of scaled rows: at most `count`, no more than there are different rows.

    Args:
        Z: (n, column) float32.
        count: how many.
        library, where: see `estimators.estimator`.

    Raises:
        EngineUnavailable: cuML is asked for and not installed.
    """
    from threadpoolctl import threadpool_limits

    rows = Z[:: -(-len(Z) // ROWS)].astype(np.float64)
    count = min(count, len(np.unique(rows, axis=0)))
    means = estimator(library, "cluster", "KMeans", where)
    with threadpool_limits(1):  # several threads add up in the order in which they end
        found = means(n_clusters=count, n_init=STARTS, random_state=0).fit(rows)
    return np.asarray(found.cluster_centers_, np.float64).tolist()


def distance(Z: np.ndarray, centres: list[list[float]]) -> np.ndarray:
    """Return the distance of scaled rows to the nearest centre, (n, 1) float32, by way of double.

    Args:
        Z: (n, column) float32.
        centres: (centre, column).
    """
    Z = Z.astype(np.float64)
    squares = [((Z - np.array(c)) ** 2).sum(axis=1, keepdims=True) for c in centres]
    return np.sqrt(np.minimum.reduce(squares)).astype(np.float32)


def to_onnx(scaled: list[str], centres: list[list[float]], graph: Graph) -> str:
    """Add the distance to the graph; return its tensor.

    Args:
        scaled: the tensors of the scaled columns, (n, some) float32 each.
        centres: (centre, column).
        graph: the graph.
    """
    Z = graph.cast(graph.add("Concat", *scaled, axis=1), "float64")
    axis, squares = graph.constant([1], np.int64), []
    for centre in centres:
        apart = graph.add("Sub", Z, graph.constant([centre], np.float64))
        square = graph.add("Mul", apart, apart)
        squares.append(graph.add("ReduceSum", square, axis, keepdims=1))
    return graph.cast(graph.add("Sqrt", graph.add("Min", *squares)), "float32")
