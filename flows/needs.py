"""What of the store somebody needs: the views, dvc.lock, registered versions, the next reports.

A run whose results the view shows notes the records it used: with them all of it is found cached
again. Homes may be shared by several projects, so a note names its project.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flows import history, versioning
from flows.view import MANIFEST
from tasks.core import records
from tasks.core.home import project, subfolder
from tasks.core.temporary import write
from tasks.register import store as registry


class Needs(NamedTuple):
    """Keys of records, and digests (of contents, or of files in them) with who needs each."""

    keys: set[str]
    digests: dict[str, set[str]]


def note(name: str) -> None:
    """Note the records that this process used for what the view of a workload now shows."""
    path = _file(project(), name)
    used: dict[str, list[str]] = {}
    for key in records.asked():
        used.setdefault(key.rpartition("-")[0], []).append(key)
    earlier = _read(path).get("records", {})
    content = {"project": str(project()), "workload": name, "records": earlier | used}
    write(path, json.dumps(content, indent=1))


def find() -> Needs:
    """Return all that is needed.

    Raises:
        TemperError: MLflow's store cannot be asked.
    """
    keys: set[str] = set()
    digests: dict[str, set[str]] = {}
    for digest, who in _found(keys):
        digests.setdefault(digest, set()).add(who)
    registered = registry.named_digests()
    for uri, named in registered.items():
        for digest in named:
            digests.setdefault(digest, set()).add(uri)
    for digest, who in list(history.needed(set(digests), registered)):
        digests.setdefault(digest, set()).add(who)
    return Needs(keys, digests)


def notes() -> dict[Path, dict[str, Any] | None]:
    """Return the notes by file; None where the view they speak of is no longer there."""
    found = {path: _read(path) for path in sorted(subfolder("needs").glob("*.json"))}
    return {
        path: content if content and any(_manifests(content)) else None
        for path, content in found.items()
    }


def _found(keys: set[str]) -> Iterator[tuple[str, str]]:
    """Yield digest and who needs it, of views and dvc.lock; add the records that they need."""
    by_key = {record.key: record for record in records.every()}
    roots = {project()}
    for content in filter(None, notes().values()):
        roots.add(Path(content["project"]))
        for key in (key for used in content["records"].values() for key in used):
            if key in by_key:
                keys.add(key)
                for artifact in by_key[key].artifacts:
                    yield artifact.digest, f"view of {content['workload']}"
    for root in sorted(roots):
        yield from versioning.recorded(root)
        for manifest in _manifests({"project": root, "workload": "*"}):
            name = manifest.parts[-2] if manifest.parts[-4] == "data" else manifest.parts[-3]
            for digest in json.loads(manifest.read_text()).values():
                yield digest, f"view of {name}"


def _manifests(content: dict[str, Any]) -> Iterator[Path]:
    root, name = Path(content["project"]), content["workload"]
    yield from root.glob(f"data/*/{name}/{MANIFEST}")
    yield from root.glob(f"models/{name}/*/{MANIFEST}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _file(root: Path, name: str) -> Path:
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return subfolder("needs") / f"{digest}-{name}.json"
