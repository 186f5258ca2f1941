"""How much noise leaves the stated R² to the best of models, and how strong each cause then is."""

from typing import Any, NamedTuple

import numpy as np

from tasks.ingest.simulated.days import CAUSES, DECOY, EFFECTS, days, effects
from tasks.ingest.simulated.params import Params

ROUNDING = 1 / 12  # the variance that rounding to whole points adds


class Calibration(NamedTuple):
    """The noise, and the truth about the causes."""

    noise_sd: float  # points
    signal_sd: float  # points
    shares: dict[str, float]  # of the signal's variance, by effect
    decoy: dict[str, float]  # its correlation with the night's CO2, and with the effect of that


def calibrate(params: Params) -> Calibration:
    """Return the noise at which Var(signal) / Var(readiness) is `best_r2`, over all homes and days.

    The share of an effect is 1 - Var(signal without it) / Var(signal): those of effects that go
    together do not add up to 1. One home is in memory at a time.
    """
    count = 0
    total: Any = 0.0
    products: Any = 0.0
    for home in range(params.homes):
        lived = days(params, home)
        level = [lived.co2[1:] / 1000, lived.pm25[1:]]
        drawn = np.column_stack([effects(lived), *level])  # (day, effect, CO2, decoy)
        count += len(drawn)
        total = total + drawn.sum(axis=0)
        products = products + drawn.T @ drawn
    covariance = products / count - np.outer(total, total) / count**2
    of_effects = covariance[: len(EFFECTS), : len(EFFECTS)]
    variance = of_effects.sum()
    shares = {}
    for index, name in enumerate(EFFECTS):
        rest = np.delete(np.delete(of_effects, index, 0), index, 1)
        shares[name] = float(1 - rest.sum() / variance)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))  # a single home's person does not vary
    correlation = covariance / np.outer(scale, scale)
    noise = variance * (1 / params.best_r2 - 1) - ROUNDING
    decoy = {
        "co2_level": float(correlation[-1, -2]),
        "co2_effect": float(correlation[-1, EFFECTS.index("co2")]),
    }
    return Calibration(float(np.sqrt(max(noise, 0))), float(np.sqrt(variance)), shares, decoy)


def truth(params: Params, found: Calibration) -> dict[str, Any]:
    """Return what is so by construction: causes from strong to weak, decoy, noise, seed."""
    strongest = sorted(CAUSES, key=lambda name: -found.shares[name])
    causes = [
        {
            "name": name,
            "column": CAUSES[name][0],
            "when": CAUSES[name][1],
            "points": CAUSES[name][2],
            "share": round(found.shares[name], 4),
        }
        for name in strongest
    ]
    return {
        "seed": params.seed,
        "best_r2": params.best_r2,
        "signal_sd": round(found.signal_sd, 4),
        "noise_sd": round(found.noise_sd, 4),
        "causes": causes,
        "person_share": round(found.shares["person"], 4),
        "season_share": round(found.shares["season"], 4),
        "decoy": {"column": DECOY, "correlation": {k: round(v, 4) for k, v in found.decoy.items()}},
        "consequences": ["sleep_efficiency_pct", "resting_hr_bpm", "hrv_ms"],
    }
