"""Parameters of `compare`: resamples, intervals, and the metric that decides."""

from pydantic import Field

from tasks.core.plugins import Plugin, PluginParams


class Resampling(PluginParams):
    """What the resamples of a model depend on."""

    resamples: int = Field(
        default=10, ge=2, le=200, description="repeated cross-validation: fits a model"
    )
    resamples_image: int = Field(
        default=5, ge=2, le=200, description="likewise, of models that need images: the first ones"
    )
    threads: int = Field(default=1, ge=1, le=256, description="CPU threads of one fit")
    time_limit_s: float = Field(
        default=1800.0, gt=0, description="of all resamples of a model, and of the comparison"
    )

    def count(self, model: Plugin) -> int:
        """Return how many resamples a model is fitted on."""
        image = getattr(model.module, "NEEDS_IMAGE", False)
        return min(self.resamples, self.resamples_image) if image else self.resamples


class Params(Resampling):
    """Of `compare`."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of intervals and tests")
    bootstrap: int = Field(default=2000, ge=200, le=100_000, description="draws of the judged rows")
    primary: str | None = Field(
        default=None, description="metric that decides; null: rmse or accuracy"
    )

    @property
    def resampling(self) -> Resampling:
        """Return what the resamples depend on, so that the rest does not make them anew."""
        return Resampling(**{name: getattr(self, name) for name in Resampling.model_fields})
