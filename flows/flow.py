"""Prefect's `flow`, whose parameters are made JSON by pydantic: Prefect's own way imports FastAPI
for it, 0.15 s a process.
"""

from collections.abc import Callable
from typing import Any

from prefect import Flow
from pydantic_core import to_jsonable_python


class _Flow(Flow[Any, Any]):
    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {
            name: to_jsonable_python(value, serialize_unknown=True)
            for name, value in parameters.items()
        }


def flow(**options: Any) -> Callable[[Callable[..., Any]], Flow[Any, Any]]:
    """Return a decorator that makes a function a flow; the options are those of Prefect's."""
    return lambda function: _Flow(function, **options)
