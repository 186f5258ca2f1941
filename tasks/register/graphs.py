"""The chosen graph as an MLflow model: signature, example, and checked by loading it back."""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import ParityError
from tasks.core.prepared import Prepared

_KINDS = {"string": "object"}  # MLflow holds a `str` tensor against object arrays, and refuses
ERRORS = 3  # ONNX Runtime's level of errors; its warnings are about what exporters left over
RELATIVE = 1e-6  # the same graph in the same engine: only its thread count may differ


def log(run_id: str, graph: Path, prepared: Prepared, example_rows: int, libraries: dict) -> str:
    """Return the URI of the model that holds the graph, logged under a run; not yet registered."""
    import mlflow
    import mlflow.onnx
    import onnx

    quieten()
    model = onnx.load(graph)
    example = prepared.feed(prepared.meta.judged, slice(0, example_rows))
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.onnx.log_model(  # pyright: ignore[reportPrivateImportUsage] - public
            model,
            name="model",
            signature=signature(model, prepared),
            input_example=example,
            pip_requirements=[f"{name}=={version}" for name, version in libraries.items()],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
    return logged.model_uri


def quieten() -> None:
    """Keep ONNX Runtime's warnings out of what this process shows.

    For all its sessions: MLflow makes some of its own, whose options hold no log level.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(ERRORS)


def signature(model: Any, prepared: Prepared) -> Any:
    """Return the tensors that the graph takes and gives, one row first."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    inputs: list[Any] = [
        TensorSpec(np.dtype(_KINDS.get(i.dtype, i.dtype)), (-1, *i.shape), i.name)
        for i in prepared.meta.inputs
    ]
    outputs: list[Any] = []
    for output in model.graph.output:
        tensor = output.type.tensor_type
        inner = (d.dim_value or -1 for d in tensor.shape.dim[1:])
        kind = np.dtype(tensor_dtype_to_np_dtype(tensor.elem_type))
        outputs.append(TensorSpec(kind, (-1, *inner), output.name))
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def verify(uri: str, graph: Path, prepared: Prepared, rows: int) -> int:
    """Return on how many judged rows the logged model answers as the measured graph does.

    Raises:
        ParityError: an output is missing or differs.
    """
    import mlflow
    import onnxruntime

    quieten()
    feed = prepared.feed(prepared.meta.judged, slice(0, rows))
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = [np.asarray(answer) for answer in session.run(names, feed)]
    expected = dict(zip(names, answers, strict=True))
    found = mlflow.pyfunc.load_model(uri).predict(feed)
    for name in names:
        own = np.asarray(found[name]) if name in found else None
        if own is None or own.shape != expected[name].shape or not _equal(own, expected[name]):
            raise ParityError(
                f"{uri}: output {name!r} of the registered graph differs from the measured one on "
                f"{len(expected[name])} rows of {prepared.meta.judged}; it was not registered"
            )
    return len(expected[names[0]])


def _equal(own: np.ndarray, expected: np.ndarray) -> bool:
    if expected.dtype.kind in "fc":
        return np.allclose(own, expected, rtol=RELATIVE, atol=RELATIVE, equal_nan=True)
    return bool(np.array_equal(own, expected))
