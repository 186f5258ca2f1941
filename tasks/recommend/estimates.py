"""What each variant would cost on devices that are not here."""

from pathlib import Path
from typing import Any

from tasks.recommend.estimate import estimate


def estimates(graphs: dict[str, Path], devices: list[str]) -> list[dict[str, Any]]:
    """Return a row a variant and device, as `estimate` states it, with threads as text.

    graphs: the file of each variant's graph, by `<model>/<label>`.
    """
    if not devices:
        return []
    import onnx

    rows = []
    for variant, path in graphs.items():
        model = onnx.load(path)
        for device in devices:
            found = estimate(model, device)
            latency = found["latency_ms"] or {}
            found["latency_ms"] = {str(threads): v for threads, v in latency.items()} or None
            rows.append({"variant": variant, **found})
    return rows
