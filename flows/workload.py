"""A workload's parameters: one typed section a step. `params.yaml` lays values over these
defaults.
"""

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, ValidationError, model_validator

import tasks.benchmark.params
import tasks.clean.params
import tasks.compare.params
import tasks.compress.params
import tasks.features.params
import tasks.ingest.params
import tasks.recommend.params
import tasks.register.params
import tasks.report.params
import tasks.train.params
import tasks.validate.params
from tasks.core import params
from tasks.core.devices import Choice
from tasks.core.errors import ParamsError
from tasks.core.home import project
from tasks.core.plugins import Plugin, PluginParams, names, unknown
from tasks.core.schema import Table

Step = Literal[
    "ingest",
    "validate",
    "clean",
    "features",
    "train",
    "compare",
    "compress",
    "benchmark",
    "recommend",
    "register",
    "report",
]
STEPS: tuple[Step, ...] = get_args(Step)
AHEAD_OF_TIME = ("forecast", "readiness")  # tasks whose rows are made before what they predict


class Workload(PluginParams):
    """All that a run depends on, beside the data and the code."""

    model_config = ConfigDict(populate_by_name=True)

    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="every generator starts from it")
    device: Choice = Field(default="auto", description="auto: the GPU where there is one")
    table: Table
    ingest: tasks.ingest.params.Params = tasks.ingest.params.Params()
    validate_: tasks.validate.params.Params = Field(
        default=tasks.validate.params.Params(), alias="validate"
    )
    clean: tasks.clean.params.Params = tasks.clean.params.Params()
    features: tasks.features.params.Params = tasks.features.params.Params()
    train: tasks.train.params.Params = tasks.train.params.Params()
    compare: tasks.compare.params.Params = tasks.compare.params.Params()
    compress: tasks.compress.params.Params = tasks.compress.params.Params()
    benchmark: tasks.benchmark.params.Params = tasks.benchmark.params.Params()
    recommend: tasks.recommend.params.Params = tasks.recommend.params.Params()
    register_: tasks.register.params.Params = Field(
        default=tasks.register.params.Params(), alias="register"
    )
    report: tasks.report.params.Params = tasks.report.params.Params()

    @model_validator(mode="after")
    def _classes_stay_classes(self) -> "Workload":
        averaged = tasks.clean.params.averaging(self.clean)
        if self.table.task == "classification" and averaged:
            raise ValueError(
                f"clean.steps: {', '.join(averaged)} would put classes together as numbers; set "
                "`target: last` (or first, min, max) there"
            )
        return self

    @model_validator(mode="after")
    def _no_look_ahead(self) -> "Workload":
        ahead = tasks.clean.params.looking_ahead(self.clean)
        if self.table.task in AHEAD_OF_TIME and ahead and not self.clean.look_ahead:
            raise ValueError(
                f"clean.steps: a {self.table.task} knows the past alone, and these steps look "
                f"ahead: {'; '.join(ahead)}. Change their params, leave them out, or set "
                "`clean.look_ahead: true` where that is what you want"
            )
        return self

    @model_validator(mode="after")
    def _target_is_not_seen(self) -> "Workload":
        ahead = self.table.task in AHEAD_OF_TIME and self.features.forecast.first > 0
        seen = tasks.clean.params.including_now(self.clean, self.table.target)
        if seen and not ahead:
            raise ValueError(
                f"clean.steps: {', '.join(seen)} would make features of {self.table.target} as it "
                "is in the row whose value is to be told; leave the target out there, or take its "
                "`lags`"
            )
        return self

    @property
    def series(self) -> bool:
        """Return whether rows are put together with their neighbours in time: by steps of clean, or
        as the windows of a forecast.
        """
        return self.table.task == "forecast" or tasks.clean.params.by_time(self.clean)

    @property
    def models(self) -> list[Plugin]:
        """Return the models to fit, as plugins."""
        own_past = self.features.forecast.own_past
        return tasks.train.params.plugins(self.train, self.table.task, own_past=own_past)

    @property
    def dataset(self) -> Plugin:
        """Return the dataset as a plugin.

        Raises:
            ParamsError: there is no such dataset, or its options are wrong: all of them.
        """
        name, options = self.ingest.dataset, self.ingest.options
        if name not in names("dataset"):
            what = unknown(f"dataset {name!r}", name, names("dataset"))
            raise ParamsError(f"ingest.dataset: {what}")
        chosen = Plugin(kind="dataset", name=name, params=dict(options))
        try:
            _ = chosen.typed
        except ValidationError as error:
            lines = params.explain(error, chosen.module.Params, "ingest.options")
            raise ParamsError("\n".join(lines)) from None
        return chosen

    @property
    def metrics(self) -> list[Plugin]:
        """Return the metrics of the table's task, as plugins."""
        every = (Plugin(kind="metric", name=name) for name in names("metric"))
        return [metric for metric in every if self.table.task == metric.module.TASK]

    def problems(self) -> list[str]:
        """Return what is wrong with the plugins that the sections name."""
        found = []
        checks = (lambda: self.models, lambda: self.dataset, self.features.plugins)
        for check in checks:
            try:
                check()
            except ParamsError as error:
                found += str(error).splitlines()
        return found


def ends(until: Step, step: Step) -> bool:
    """Return whether a run that stops after `until` stops after `step`, or before."""
    return STEPS.index(until) <= STEPS.index(step)


def load(name: str, settings: list[str] | None = None) -> Workload:
    """Return a workload of params.yaml, with `path.to.key=value` settings laid over it.

    Raises:
        ParamsError: every problem at once, each with its path.
    """
    own = params.section(params.read(project()), name)
    return build(name, params.override(own, settings or []))


def build(name: str, own: dict[str, Any]) -> Workload:
    """Return a workload from its section.

    Raises:
        ParamsError: every problem at once, each with its path.
    """
    try:
        return Workload(**own)
    except ValidationError as error:
        lines = params.explain(error, Workload, f"workloads.{name}")
        raise ParamsError("\n".join(lines)) from None
