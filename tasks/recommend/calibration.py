"""Fits published latencies to the work of their networks, and measures how far the fit is off.

Milliseconds are a sum of three terms, each with a cost of its own for every device and number of
threads: multiply-adds of 3 x 3 convolutions of stride 1, those of all other convolutions, and bytes
moved. Non-negative least squares of relative errors (Lawson & Hanson 1974). With at most eight
networks a device, more terms fit the known networks better and an unknown one worse:
`benchmarks/results/edge.json` has the alternatives.

An interval comes from networks that were left out of the fit, on all devices with as many threads
(Mondrian conformal prediction, in the logarithm; Vovk et al. 2005): one thread is estimated twice
as closely as four, and one spread for both covers 62 % of a Raspberry Pi 4's figures with four.
It holds for networks that resemble the published ones. Errors of one network on several devices go
together, so that the 23 of a group are worth fewer independent ones.
"""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.core.profile import Work
from tasks.recommend.architectures import work

DATA_FILES = ("devices/published.json",)
COVERAGE = 0.9
FC_BYTES = (
    2  # a weight of a fully connected layer is read once for each row; ncnn has it in 16 bits
)
Terms = Callable[[Work], list[float]]


class Setting(NamedTuple):
    """A device with a number of threads."""

    device: str
    threads: int


@cache
def published() -> dict[str, Any]:
    """Return the published figures: see `devices/published.json`, which names its sources."""
    return json.loads((Path(__file__).parent / DATA_FILES[0]).read_text())


def latencies(precision: str = "fp32") -> dict[Setting, dict[str, float]]:
    """Return the published milliseconds by setting and network."""
    content = published()
    return {
        Setting(device, int(threads)): {
            network: value
            for network, value in zip(content["models"], values, strict=True)
            if value is not None
        }
        for device, by_precision in content["devices"].items()
        for threads, values in by_precision[precision].items()
    }


def terms(of: Work) -> list[float]:
    """Return the three terms: 3 x 3 and other convolutions (G multiply-adds), GB moved.

    Bytes are what operators read and write of activations, and the weights of fully connected
    layers, each of which is used once only.
    """
    macs = of.macs
    moved = of.activation_bytes + FC_BYTES * macs["fully_connected"]
    return [macs["conv_3x3"] / 1e9, (macs["conv"] + macs["depthwise"]) / 1e9, moved / 1e9]


def fit(setting: Setting, left_out: frozenset[str] = frozenset(), of: Terms = terms) -> np.ndarray:
    """Return the cost of each term, (term,) float64 in milliseconds, without some networks."""
    from scipy.optimize import nnls

    known = {n: ms for n, ms in latencies()[setting].items() if n not in left_out}
    rows = np.array([of(work(network)) for network in known])  # (network, term)
    relative = rows / np.array(list(known.values()))[:, None]
    return nnls(relative, np.ones(len(known)))[0]


def log_error(
    setting: Setting, network: str, left_out: frozenset[str] = frozenset(), of: Terms = terms
) -> float:
    """Return log(measured / estimated) of a network that is in no fit, without others besides."""
    costs = fit(setting, left_out | {network}, of)
    estimated = float(np.dot(of(work(network)), costs))
    return math.log(latencies()[setting][network] / estimated)


def log_errors(
    threads: int, left_out: frozenset[str] = frozenset(), of: Terms = terms
) -> list[float]:
    """Return the errors of all networks on all devices with so many threads, each left out of its
    own fit."""
    return [
        log_error(setting, network, left_out, of)
        for setting, known in latencies().items()
        for network in known
        if setting.threads == threads and network not in left_out
    ]


def spread(errors: list[float], coverage: float = COVERAGE) -> float:
    """Return how far from the estimate, in the logarithm, the interval reaches on either side: the
    conformal quantile of the errors' sizes; infinite where there are too few of them."""
    rank = math.ceil((len(errors) + 1) * coverage)
    return sorted(map(abs, errors))[rank - 1] if rank <= len(errors) else math.inf


class HeldOut(NamedTuple):
    """A published figure beside its estimate from a fit and an interval without its network."""

    setting: Setting
    network: str
    measured_ms: float
    estimated_ms: float
    low_ms: float
    high_ms: float

    @property
    def error(self) -> float:
        """Return by which share the estimate is off."""
        return abs(self.estimated_ms / self.measured_ms - 1)

    @property
    def covered(self) -> bool:
        return self.low_ms <= self.measured_ms <= self.high_ms


def held_out(of: Terms = terms) -> list[HeldOut]:
    """Return every published fp32 figure, leaving out one network after the other on all devices:
    it is neither in the fit nor in the fits and the errors that its interval is made of.
    """
    found = []
    for network in published()["models"]:
        for setting, known in latencies().items():
            if network not in known:
                continue
            estimated = known[network] / math.exp(log_error(setting, network, of=of))
            reach = math.exp(spread(log_errors(setting.threads, frozenset({network}), of)))
            limits = (estimated / reach, estimated * reach)
            found.append(HeldOut(setting, network, known[network], estimated, *limits))
    return found


@cache
def calibrated(threads: int) -> float:
    """Return the spread of the fit of all networks."""
    return spread(log_errors(threads))


def int8_gains(device: str, left_out: str | None = None) -> list[float]:
    """Return by how much int8 was published to be faster than fp32 on a device: networks x
    threads."""
    whole = latencies()
    return [
        whole[setting][network] / ms
        for setting, known in latencies("int8").items()
        for network, ms in known.items()
        if setting.device == device and network != left_out
    ]
