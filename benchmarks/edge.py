"""How far the estimates for edge devices are off: python -m benchmarks.edge.

Latencies: every network in turn is left out of the fit and of what its interval is made of, on all
devices. Beside the terms that are used stand others that were tried, and the plain figure:
floating-point operations over the published Linpack throughput. Memory: held against what ONNX
Runtime takes (benchmarks.edge_memory), with its arena off and on.
"""

from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks import edge_memory
from benchmarks.harness import no_arguments, table, write
from tasks.core.plugins import plugin
from tasks.core.profile import Work
from tasks.recommend import calibration
from tasks.recommend.architectures import NETWORKS, work
from tasks.recommend.calibration import HeldOut, Setting
from tasks.recommend.estimate import interval, naive_ms

ROUNDS = 50
BARRED = ("mobilenet_v2", "resnet18", "mobilenet_v2, int8", "resnet18, int8")


def one_throughput(of: Work) -> list[float]:
    """One cost for all multiply-adds."""
    return [of.total_macs / 1e9]


def convolutions_alike(of: Work) -> list[float]:
    """3 x 3 convolutions as all others."""
    three, other, moved = calibration.terms(of)
    return [three + other, moved]


def depthwise_apart(of: Work) -> list[float]:
    """A cost of their own for depthwise convolutions."""
    three, other, moved = calibration.terms(of)
    depthwise = of.macs["depthwise"] / 1e9
    return [three, other - depthwise, depthwise, moved]


def depthwise_and_dense_apart(of: Work) -> list[float]:
    """Costs of their own for depthwise convolutions and for fully connected layers."""
    three, other, depthwise, _ = depthwise_apart(of)
    dense = of.macs["fully_connected"] / 1e9
    return [three, other, depthwise, dense, of.activation_bytes / 1e9]


def without_dense_weights(of: Work) -> list[float]:
    """Bytes moved are those of activations alone."""
    return [*calibration.terms(of)[:2], of.activation_bytes / 1e9]


TRIED = (
    *(calibration.terms, one_throughput, convolutions_alike, depthwise_apart),
    *(depthwise_and_dense_apart, without_dense_weights),
)


def main() -> None:
    """Run, print the table, write benchmarks/results/edge.json."""
    no_arguments("edge", __doc__)
    tried = {of.__name__: _summary(calibration.held_out(of)) for of in TRIED}
    tried["one profile for all devices, scaled"] = _errors(_shared())
    used, held_out = tried["terms"], calibration.held_out()
    naive, int8 = _naive(), _int8()
    memory = {name: edge_memory.compared(name) for name in edge_memory.GRAPHS}
    rows: list[tuple[str, Any, str]] = [
        ("published figures", len(held_out), "about 46"),
        ("leave-one-model-out mean error, %", used["mean_error"], "25"),
        ("  largest error, %", used["max_error"], ""),
        ("90 % intervals cover, %", used["covered"], "85"),
        ("  median width, upper over lower", used["median_width"], "2.5"),
    ]
    rows += [
        (f"  {name}: mean error, covered, %; width", ", ".join(map(str, _three(found))), "")
        for name, found in _by_setting(held_out).items()
    ]
    rows += [
        (f"tried: {name}, mean, largest error, %", f"{e['mean_error']}, {e['max_error']}", "")
        for name, e in tried.items()
        if name != "terms"
    ]
    rows += [
        ("operations over Linpack throughput, mean error, %", naive["mean_error"], ""),
        ("  largest error, %", naive["max_error"], ""),
        (f"int8: {int8['figures']} intervals cover, %", int8["covered"], ""),
        ("  median width, upper over lower", int8["median_width"], ""),
    ]
    for name, found in memory.items():
        bar = "within 10 %" if name in BARRED else ""
        for kind in ("arena off", "arena on"):
            one = found[kind]
            figure = f"{one['estimated_mib']} / {one['measured_mib']} ({one['off']:+.1f} %)"
            rows.append((f"{name}, {kind}: MiB estimated / taken", figure, bar))
    table(rows)
    write(
        "edge",
        {
            "latency": used,
            "by_setting": _by_setting(held_out),
            "by_network": _by_network(held_out),
            "tried": tried,
            "linpack": naive,
            "int8": int8,
            "memory": memory,
            "figures": [_figure(h) for h in held_out],
        },
    )


def _three(found: dict[str, float]) -> tuple[float, float, float]:
    return found["mean_error"], found["covered"], found["median_width"]


def _errors(errors: list[float]) -> dict[str, float]:
    return {"mean_error": _percent(fmean(errors)), "max_error": _percent(max(errors))}


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _summary(held_out: list[HeldOut]) -> dict[str, float]:
    return _errors([h.error for h in held_out]) | {
        "covered": _percent(fmean(h.covered for h in held_out)),
        "median_width": round(median(h.high_ms / h.low_ms for h in held_out), 2),
    }


def _by_setting(held_out: list[HeldOut]) -> dict[str, dict[str, float]]:
    return {
        f"{s.device}, {s.threads} threads": _summary([h for h in held_out if h.setting == s])
        for s in calibration.latencies()
    }


def _by_network(held_out: list[HeldOut]) -> dict[str, dict[str, float]]:
    return {n: _summary([h for h in held_out if h.network == n]) for n in NETWORKS}


def _figure(h: HeldOut) -> dict[str, Any]:
    milliseconds = (h.measured_ms, h.estimated_ms, h.low_ms, h.high_ms)
    names = ("measured_ms", "estimated_ms", "low_ms", "high_ms")
    rounded = (round(value, 2) for value in milliseconds)
    known = {"device": h.setting.device, "threads": h.setting.threads, "network": h.network}
    return known | dict(zip(names, rounded, strict=True))


def _shared() -> list[float]:
    """Return the errors of costs that all devices share but for one factor a setting."""
    from scipy.optimize import nnls

    whole, errors = calibration.latencies(), []
    for out in NETWORKS:
        known = [(s, n, ms) for s, by in whole.items() for n, ms in by.items() if n != out]
        factors: dict[Setting, float] = dict.fromkeys(whole, 1.0)
        costs = np.zeros(0)
        for _ in range(ROUNDS):
            rows = [np.array(calibration.terms(work(n))) * factors[s] / ms for s, n, ms in known]
            costs = nnls(np.array(rows), np.ones(len(rows)))[0]
            for setting in whole:
                ratios = [
                    ms / float(np.dot(calibration.terms(work(n)), costs))
                    for s, n, ms in known
                    if s == setting
                ]
                factors[setting] = float(np.exp(np.mean(np.log(ratios))))
        middle = float(np.dot(calibration.terms(work(out)), costs))
        errors += [abs(middle * factors[s] / by[out] - 1) for s, by in whole.items() if out in by]
    return errors


def _naive() -> dict[str, Any]:
    """Return how far operations over Linpack's throughput are off, with all threads."""
    errors = []
    for setting, known in calibration.latencies().items():
        of = plugin("device", setting.device)
        if setting.threads == of.CORES and of.HPL_GFLOPS:
            errors += [abs(naive_ms(work(n), of.HPL_GFLOPS) / ms - 1) for n, ms in known.items()]
    return {"figures": len(errors)} | _errors(errors)


def _int8() -> dict[str, Any]:
    """Return how many of the published int8 figures lie in their intervals, the network left out
    of the fit, of the spread and of the gains."""
    covered, widths = [], []
    for setting, known in calibration.latencies("int8").items():
        for network, ms in known.items():
            out = frozenset({network})
            spread = calibration.spread(calibration.log_errors(setting.threads, out))
            middle = float(np.dot(calibration.terms(work(network)), calibration.fit(setting, out)))
            low, high = interval(middle, spread, calibration.int8_gains(setting.device, network))
            covered.append(low <= ms <= high)
            widths.append(high / low)
    return {
        "figures": len(covered),
        "covered": _percent(fmean(covered)),
        "median_width": round(median(widths), 2),
    }


if __name__ == "__main__":
    main()
