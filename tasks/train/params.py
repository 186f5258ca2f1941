"""Parameters of the step `train`."""

from types import ModuleType
from typing import Any

from pydantic import Field, ValidationError

from tasks.core.errors import ParamsError
from tasks.core.params import explain
from tasks.core.plugins import Plugin, PluginParams, plugin, unavailable


class Params(PluginParams):
    """Which models are fitted, each with its own parameters, and within what limits."""

    models: dict[str, dict[str, Any]] = Field(
        default={"baseline": {}, "linear": {}, "light_gbm": {}},
        min_length=1,
        description="model plugin -> its parameters ({}: its defaults)",
    )
    threads: int = Field(default=1, ge=1, le=256, description="CPU threads of one fit")
    time_limit_s: float = Field(default=1800.0, gt=0, description="of one fit; then it is ended")


def plugins(
    params: Params,
    task: str | None = None,
    image: bool | None = None,
    own_past: bool = True,
) -> list[Plugin]:
    """Return the models of the params as plugins, in order, every one checked.

    `task`, `image`: where known, the task of the table and whether its features are an image;
    `own_past`: whether windows show the target's. A model that does not suit them is an error.

    Raises:
        ParamsError: unknown names, wrong parameters, unsuitable or unavailable models: all of them.
    """
    problems: list[str] = []
    chosen: list[Plugin] = []
    for name, settings in params.models.items():
        where = f"train.models.{name}"
        try:
            module = plugin("model", name)
        except ParamsError as error:
            problems.append(f"train.models: {error}")
            continue
        try:
            typed = module.Params(**(settings or {}))
            if not own_past and (reason := _wants_own_past(module, typed)):
                problems.append(f"{where}: {reason}, which features.forecast.own_past leaves out")
        except ValidationError as error:
            problems += explain(error, module.Params, where)
        if task is not None and task not in module.TASKS:
            problems.append(f"{where}: is for {' and '.join(module.TASKS)}; this table is {task}")
        if image is False and module.NEEDS_IMAGE:
            problems.append(f"{where}: needs an image column, and this table has none; remove it")
        if reason := unavailable("model", name):
            problems.append(f"{where}: {reason}")
        chosen.append(Plugin(kind="model", name=name, params=settings or {}))
    if problems:
        raise ParamsError("\n".join(problems))
    return chosen


def _wants_own_past(module: ModuleType, params: PluginParams) -> str | None:
    wants = getattr(module, "wants_own_past", None)
    return wants(params) if wants else None
