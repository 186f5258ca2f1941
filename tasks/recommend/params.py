"""What `recommend` is asked for: the goal, the limits, and which engines and batch size count."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from tasks.core.plugins import Plugin, PluginParams, names, plugin, unknown

Goal = Literal["accuracy", "size", "latency", "balanced"]


class OnDevice(PluginParams):
    """What one row may cost on a device; the dear end of the interval counts. null: no limit."""

    max_latency_ms: float | None = Field(default=None, gt=0)
    max_memory_mib: float | None = Field(
        default=None, gt=0, description="the peak of weights and activations"
    )
    max_energy_mj: float | None = Field(default=None, gt=0)
    threads: int | None = Field(
        default=None, ge=1, description="of the latency: 1, or null: all that there are"
    )


class Params(PluginParams):
    """A variant is recommended only if it meets every limit; of those, the goal decides."""

    goal: Goal = Field(
        default="balanced",
        description="what decides among the variants that meet every limit: accuracy; size (bytes "
        "of the file); latency (p50 of one call); balanced (halving the size, halving the latency "
        "and one max_drop of accuracy weigh the same)",
    )
    min_metric: float | None = Field(
        default=None,
        description="the worst value of the primary metric that is acceptable, in its own unit "
        "(accuracy: at least; rmse: at most), with 95 % confidence. null: no limit",
    )
    max_drop: float | None = Field(
        default=0.01,
        ge=0,
        description="how much worse than the best uncompressed model a variant may be, as a share "
        "of that model's value (0.01: one percent), with 95 % confidence. A variant of a model "
        "that is statistically tied with the best is held against its own uncompressed self. "
        "null: no limit",
    )
    max_size_kib: float | None = Field(
        default=None, gt=0, description="the largest file, in KiB. null: no limit"
    )
    max_latency_p99_ms: float | None = Field(
        default=5.0,
        gt=0,
        description="the slowest 99th percentile of one call with `batch` rows, in milliseconds; "
        "too few samples for a p99 do not meet it. null: no limit",
    )
    engines: list[str] | None = Field(
        default=["onnx_runtime"],
        min_length=1,
        description="the engines that may be recommended. null: every engine that was measured",
    )
    devices: list[str] = Field(
        default=["raspberry_pi_4", "raspberry_pi_5", "raspberry_pi_zero_2w"],
        description="small devices that every variant's latency, memory and energy are estimated "
        "for; they decide nothing. Those that `temper calibrate` measured are shown besides",
    )
    on_devices: dict[str, OnDevice] = Field(
        default={},
        description="limits on small devices: `{raspberry_pi_5: {max_latency_ms: 20}}`; what "
        "`temper calibrate` measured there counts, else the estimate. What a device has too little "
        "memory for is not recommended",
    )
    batch: int = Field(
        default=1, ge=1, description="rows in one call, for latencies and their limit"
    )

    def plugins(self, measured: Sequence[str] = ()) -> list[Plugin]:
        """Return the devices as plugins, those that were measured besides."""
        every = dict.fromkeys([*self.devices, *self.on_devices, *measured])
        return [Plugin(kind="device", name=name) for name in every]

    @field_validator("on_devices")
    @classmethod
    def _elsewhere(cls, limits: dict[str, OnDevice]) -> dict[str, OnDevice]:
        cls._known(list(limits))
        if here := [name for name in limits if not hasattr(plugin("device", name), "CORES")]:
            raise ValueError(
                f"{', '.join(here)}: the run measures it: its limit is max_latency_p99_ms"
            )
        return limits

    @field_validator("devices")
    @classmethod
    def _known(cls, devices: list[str]) -> list[str]:
        known = names("device")
        problems = [unknown(f"device {d!r}", d, known) for d in devices if d not in known]
        if problems:
            raise ValueError("\n".join(problems))
        return devices
