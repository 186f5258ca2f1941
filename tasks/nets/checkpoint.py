"""A checkpoint's file: tensors and facts as safetensors, with a digest of both."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "checkpoint.safetensors"


def save(folder: Path, tensors: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write a folder's checkpoint, whole or not at all."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"checkpoint.{os.getpid()}.tmp"
    contiguous = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    text = json.dumps(facts)
    save_file(contiguous, temporary, {"facts": text, "digest": _digest(contiguous, text)})
    os.replace(temporary, folder / NAME)


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the tensors and facts of a folder's checkpoint; None where it has none, or one that
    is not as it was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / NAME, framework="pt") as file:
            said = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        return None
    facts = said.get("facts", "")
    return (tensors, json.loads(facts)) if said.get("digest") == _digest(tensors, facts) else None


def _digest(tensors: dict[str, Any], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
