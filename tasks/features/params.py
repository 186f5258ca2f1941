"""Parameters of `features`: how the rows are split, and what columns become."""

from typing import Any

from pydantic import Field

from tasks.core.plugins import Plugin, PluginParams, names, plugin


class Split(PluginParams):
    """Which plugin makes the parts."""

    name: str = Field(
        default="auto",
        description="auto: `given` with a column of role split, `by_time` with one of role time, "
        "`by_group` with one of role group, `stratified` for classification, else `at_random`",
    )
    params: dict[str, Any] = Field(
        default={}, description="the plugin's own; `test_share` for most"
    )


class Params(PluginParams):
    """Of `features`. A column of role `split` decides over `split`."""

    split: Split = Split()
    stop_share: float = Field(
        0.1, gt=0, le=0.5, description="share of the training rows kept for early stopping"
    )
    recipes: dict[str, dict[str, Any] | None] = Field(
        {}, description="params of recipes by name; null: the recipe is not used"
    )
    time_features: bool = Field(
        True, description="also day, week and year of the column of role time are features"
    )

    def plugins(self) -> list[Plugin]:
        """Return every plugin that may be used: the recipes, and the candidates for the split.

        Raises:
            ParamsError: a name is unknown.
        """
        for name in self.recipes:
            plugin("recipe", name)
        recipes = [
            Plugin(kind="recipe", name=name, params=self.recipes.get(name) or {})
            for name in names("recipe")
            if self.recipes.get(name, {}) is not None
        ]
        if self.split.name != "auto":
            plugin("split", self.split.name)
        splits = [
            Plugin(kind="split", name=name, params=self.split.params if name != "given" else {})
            for name in names("split")
            if name == "given" or self.split.name in ("auto", name)
        ]
        return recipes + splits
