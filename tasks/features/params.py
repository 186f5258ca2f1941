"""Parameters of `features`: how the rows are split, and what columns become."""

from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.core.errors import ParamsError
from tasks.core.params import explain
from tasks.core.plugins import Plugin, PluginParams, names, plugin, unknown


class Split(PluginParams):
    """Which plugin makes the parts."""

    name: str = Field(
        default="auto",
        description="auto: `given` with a column of role split, `by_time` with one of role time, "
        "`by_group` with one of role group, `stratified` for classification, else `at_random`",
    )
    params: dict[str, Any] = Field(default={}, description="the plugin's; `test_share` for most")


class Forecast(PluginParams):
    """The windows of the task `forecast`: how far they look back, and how far ahead."""

    horizon: int = Field(default=1, ge=1, le=10_000, description="steps that are forecast")
    own_past: bool = Field(
        default=True,
        description="whether the target's own past is seen; false: a sequence regression, which "
        "tells the target from the past of the other channels",
    )
    lead: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="steps from the origin to the first that is forecast; null: 1, or 0 without "
        "own_past",
    )
    context: int = Field(default=24, ge=1, le=10_000, description="steps of the past that are seen")
    stride: int = Field(default=1, ge=1, description="steps from one origin to the next")
    quantiles: tuple[float, ...] = Field(
        default=(0.1, 0.5, 0.9), min_length=1, description="ascending, 0.5 among them"
    )
    season: int | None = Field(
        default=None, ge=1, description="steps of a season; null: a day, of daily steps a week"
    )
    channels: list[str] | None = Field(
        default=None, description="numeric columns beside the target; null: all of role feature"
    )
    known: list[str] = Field(
        default=[], description="of these, those whose values are known in advance"
    )
    calendar: bool | tuple[Literal["day", "week", "year"], ...] = Field(
        default=True,
        description="cycles whose sine and cosine are known; true: those that the table has twice",
    )
    least_present: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the context in which the target (without own_past: any channel) must "
        "be there",
    )
    max_mib: int = Field(default=4096, ge=1, description="that all windows may take together")

    @property
    def first(self) -> int:
        """Return how many steps after the origin the first step of the horizon is."""
        return int(self.own_past) if self.lead is None else self.lead

    @model_validator(mode="after")
    def _not_seen(self) -> "Forecast":
        if self.own_past and self.first == 0:
            raise ValueError(
                "lead: expected 1 or more, found 0: the target's own past (own_past: true) ends "
                "with the value that would be forecast; set own_past: false to tell it from the "
                "other channels"
            )
        return self

    @field_validator("quantiles")
    @classmethod
    def _ascending(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if list(levels) != sorted(set(levels)) or not all(0 < q < 1 for q in levels):
            raise ValueError(f"expected ascending levels between 0 and 1, found {list(levels)}")
        if 0.5 not in levels:
            raise ValueError(f"0.5, the median, must be among them, found {list(levels)}")
        return levels


class Params(PluginParams):
    """Of `features`. A column of role `split` decides over `split`."""

    forecast: Forecast = Forecast()
    split: Split = Split()
    stop_share: float = Field(
        default=0.1, gt=0, le=0.5, description="share of the training rows kept for early stopping"
    )
    recipes: dict[str, dict[str, Any] | None] = Field(
        default={},
        description="params of recipes by name; null: the recipe is not used. All are but `raw`",
    )
    time_features: bool = Field(
        default=True, description="also day, week and year of the column of role time are features"
    )

    def plugins(self) -> list[Plugin]:
        """Return every plugin that may be used: the recipes, and the candidates for the split.

        Raises:
            ParamsError: names or parameters are wrong: all of them.
        """
        splits, problems = self._splits()
        recipes = [
            Plugin(kind="recipe", name=name, params=self.recipes.get(name) or {})
            for name in names("recipe")
            if self.recipes.get(name, {} if _by_default(name) else None) is not None
        ]
        for name in self.recipes:
            if name not in names("recipe"):
                problems.append(
                    "features.recipes: " + unknown(f"recipe {name!r}", name, names("recipe"))
                )
        for recipe in recipes:
            problems += _problems(recipe, f"features.recipes.{recipe.name}")
        if problems:
            raise ParamsError("\n".join(problems))
        return recipes + splits

    def _splits(self) -> tuple[list[Plugin], list[str]]:
        """Return the candidates, `given` always among them, and what is wrong with them."""
        name, params = self.split.name, self.split.params
        where = "features.split"
        given = Plugin(kind="split", name="given")
        others = [other for other in names("split") if other != "given"]
        if name == "given":
            return [given], _problems(Plugin(kind="split", name="given", params=params), where)
        if name == "auto":
            fields = {other: plugin("split", other).Params.model_fields for other in others}
            known = tuple(sorted({key for own in fields.values() for key in own}))
            problems = [
                f"{where}.params: " + unknown(f"parameter {key!r}", key, known)
                for key in params
                if key not in known
            ]
            found = [
                Plugin(
                    kind="split", name=o, params={k: params[k] for k in params if k in fields[o]}
                )
                for o in others
            ]
        elif name in others:
            problems, found = [], [Plugin(kind="split", name=name, params=params)]
        else:
            known = ("auto", *names("split"))
            return [given], [f"{where}.name: " + unknown(f"split {name!r}", name, known)]
        for split in found:
            problems += [p for p in _problems(split, f"{where}.params") if p not in problems]
        return [*found, given], problems


def _by_default(recipe: str) -> bool:
    return getattr(plugin("recipe", recipe), "DEFAULT", True)


def _problems(chosen: Plugin, where: str) -> list[str]:
    try:
        chosen.module.Params(**chosen.params)
    except ValidationError as error:
        return explain(error, chosen.module.Params, where)
    return []
