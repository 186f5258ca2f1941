"""The records of tasks, one file a key: what a task returned, sealed with the key it belongs to.

The seal is a MAC with a secret of this home. So a record under another key's name, one that was
edited to name other contents, and one that somebody else's tool put here are no records of ours.
Prefect reads a record by the serializer that the record itself names, a pickle's included: hence
ours are told from others before Prefect sees them.
"""

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from tasks.core import temporary
from tasks.core.artifacts import Artifact
from tasks.core.home import home, subfolder

SERIALIZER = "temper-artifacts"
_asked: set[str] = set()


class Record(NamedTuple):
    """A record of ours: its key, what it names, when a task last returned that (s since 1970)."""

    key: str
    artifacts: tuple[Artifact, ...]
    used_s: float


def folder() -> Path:
    """Return where Prefect keeps records; made here, Prefect would make it by the umask."""
    return Path(os.environ.get("PREFECT_LOCAL_STORAGE_PATH") or subfolder("records"))


def dump(key: str, artifacts: tuple[Artifact, ...], several: bool) -> bytes:
    """Return the content of a key's record, sealed."""
    items = [artifact.model_dump() for artifact in artifacts]
    content = {"several": several, "artifacts": items}
    return json.dumps({**content, "seal": _seal(key, content)}).encode()


def read(path: Path) -> Record | None:
    """Return the record that a file holds; None where it is none of ours, or another key's."""
    try:
        whole = from_json(path.read_bytes())  # as Prefect reads it
        if set(whole) != {"metadata", "result"}:  # Prefect takes others for these
            return None
        content = json.loads(whole["result"])
        seal = content.pop("seal")
        if whole["metadata"]["serializer"] != {"type": SERIALIZER} or not hmac.compare_digest(
            seal, _seal(path.name, content)
        ):
            return None
        artifacts = tuple(Artifact(**item) for item in content["artifacts"])
        return Record(path.name, artifacts, path.stat().st_mtime)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def use(key: str) -> None:
    """Note that a key's record is asked for now; remove it where it is none of ours."""
    _asked.add(key)
    path = folder() / key
    if read(path) is not None:
        os.utime(path)
    else:
        path.unlink(missing_ok=True)


def asked() -> list[str]:
    """Return the keys that tasks of this process have asked for since the last call."""
    keys = sorted(_asked)
    _asked.difference_update(keys)
    return keys


def every() -> list[Record]:
    """Return all records of ours."""
    found = (read(path) for path in folder().iterdir()) if folder().is_dir() else ()
    return [record for record in found if record is not None]


def make_private(key: str) -> None:
    """Let the owner alone read a key's record: Prefect writes it by the user's umask."""
    path = folder() / key
    if path.exists():
        path.chmod(0o600)


def _seal(key: str, content: dict[str, Any]) -> str:
    message = f"{key}\0{json.dumps(content, sort_keys=True)}".encode()
    return hmac.new(_secret(home() / "secret"), message, hashlib.sha256).hexdigest()


@cache
def _secret(path: Path) -> bytes:
    """Return this home's secret; made once, whole. Without it every record is a miss."""
    if not path.exists():
        with temporary.folder() as place, suppress(FileExistsError):  # made by another process
            made = place / "secret"
            made.touch(mode=0o600)
            made.write_bytes(secrets.token_bytes(32))
            os.link(made, path)
    return path.read_bytes()
