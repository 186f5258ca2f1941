"""What a workload's earlier runs made: what a report compares itself with.

A run is known by what it recommends and what it registered; the champion is the version that the
registry says it is. What it was compared with when it was
new stays its comparison, so that running it again, or going back to it, changes nothing.
"""

import json
import subprocess
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from tasks.core import locks, store
from tasks.core.artifacts import Artifact
from tasks.core.home import project, subfolder
from tasks.core.temporary import write
from tasks.register import store as registry


class Before(NamedTuple):
    """A run's identity, what it registered (name and version, or None), and the reports (or None)
    of the run before it and of the champion.
    """

    identity: str
    registered: list | None
    previous: Artifact | None
    champion: Artifact | None


def before(name: str, choice: Artifact, version: Artifact) -> Before:
    """Return what a run is compared with: the run before it, and the champion's, while stored."""
    identity = f"{choice.digest}-{version.digest}"
    runs = _read(name)
    content = json.loads(version.file("version.json").read_text())
    registered = [content["name"], content["version"]] if content["name"] else None
    known = next((run for run in runs if run["identity"] == identity), None)
    if known is None:
        known = {
            "previous": runs[-1]["report"] if runs else None,
            "champion": _champions_report(name, runs, registered),
        }
    return Before(identity, registered, _stored(known["previous"]), _stored(known["champion"]))


def remember(name: str, now: Before, report: Artifact) -> None:
    """Note a run as the workload's last one."""
    with locks.held(subfolder("locks") / f"history-{name}"):
        runs = _read(name)
        entry = next((run for run in runs if run["identity"] == now.identity), None)
        if entry is None:
            entry = {
                "identity": now.identity,
                "previous": now.previous.digest if now.previous else None,
                "champion": now.champion.digest if now.champion else None,
                "registered": now.registered,
            }
        entry["report"] = report.digest
        runs = [run for run in runs if run["identity"] != now.identity] + [entry]
        write(_file(name), json.dumps(runs, indent=1))


def needed(shown: set[str], registered: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the digests that later reports compare themselves with, each with who needs it.

    Args:
        shown: digests of the reports that are to stay: what they were compared with stays too, else
            making them again would change them.
        registered: the URIs of versions in the registry, whose version.json stays.
    """
    for path in sorted(subfolder("history").glob("*.json")):
        name = path.stem
        runs = _read(name)
        last = runs[-1:]
        digests = [run["report"] for run in last] + [_champions_report(name, runs, None)]
        for run in runs:
            if run["report"] in shown:
                digests += [run["previous"], run["champion"]]
            uri = "models:/{}/{}".format(*run["registered"]) if run.get("registered") else None
            if uri in registered:
                yield run["identity"].rpartition("-")[2], str(uri)
        yield from ((digest, f"history of {name}") for digest in digests if digest)


def forget(gone: set[str]) -> None:
    """Forget the runs whose reports have gone."""
    for path in sorted(subfolder("history").glob("*.json")):
        with locks.held(subfolder("locks") / f"history-{path.stem}"):
            runs = _read(path.stem)
            left = [run for run in runs if run["report"] not in gone]
            if left != runs:
                write(path, json.dumps(left, indent=1))


def git_commit() -> str | None:
    """Return the project's git commit, with `-dirty` where tracked files differ; None outside
    git.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("-dirty" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _champions_report(workload: str, runs: list[dict[str, Any]], own: list | None) -> str | None:
    """Return the digest of the champion's report; None where it is this very version, or none."""
    known = [run for run in runs if run.get("registered")]
    if not known:
        return None
    name = known[-1]["registered"][0]
    champion = [name, registry.champion(name, workload)]
    if champion == own:
        return None
    return next((r["report"] for r in reversed(known) if r["registered"] == champion), None)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(project()), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _stored(digest: str | None) -> Artifact | None:
    artifact = Artifact(name="report", digest=digest) if digest else None
    return artifact if artifact and store.intact(artifact) else None


def _read(name: str) -> list[dict[str, Any]]:
    try:
        return json.loads(_file(name).read_text())
    except (OSError, ValueError):
        return []


def _file(name: str):
    return subfolder("history") / f"{name}.json"
