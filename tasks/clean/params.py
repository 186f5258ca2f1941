"""What `clean` is told: its steps, in order."""

from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from tasks.clean import accounting, chain
from tasks.core.params import explain
from tasks.core.plugins import Plugin, PluginParams, names, unknown

KIND = "clean_step"
DEFAULT = ("types", "text", "duplicates", "range", "outliers", "downcast")


def _default() -> list[Plugin]:
    return [Plugin(kind=KIND, name=name) for name in DEFAULT]


class Params(PluginParams):
    """The section `clean` of a workload."""

    steps: list[Plugin] = Field(
        default_factory=_default,
        description="in this order; each a name, or a name with params: `- text: {case: lower}`",
    )

    engine: Literal["auto", "polars", "cudf"] = Field(
        default="auto",
        description="auto: cuDF for the steps that it can do where the run has a GPU, else Polars; "
        "polars: the CPU; cudf: every step on the GPU, or an error",
    )

    accounts: chain.Accounts = Field(
        default="cells",
        description="cells: of each step, the rows and cells that it changed and what it found; "
        "rows: the steps are one lazy plan, and only its rows are counted",
    )

    look_ahead: bool = Field(
        default=False,
        description="of a forecast: allow steps whose rows depend on later ones; what they make "
        "would not be known when a forecast is made",
    )

    @field_validator("steps", mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        """Return the steps as plugins.

        Raises:
            ValueError: steps that do not exist, or whose params are wrong; all of them.
        """
        if not isinstance(given, list | tuple):
            raise ValueError(f"expected a list of steps, found {given!r}")
        steps, problems = [], []
        for position, item in enumerate(given):
            try:
                steps.append(_step(item))
            except ValueError as error:
                problems += [f"[{position}] {line}" for line in str(error).splitlines()]
        if problems:
            raise ValueError("\n".join(problems))
        return steps


def looking_ahead(params: Params) -> list[str]:
    """Return the steps whose rows depend on later rows, each with why."""
    found = [(step.name, chain.looks_ahead(step)) for step in params.steps]
    return [f"{name}: {why}" for name, why in found if why]


def including_now(params: Params, target: str) -> list[str]:
    """Return the steps that make features of the target's value in the same row."""
    return [
        step.name
        for step in params.steps
        if (check := getattr(step.module, "includes_now", None)) and check(step.typed, target)
    ]


def by_time(params: Params) -> bool:
    """Return whether a step puts rows into the order of time, or makes new ones of many."""
    return any(accounting.kind(step.module) != "keeps" for step in params.steps)


def averaging(params: Params) -> list[str]:
    """Return the steps that make a numeric target's rows into a number that none of them had."""
    targets = {step.name: getattr(step.typed, "target", None) for step in params.steps}
    return [
        name for name, way in targets.items() if way in ("mean", "median", "std", "sum", "count")
    ]


def _step(item: Any) -> Plugin:
    """Return one entry of the list as a plugin, its params checked."""
    if isinstance(item, Plugin):
        name, params = item.name, item.params
    elif isinstance(item, str):
        name, params = item, {}
    elif isinstance(item, dict) and item.get("kind") == KIND and "name" in item:
        name, params = item["name"], item.get("params") or {}
    elif isinstance(item, dict) and len(item) == 1:
        name, params = next(iter(item.items()))
        params = params or {}
    else:
        raise ValueError(f"expected a step's name, or `name: {{params}}`, found {item!r}")
    if name not in names(KIND):
        raise ValueError(unknown(f"step {name!r}", str(name), names(KIND)))
    step = Plugin(kind=KIND, name=name, params=params)
    try:
        _ = step.typed
    except ValidationError as error:
        raise ValueError("\n".join(explain(error, step.module.Params, name))) from None
    return step
