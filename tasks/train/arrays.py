"""Saves and loads a model's numbers: `model.safetensors` for arrays, `model.json` for the rest."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def save(folder: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write arrays and facts; the same content gives the same bytes."""
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps(facts, indent=1, sort_keys=True))


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `save` wrote: arrays by name, and the facts."""
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors"), json.loads((folder / "model.json").read_text())
