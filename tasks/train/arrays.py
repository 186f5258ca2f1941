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
    save_facts(folder, facts)


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `save` wrote: arrays by name, and the facts."""
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors"), load_facts(folder)


def save_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write `model.json` alone, beside a library's own file."""
    (folder / "model.json").write_text(json.dumps(facts, sort_keys=True))


def load_facts(folder: Path) -> dict[str, Any]:
    """Return the content of `model.json`."""
    return json.loads((folder / "model.json").read_text())
