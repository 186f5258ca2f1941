# pyright: reportMissingImports=false
"""neuralforecast's NHITS, LSTM and TCN on the same split; imports nothing of Temper.

    python rivals.py FILE.parquet HORIZON STRIDE TRAIN_ROWS ROWS OUT.npz [NAME ...]

It needs polars, pandas and neuralforecast (Apache-2.0), in an environment of its own:
`pip install neuralforecast polars`. OUT has for each model its medians (origin, horizon), and the
row of each origin.
"""

import sys
import time
from typing import Any

import numpy as np
import polars as pl

TARGET, TIME = "Appliances", "date"
CONTEXT, SEED, STEPS = 144, 0, 600


def main(
    path: str, horizon: int, stride: int, train: int, rows: int, out: str, *names: str
) -> None:
    """Fit each model on the first rows, with an inner part to stop by; forecast the others."""
    import logging

    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MAE
    from neuralforecast.models import LSTM, NHITS, TCN

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    table = pl.read_parquet(path).sort(TIME).head(rows)
    calendar = _calendar(table[TIME])
    frame = pl.DataFrame(
        {"unique_id": "house", "ds": table[TIME], "y": table[TARGET].cast(pl.Float64), **calendar}
    ).to_pandas()
    shared: dict[str, Any] = {
        "h": horizon,
        "input_size": CONTEXT,
        "loss": MAE(),
        "max_steps": STEPS,
        "val_check_steps": 50,
        "early_stop_patience_steps": 4,
        "scaler_type": "robust",
        "random_seed": SEED,
        "futr_exog_list": list(calendar),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": False,
        "accelerator": "cpu",
        "windows_batch_size": 256,
    }
    makes = {"NHITS": NHITS, "LSTM": LSTM, "TCN": TCN}
    found: dict[str, np.ndarray] = {}
    for name in names or tuple(makes):
        own = {} if name == "NHITS" else {"encoder_hidden_size": 64}
        began = time.monotonic()
        model = makes[name](**shared, **own)
        whole = NeuralForecast(models=[model], freq="10min").cross_validation(
            frame,
            val_size=train // 10,
            test_size=len(frame) - train,
            n_windows=None,
            step_size=stride,
            refit=False,
        )
        medians = whole[name].to_numpy().reshape(-1, horizon)
        cutoffs = whole["cutoff"].to_numpy().reshape(-1, horizon)[:, 0]
        found[name] = medians
        found["origins"] = np.searchsorted(frame["ds"].to_numpy(), cutoffs)
        found[f"{name} seconds"] = np.array(time.monotonic() - began)
        print(name, round(time.monotonic() - began, 1), "s", flush=True)
    np.savez(out, **found)  # type: ignore[arg-type]


def _calendar(times: pl.Series) -> dict[str, np.ndarray]:
    """Return time of day and of week as sine and cosine: what our models know too."""
    seconds = times.dt.epoch("s").to_numpy().astype(float)
    found = {}
    for name, period, shift in (("day", 86400.0, 0.0), ("week", 7 * 86400.0, 4 * 86400.0)):
        angle = (seconds - shift) % period / period * 2 * np.pi
        found |= {f"{name}_sine": np.sin(angle), f"{name}_cosine": np.cos(angle)}
    return found


if __name__ == "__main__":
    path, horizon, stride, train, rows, out, *names = sys.argv[1:]
    main(path, int(horizon), int(stride), int(train), int(rows), out, *names)
