"""Estimates what a graph would cost on a small device that is not here."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.plugins import plugin
from tasks.core.profile import Profile, Work, profile
from tasks.recommend import calibration
from tasks.recommend.architectures import NETWORKS, work

if TYPE_CHECKING:
    import onnx

MIB = 2**20
BASIS = "224-pixel CNNs under ncnn"
INT8_BASIS = f"{BASIS}, their published gain of int8 besides"
MEASURED = "nothing is estimated for this machine: its figures are the measured ones"
WITHIN = 10  # times beyond the published networks' multiply-adds that are still estimated
MOSTLY = 0.5  # the share of multiply-adds that convolutions have at least
Interval = list[float]


def estimate(model: "onnx.ModelProto", device: str) -> dict[str, Any]:
    """Return what one row would cost on a device, as intervals of 90 %; what cannot be said is
    None, with the reason under `latency_error` or `memory_error`.

    Keys:
        latency_ms: {threads: [low, high]}, for one thread and for all.
        naive_ms: floating-point operations over the published Linpack throughput.
        peak_memory_mib: weights and the largest live set of activations, as it is laid out.
        arena_memory_mib: what ONNX Runtime's arena, on by default, comes to hold.
        memory_is_least: int8, some of whose kernels' working memory is not counted, or tensors of
            unknown shape.
        memory_mib, fits: what the device has, and whether the peak is within it.
        watts: [idle, under Linpack] of the whole board.
        energy_mj: watts x latency with all threads; no published energy is behind it.
        macs, int8: multiply-adds; whether the graph computes on integers.
        kind, basis: the word "estimate" ("measured" for this machine), and what it rests on.

    Not for graphs that differ much from the published networks: a latency is refused for tree
    ensembles, for graphs without convolutions, and far outside the published range of
    multiply-adds. Memory of loading a graph is not in it: parsing takes a multiple of the weights.

    Raises:
        ParamsError: no such device.
    """
    of, found = plugin("device", device), profile(model)
    content: dict[str, Any] = {
        "device": device,
        "kind": "estimate",
        "basis": INT8_BASIS if found.int8 else BASIS,
        "int8": found.int8,
        "macs": found.work.total_macs,
        "peak_memory_mib": found.peak_bytes / MIB,
        "arena_memory_mib": found.arena_bytes / MIB,
        "memory_is_least": found.int8 or bool(found.unsized),
        **dict.fromkeys(("latency_ms", "latency_error", "memory_mib", "fits", "memory_error")),
        **dict.fromkeys(("naive_ms", "watts", "energy_mj")),
    }
    if not hasattr(of, "CORES"):
        return content | {"kind": "measured", "basis": MEASURED, "latency_error": MEASURED}
    peak, memory = content["peak_memory_mib"], of.MEMORY_MIB
    content |= {"memory_mib": memory, "fits": peak <= memory, "watts": [of.IDLE_W, of.LOAD_W]}
    if peak > memory:
        text = f"needs {peak:.0f} MiB, {device} has {memory} MiB"
        return content | {"memory_error": text, "latency_error": text}
    if of.HPL_GFLOPS and found.work.total_macs:
        content["naive_ms"] = naive_ms(found.work, of.HPL_GFLOPS)
    if refusal := outside(found):
        return content | {"latency_error": refusal}
    latency = {
        threads: _latency_ms(found, calibration.Setting(device, threads))
        for threads in (1, of.CORES)
    }
    low, high = latency[of.CORES]
    return content | {"latency_ms": latency, "energy_mj": [low * of.IDLE_W, high * of.LOAD_W]}


def naive_ms(of: Work, gflops: float) -> float:
    """Return two floating-point operations a multiply-add over a throughput, in milliseconds."""
    return 2 * of.total_macs / gflops / 1e6


def outside(found: Profile) -> str | None:
    """Return why no latency is estimated for a graph, or None."""
    macs, published = found.work.total_macs, [work(name).total_macs for name in NETWORKS]
    least, most = min(published) / WITHIN, max(published) * WITHIN
    start = "outside what was measured"
    if found.trees:
        return f"{start}: a tree ensemble, and the published figures are of {BASIS}"
    if not least <= macs <= most:
        limits = f"{least / 1e6:,.0f} to {most / 1e6:,.0f}"
        return f"{start}: {macs / 1e6:.3g} million multiply-adds, not {limits}"
    if macs - found.work.macs["fully_connected"] < MOSTLY * macs:
        return f"{start}: mostly fully connected, and the published figures are of {BASIS}"
    return None


def _latency_ms(found: Profile, setting: calibration.Setting) -> Interval:
    middle = float(np.dot(calibration.terms(found.work), calibration.fit(setting)))
    gains = calibration.int8_gains(setting.device) if found.int8 else [1.0]
    return interval(middle, calibration.calibrated(setting.threads), gains)


def interval(middle: float, spread: float, gains: list[float]) -> Interval:
    """Return [low, high] in milliseconds around an estimate for fp32.

    Args:
        middle: the estimate, in milliseconds.
        spread: how far the interval reaches on either side, in the logarithm.
        gains: by how much what is estimated may be faster than fp32: the interval reaches from the
            largest to the smallest, so that it is wider than that of fp32.
    """
    factor = math.exp(spread)
    return [middle / factor / max(gains), middle * factor / min(gains)]
