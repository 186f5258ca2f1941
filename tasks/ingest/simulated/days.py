"""What happens to a sleeper by the day, and the readiness that comes of it.

Days count from 0, the first morning; night k ends on the morning of day k. Readiness of day k is

    82 + co2(night k) + temperature(night k) + noise(night k) + sleep(k - 1) + steps(k - 1)
       + person + season(k) + noise of no cause

clipped to 0-100 and rounded, with the effects of `effects()`. The night's CO2, temperature and
PM2.5 are autocorrelated from night to night and follow the season: windows are closed in the cold.
PM2.5 follows the closed windows as CO2 does and has no effect of its own: it is the decoy. Sleep
efficiency, resting heart rate and heart rate variability are consequences of the causes, no causes.
"""

from typing import NamedTuple

import numpy as np

from tasks.ingest.simulated.params import Params

CAUSES = {  # effect: (the column it shows in, when it works, in points of readiness)
    "co2": ("co2_ppm", "the night", "-14 (1 - exp(-max(0, mean - 1000) / 600))"),
    "temperature": ("temperature_c", "the night", "-3.2 max(0, |mean - 18.5| - 0.5)"),
    "sleep": ("sleep_h", "the day before", "-3.6 max(0, 7 - hours)"),
    "noise": ("noise_dba", "the night", "-0.25 max(0, peak - 45)"),
    "steps": ("steps", "the day before", "0.3 (min(steps, 12000) - 7500) / 1000"),
}
EFFECTS = (*CAUSES, "person", "season")
DECOY = "pm25"
BASE = 82.0  # points
RING = ("steps", "sleep_h", "sleep_efficiency_pct", "resting_hr_bpm", "hrv_ms", "readiness")


class Days(NamedTuple):
    """A home's days from the one before the first morning; all (day + 1,) float64 but `person`.

    Sensors' values are those of the night that ends on the day: means, for noise the peak.
    """

    co2: np.ndarray  # ppm
    temperature: np.ndarray  # degrees C
    humidity: np.ndarray  # percent
    pm25: np.ndarray  # ug/m3
    voc: np.ndarray  # ppb
    peak: np.ndarray  # dBA
    season: np.ndarray  # 1 in the middle of January, -1 in that of July
    steps: np.ndarray
    sleep: np.ndarray  # hours
    person: float  # points


class Records(NamedTuple):
    """A home's days as the ring records them."""

    values: np.ndarray  # (day, RING) float32
    signal: np.ndarray  # (day,) float64: readiness but for the noise of no cause


def stream(params: Params, *key: int) -> np.random.Generator:
    """Return the generator of one part of the data: the same whatever else is drawn, and when."""
    return np.random.default_rng(np.random.SeedSequence(params.seed, spawn_key=key))


def correlated(random: np.random.Generator, count: int, factor: float) -> np.ndarray:
    """Return (count,) draws of mean 0 and variance 1, each `factor` times the last plus news."""
    from scipy.signal import lfilter

    news = random.standard_normal(count) * np.sqrt(1 - factor**2)
    news[0] /= np.sqrt(1 - factor**2)  # stationary from the first on
    return np.asarray(lfilter([1.0], [1.0, -factor], news))


def days(params: Params, home: int) -> Days:
    """Return what happens in a home, from the day before the first morning to the last."""
    random = stream(params, home, 0)
    count = params.nights + 1
    number = np.arange(count)
    of_year = params.start.timetuple().tm_yday - 1 + number
    season = np.cos(2 * np.pi * (of_year - 15) / 365.25)
    weekend = (params.start.weekday() - 1 + number) % 7 >= 5

    closed = 0.6 * season + 0.9 * correlated(random, count, 0.75)  # variance 1
    air = 0.85 * closed + 0.53 * correlated(random, count, 0.5)
    temperature = 19.0 - 1.2 * season + 1.6 * correlated(random, count, 0.8)
    temperature += 0.4 * random.standard_normal()
    humidity = 46 - 1.5 * (temperature - 19) + 4 * closed + 3 * correlated(random, count, 0.6)
    dust = 0.78 * closed + 0.63 * correlated(random, count, 0.5)
    voc = 0.25 * closed + 0.97 * correlated(random, count, 0.4)
    peak = 40 + 8 * np.abs(correlated(random, count, 0.2))
    steps = 7500 + 900 * random.standard_normal() + 2800 * correlated(random, count, 0.25)
    sleep = 7.1 + 0.25 * random.standard_normal() + 0.9 * correlated(random, count, 0.3)
    return Days(
        co2=np.clip(1050 * np.exp(0.38 * air), 520, 4500),
        temperature=np.clip(temperature, 12, 28),
        humidity=np.clip(humidity, 20, 80),
        pm25=8 * np.exp(0.45 * dust),
        voc=180 * np.exp(0.35 * voc),
        peak=np.minimum(peak, 85),
        season=season,
        steps=np.clip(np.round(steps + 800 * weekend), 300, 30_000),
        sleep=np.round(np.clip(sleep + 0.4 * weekend, 2.5, 11), 2),
        person=1.2 * random.standard_normal(),
    )


def effects(lived: Days) -> np.ndarray:
    """Return (day, EFFECTS) float64: the points that each adds to a day's readiness."""
    before, night = slice(None, -1), slice(1, None)
    stuffy = np.maximum(0, lived.co2[night] - 1000)
    unease = np.maximum(0, np.abs(lived.temperature[night] - 18.5) - 0.5)
    return np.stack(
        [
            -14 * (1 - np.exp(-stuffy / 600)),
            -3.2 * unease,
            -3.6 * np.maximum(0, 7 - lived.sleep[before]),
            -0.25 * np.maximum(0, lived.peak[night] - 45),
            0.3 * (np.minimum(lived.steps[before], 12_000) - 7500) / 1000,
            np.full(len(lived.co2) - 1, lived.person),
            -0.6 * lived.season[night],
        ],
        axis=1,
    )


def records(params: Params, home: int, lived: Days, noise_sd: float) -> Records:
    """Return what the ring says of each day, noise of `noise_sd` points on the readiness."""
    random = stream(params, home, 1)
    signal = BASE + effects(lived).sum(axis=1)
    count = len(signal)
    strain = (75 - signal) / 6  # about mean 0 and variance 1
    readiness = signal + noise_sd * random.standard_normal(count)
    efficiency = 88 - 1.5 * strain + 3 * random.standard_normal(count)
    pulse = 58 + 5 * random.standard_normal() + 0.8 * strain + 2 * random.standard_normal(count)
    variability = 45 + 9 * random.standard_normal() - 2 * strain
    variability += 6 * random.standard_normal(count)
    whole = [np.clip(efficiency, 50, 100), np.clip(pulse, 35, 110), np.clip(variability, 8, 180)]
    columns = [lived.steps[1:], lived.sleep[1:], *map(np.round, whole)]
    columns.append(np.round(np.clip(readiness, 0, 100)))
    return Records(np.stack(columns, axis=1).astype(np.float32), signal)
