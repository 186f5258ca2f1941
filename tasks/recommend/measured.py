"""What a device measured: the JSON that a bundle's measure.py writes, and whether to believe it."""

import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from tasks.core import params
from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams, plugin

FORMAT = 1
Positive = Annotated[float, Field(gt=0)]
THROTTLED_NOW, SINCE_BOOT = 0xF, 16  # Raspberry Pi's bits: 0 to 3 now, 16 to 19 since it started


class Part(PluginParams):
    """The base: a number is a number and no text, and finite."""

    model_config = ConfigDict(strict=True)


class Row(Part):
    """A graph with a number of threads: its figures where `status` is ok, else the reason."""

    graph: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of model.onnx")
    variant: str
    threads: int = Field(ge=1)
    status: Literal["ok", "memory", "failed", "differs"]
    reason: str | None
    samples: int | None = Field(ge=1, description="timed calls, of one row each")
    p50_ms: Positive | None
    p50_low: Positive | None
    p50_high: Positive | None
    p99_ms: Positive | None = Field(description="None: too few calls")
    base_rss_mib: Positive | None = Field(description="of the process, before it loads the graph")
    peak_rss_mib: Positive | None
    max_difference: float | None = Field(ge=0, description="from the outputs on this machine")
    watts: Positive | None
    energy_mj: Positive | None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        name = f"{self.variant} with {self.threads} threads"
        if self.status != "ok":
            if not self.reason:
                raise ValueError(f"{name}: {self.status} without a reason")
            return self
        low, p50, high = self.p50_low, self.p50_ms, self.p50_high
        base, peak = self.base_rss_mib, self.peak_rss_mib
        if None in (self.samples, low, p50, high, base, peak, self.max_difference):
            raise ValueError(f"{name}: ok, but a figure is missing")
        if not low <= p50 <= high or p50 > (self.p99_ms or p50) or base > peak:  # pyright: ignore[reportOperatorIssue]  # none is None
            raise ValueError(
                f"{name}: expected p50_low <= p50_ms <= p50_high, p50_ms <= p99_ms and "
                f"base_rss_mib <= peak_rss_mib, found {low}, {p50}, {high}, {self.p99_ms}, {base}, "
                f"{peak}"
            )
        return self


class Machine(Part):
    """What was measured on; `board` is the device tree's model, None where nothing says it."""

    board: str | None
    cpu: str
    cores: int = Field(ge=1)
    memory_mib: Positive
    os: str
    python: str
    libraries: dict[str, str]
    governor: str | None


class Conditions(Part):
    """What may slow a device down, at one instant; `throttled` is the firmware's word of bits."""

    temperature_c: float | None
    throttled: int | None = Field(ge=0)
    load_average: list[float] = Field(min_length=3, max_length=3)


class Protocol(Part):
    """How it was measured: a process a round."""

    rounds: int = Field(ge=6)
    batch: Literal[1]
    warm_up_s: float


class Measured(Part):
    """The content of measured.json, and of `devices/<device>/<workload>.json`."""

    format: Literal[1]
    workload: str
    device: str
    measured: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
    machine: Machine
    protocol: Protocol
    before: Conditions
    after: Conditions
    idle_w: Positive | None
    rows: list[Row] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen = [(row.graph, row.threads) for row in self.rows]
        again = {key for key in seen if seen.count(key) > 1}
        if again:
            named = ", ".join(sorted(f"{graph[:12]} with {n} threads" for graph, n in again))
            raise ValueError(f"measured more than once: {named}")
        return self

    @property
    def throttled(self) -> str | None:
        """Return what to say where the firmware slowed the device down, or may have."""
        before, after = self.before.throttled, self.after.throttled
        if before is None or after is None:
            return None
        since = after >> SINCE_BOOT
        if (before | after) & THROTTLED_NOW or since & ~(before >> SINCE_BOOT):
            return f"throttled or under-voltage while it was measured (0x{after:x})"
        return f"throttled since it started, perhaps before (0x{after:x})" if since else None


def parse(text: str, where: str) -> Measured:
    """Return what a text states.

    Raises:
        DataError: every problem at once; `where` names the file.
    """
    again = "Make a new bundle: `temper calibrate WORKLOAD --device DEVICE --bundle FOLDER`."
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{where}: not whole as JSON ({error}). Bring measured.json back again."
        ) from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{where}: expected format {FORMAT}, found {found!r:.40}. {again}")
    try:
        return Measured.model_validate_json(text)
    except ValidationError as error:
        raise DataError("\n".join(params.explain(error, Measured, where))) from None


def read(path: Path) -> Measured:
    """Return what a file states.

    Raises:
        DataError: it cannot be read, or is not sound.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DataError(
            f"{path}: cannot be read: {reason}. Expected the measured.json that measure.py of a "
            "bundle wrote on the device; the bundle's README.txt says how to bring it back."
        ) from None


def check_board(measured: Measured) -> None:
    """Check that the figures are of the device that they are given for.

    Raises:
        DataError: the board says that it is another one, or nothing says so and the processor is
            none of ARM's.
        ParamsError: there is no such device.
    """
    expected = getattr(plugin("device", measured.device), "BOARD", None)
    found, machine = measured.machine.board, measured.machine
    arm = re.search(r"\b(aarch64|armv\w+)$", machine.os) is not None
    if expected and not (found.startswith(expected) if found else arm):
        raise DataError(
            f"measured on {found or machine.cpu!r}, not on a {measured.device}: expected a board "
            f"whose model begins with {expected!r}. Run measure.py on the device itself."
        )
