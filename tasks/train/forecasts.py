"""What the plugins of networks that forecast share: parameters, fits, quantiles in and out."""

import copy
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.nets import export_forecasters, forecasters, scaling
from tasks.nets.fitting import Settings, outputs_of
from tasks.nets.scaling import Scaling
from tasks.nets.state import Hooks
from tasks.nets.tuning import Objective, Tuning
from tasks.train import conformal, networks
from tasks.train.networks import Network


class Params(PluginParams):
    """What is seen of a window, and how the network is fitted."""

    width: int = Field(default=16, ge=2, le=1024, description="units, or channels, of a layer")
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="share of units left out in training"
    )
    relative: Literal["last", "window"] | None = Field(
        default=None,
        description="what the target is seen and foretold from: the window's last value, or its "
        "mean and spread; null: from nothing, for targets without a trend",
    )
    transform: Literal["log"] | None = Field(
        default=None, description="log: errors count by ratio, for targets with rare large values"
    )
    epochs: int = Field(default=12, ge=1, le=5000, description="passes over the windows, at most")
    batch_size: int = Field(default=128, ge=2, description="windows of a step")
    learning_rate: float = Field(
        default=4e-3, gt=0, description="at its highest, after the warm-up"
    )
    weight_decay: float = Field(default=1e-2, ge=0, description="of AdamW")
    patience: int = Field(default=6, ge=1, description="epochs without a better figure, then stop")

    @property
    def settings(self) -> Settings:
        """Return how it is fitted."""
        return Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
        )


@dataclass(frozen=True)
class Family:
    """The forecasters of one kind of body; `shape`: the params that it is made of."""

    kind: str
    shape: tuple[str, ...]

    def fit(
        self,
        data: FitData,
        params: Params,
        context: FitContext,
        objective: Objective | None = None,
    ) -> Network:
        """Return the network of the least pinball loss on the rows for early stopping, calibrated
        on those rows.

        `objective`: the loss that is fitted by, where it is not the usual one.

        Raises:
            ParamsError: the data are no windows, or do not show the target's own past, which
                `relative` wants.
        """
        build = self._build(data, params)

        def make() -> Any:
            return forecasters.build(data.X, **build)

        scaled, hooks = _scaled(data, build), replace(_hooks(build), objective=objective)
        fitted = networks.fit(scaled, context, params.settings, make, build, hooks)
        return _calibrated(_told(fitted, data), scaled)

    def tune(
        self,
        model: Network,
        params: Params,
        data: FitData,
        context: FitContext,
        tuning: Tuning,
    ) -> Network:
        """Return the network fitted further, as the params and `tuning` say, and calibrated."""
        scaled, hooks = _scaled(data, model.build), _hooks(model.build)
        tuned = networks.tune(_free(model), scaled, context, params.settings, hooks, tuning)
        return _calibrated(tuned, scaled)

    def load(self, folder: Path) -> Network:
        """Return the saved model."""
        return networks.load(folder, lambda **build: forecasters.build(None, **build))

    def _build(self, data: FitData, params: Params) -> dict[str, Any]:
        """Return what the network is made of, as JSON has it."""
        sequence = data.sequence
        if sequence is None:
            raise ParamsError(
                f"train.models.{self.kind}: needs windows (task `forecast`), found a table; remove "
                "it from train.models"
            )
        if not sequence.own_past and (reason := wants_own_past(params)):
            raise ParamsError(f"train.models.{self.kind}: {reason}, which is not seen")
        return {
            "kind": self.kind,
            "shape": {
                "context": sequence.context,
                "horizon": sequence.horizon,
                "channels": len(sequence.channels),
                "known": len(sequence.known),
                "season": sequence.season,
                "static": len(sequence.static),
                "lead": sequence.lead,
                "own_past": sequence.own_past,
            },
            "ends": {
                "quantiles": list(sequence.quantiles),
                "relative": params.relative,
                "scaling": asdict(scaling.fitted(data.y, params.transform == "log")),
            },
        } | {name: getattr(params, name) for name in self.shape}


def wants_own_past(params: Params) -> str | None:
    """Return why the target's own past must be seen; None: it need not."""
    return f"relative: {params.relative} is of the target's own past" if params.relative else None


def narrower(params: Params, share: float) -> Params:
    """Return the params of a network with about that share of the width."""
    heads = getattr(params, "heads", 1)  # which divide it
    width = heads * max(1, round(params.width * share / heads))
    return params.model_copy(update={"width": max(2, width)})


def _hooks(build: dict[str, Any]) -> Hooks:
    def loss(outputs: Any, y: Any) -> Any:
        from tasks.nets.windows import pinball

        return pinball(outputs, y, build["ends"]["quantiles"])

    return Hooks(loss=loss)


def _scaled(data: FitData, build: dict[str, Any]) -> FitData:
    """Return the data with the target as the network has it, (n, horizon) float32."""
    scale = Scaling(**build["ends"]["scaling"])
    y, y_stop = (scale.down(y).astype(np.float32) for y in (data.y, data.y_stop))
    return replace(data, y=y, y_stop=y_stop)


def _told(model: Network, data: FitData) -> Network:
    """Return the model with what its network looks at among its facts, where it can say so.

    Of the rows for early stopping: shares of variables, and of attention by distance.
    """
    import torch

    network, sequence = model.module, data.sequence
    if sequence is None or not hasattr(network.body, "looks"):
        return model
    X = data.X_stop if len(data.X_stop) else data.X
    X = X[:: -(-len(X) // network.rows_at_once)]
    with torch.inference_mode():
        seen = network.seen(torch.from_numpy(np.ascontiguousarray(X)))
        found = network.body.looks(seen.past, seen.ahead, seen.levels)
    looks = {name: [round(float(v), 5) for v in values] for name, values in found.items()}
    leading = [""] if sequence.own_past else [f" of {name}" for name in sequence.channels]
    season = ["same time in the last season"] if network.windows.shape.seasonal else []
    names = {
        "past": sequence.channels,
        "ahead": [*sequence.known, *season, "steps ahead", "1 / steps ahead"],
        "static": [*(f"{w}{of}" for w in ("mean", "spread") for of in leading), *sequence.static],
    }
    facts: dict[str, Any] = {
        "variables": {k: dict(zip(v, looks[k], strict=True)) for k, v in names.items()},
        "attention_by_distance": looks["attention"],
    }
    return replace(model, facts=model.facts | facts)


def _with_offsets(model: Network, offsets: np.ndarray) -> Network:
    """Return a copy of the model with these offsets of its quantiles, (horizon, quantile)."""
    import torch

    module = copy.deepcopy(model.module)
    module.offsets.copy_(torch.from_numpy(offsets))
    return replace(model, module=module)


def _free(model: Network) -> Network:
    """Return the model as it was before it was calibrated."""
    return _with_offsets(model, np.zeros(tuple(model.module.offsets.shape)))


def _calibrated(model: Network, scaled: FitData) -> Network:
    """Return the model with quantiles that hold on the rows for early stopping.

    On the network's own scale: where that is a logarithm, an offset is a factor.
    """
    if not len(scaled.X_stop):
        return model
    levels = tuple(model.build["ends"]["quantiles"])
    found = outputs_of(model.module, scaled.X_stop).reshape(*scaled.y_stop.shape, len(levels))
    return _with_offsets(model, conformal.offsets(scaled.y_stop, found, levels))


def predict(model: Network, X: np.ndarray) -> np.ndarray:
    """Return the quantiles, (n, horizon, quantile) float64, ascending."""
    z = outputs_of(model.module, X)
    shape = (len(X), model.build["shape"]["horizon"], len(model.build["ends"]["quantiles"]))
    return _scaling(model).up(z).reshape(shape)


def to_onnx(model: Network) -> Any:
    """Return the graph: X (N, feature) -> quantiles (N, horizon x quantile)."""
    return export_forecasters.to_onnx(model.module, _scaling(model))


def torch_module(model: Network) -> Any:
    """Return a torch.nn.Module from X to what `to_onnx`'s graph gives, in evaluation mode."""
    from torch import nn

    from tasks.nets.windows import Restored

    return nn.Sequential(model.module, Restored(*astuple(_scaling(model)))).eval()


def importances(model: Network) -> np.ndarray:
    """Return the share of each feature in the mean |gradient| x standard deviation, (feature,)."""
    return model.shares


def curves(model: Network) -> dict[str, list[float]]:
    """Return the pinball loss by epoch."""
    return model.curves


def facts(model: Network) -> dict[str, Any]:
    """Return the best epoch, the epochs that were run, and the number of weights."""
    return model.facts


def _scaling(model: Network) -> Scaling:
    return Scaling(**model.build["ends"]["scaling"])
