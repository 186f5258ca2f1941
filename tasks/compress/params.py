"""Parameters of `compress`: which recipes every model goes through, and how they are checked."""

import re
from typing import Any

from pydantic import Field, field_validator

from tasks.compress.recipes import ALL
from tasks.core import entries
from tasks.core.entries import Entry
from tasks.core.errors import ParamsError
from tasks.core.plugins import Plugin, PluginParams, unknown

FP32 = "fp32"  # the label of the uncompressed graph
WHOLE = 8  # recipes: a sweep of no more is run whole
LABEL = re.compile(r"[a-z0-9][a-z0-9_]*")


class Params(PluginParams):
    """What `compress` makes of every model beside its fp32 graph."""

    recipes: dict[str, list[Entry]] = Field(
        default={
            "fp16": ["fp16"],
            "int8_cpu": [{"ptq_int8": {"dialect": "int8_cpu"}}],
            "int8_trt": [{"ptq_int8": {"dialect": "int8_trt"}}],
            "truncate_half": [{"truncate": {"share": 0.5}}],
        },
        description="label -> techniques, applied in order; one that does not fit a model says so; "
        "`all`: every technique and the usual combinations",
    )
    budget: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description=f"share of the time of a sweep of more than {WHOLE} recipes, spent on those "
        "that could add most; 1: all of them (--full)",
    )
    tolerance: float = Field(
        default=1e-4,
        gt=0,
        le=0.1,
        description="largest relative difference of a graph from its original",
    )
    calibration_rows: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="training rows that activation ranges are taken from",
    )
    time_limit_s: float = Field(
        default=300,
        gt=0,
        description="for each fit of a recipe, and for the rest of it; over it, it has failed",
    )

    @field_validator("recipes", mode="before")
    @classmethod
    def _all(cls, recipes: Any) -> Any:
        return ALL if recipes == "all" else recipes

    @field_validator("recipes")
    @classmethod
    def _known(cls, recipes: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
        problems = []
        for label, listed in recipes.items():
            if label == FP32 or not LABEL.fullmatch(label):
                problems.append(
                    f"label {label!r}: expected lower case letters, digits and _, and not "
                    f"{FP32!r}, which is the uncompressed graph"
                )
            if not listed:
                problems.append(f"{label}: an empty list of techniques; remove the label")
            problems += [
                f"{label}: {problem}"
                for e in listed
                for problem in entries.problems("technique", e)
            ]
        if problems:
            raise ValueError("\n".join(problems))
        return recipes

    @property
    def searched(self) -> bool:
        """Return whether a part of the sweep alone is run."""
        return self.budget < 1 and len(self.recipes) > WHOLE

    def plugins(self, recipe_label: str) -> list[Plugin]:
        """Return the techniques of a recipe, in order, as plugins.

        Raises:
            ParamsError: there is no such recipe.
        """
        if recipe_label not in self.recipes:
            what = f"recipe {recipe_label!r}"
            raise ParamsError(unknown(what, recipe_label, list(self.recipes)))
        return [entries.plugin_of("technique", entry) for entry in self.recipes[recipe_label]]
