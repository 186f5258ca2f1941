"""Runs the catalogue of changes on `micro`; prints a table, writes results/staleness.json.

    .venv/bin/python -m benchmarks.staleness [--dvc] [--changes N] [--neutral N] [--fresh N]

`--dvc` goes through `temper repro` instead of `temper run`, and leaves out what DVC cannot see.
"""

import argparse
import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.micro import Project, fixed, from_nothing, held_server, let_go
from benchmarks.staleness import changes as catalogue
from benchmarks.staleness import reach
from benchmarks.staleness.changes import Change

OTHER_BYTES = ("data", "default", "library version", "params")  # kinds that may change contents


@dataclass
class Judge:
    """A project and what came of each change in it."""

    project: Project
    through_dvc: bool
    fresh: set[str]  # changes after which a run from nothing is made too
    found: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        """Run once, so that all is cached."""
        self.run()
        self.project.executed()

    def run(self) -> None:
        """Bring the project up to date, by the way that is under test."""
        self.project.run(*(("repro",) if self.through_dvc else ("run", "micro")))

    def judge(self, change: Change) -> None:
        """Make a change, run, and hold what ran against what the change reaches."""
        before, began = self.project.digests(), time.monotonic()
        entry: dict[str, Any] = {"kind": change.kind, "change": change.name}
        entry["reaches"] = sorted(change.direct)
        params = self.project.read("params.yaml")
        try:
            change.apply(self.project)
            self.run()
        except (RuntimeError, LookupError, OSError) as error:
            self.project.replace("params.yaml", params)
            self.project.executed()
            self.found.append(entry | {"right": False, "error": str(error)})
            return
        ran, after = self.project.executed(), self.project.digests()
        moved = {name for name in before | after if before.get(name) != after.get(name)}
        expected = change.direct | reach.consumers(moved)
        entry |= {"expected": sorted(expected), "ran": sorted(ran), "right": ran == expected}
        entry["seconds"] = round(time.monotonic() - began, 1)
        if f"{change.kind} {change.name}" in self.fresh:
            anew = fixed(from_nothing(self.project))
            entry["stale"] = sorted(n for n in anew if anew[n] != after.get(n))
            entry["compared"] = len(anew)
        self.found.append(entry)
        print(("ok   " if entry["right"] else "WRONG"), change.kind, change.name, flush=True)


def run(
    chosen: list[Change], fresh: int, seed: int, through_dvc: bool, database: Path | None = None
) -> list[dict[str, Any]]:
    """Return what came of changes, one after the other, in a project of their own."""
    names = [f"{change.kind} {change.name}" for change in chosen]
    picked = set(random.Random(seed).sample(names, min(fresh, len(names))))
    with harness.project() as environment:
        judge = Judge(Project(environment, database, through_dvc), through_dvc, picked)
        server = held_server(environment)
        try:
            judge.start()
            for change in chosen:
                judge.judge(change)
        finally:
            let_go(server)
    return judge.found


def grouped(chosen: list[Change], size: int) -> list[Change]:
    """Return the changes in groups that are made together, so that they take fewer runs.

    Each reaches a task that no other of its group can make run: were it missed, it would show.
    """
    groups: list[list[Change]] = []
    at = -1
    for change in chosen:
        later = range(at + 1 if change.follows else 0, len(groups))
        fit = (n for n in later if len(groups[n]) < size and _tell_apart([*groups[n], change]))
        at = next(fit, len(groups))
        groups[at:] = groups[at:] or [[]]
        groups[at].append(change)
    return [together(group) for group in groups]


def _tell_apart(group: list[Change]) -> bool:
    """Return whether each change reaches a task that no other makes run, at once or by bytes."""
    makes_run = [c.direct | reach.after(c.direct, c.kind in OTHER_BYTES) for c in group]
    return all(
        c.direct.difference(*(runs for n, runs in enumerate(makes_run) if n != own))
        for own, c in enumerate(group)
    )


def together(group: list[Change]) -> Change:
    """Return several changes as one."""

    def apply(project: Project) -> None:
        for change in group:
            change.apply(project)

    kinds, names = (" + ".join(getattr(c, part) for c in group) for part in ("kind", "name"))
    return Change(kinds, names, apply, frozenset().union(*(c.direct for c in group)))


def sharded(chosen: list[Change], shards: int) -> list[list[Change]]:
    """Return the changes in parts of about one length; what follows another goes with it."""
    parts: list[list[Change]] = [[] for _ in range(shards)]
    part = parts[0]
    for change in chosen:
        if not change.follows:
            part = min(parts, key=len)
        part.append(change)
    return parts


def picked(every: list[Change], count: int, seed: int) -> list[Change]:
    """Return so many changes, of every kind some, in the order of the catalogue."""
    by_kind: dict[str, list[int]] = {}
    for at, change in enumerate(every):
        by_kind.setdefault(change.kind, []).append(at)
    drawn = random.Random(seed)
    turns = [(drawn.random() + n, at) for k in by_kind.values() for n, at in enumerate(k)]
    taken = {at for _, at in sorted(turns)[:count]}
    for at in sorted(taken, reverse=True):  # and what those follow
        while every[at].follows:
            at -= 1
            taken.add(at)
    return [every[at] for at in sorted(taken)]


def main() -> None:
    """Judge, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.staleness")
    parser.add_argument("--dvc", action="store_true")
    for name, default in (("changes", 1000), ("neutral", 1000), ("fresh", 24), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--shards", type=int, default=2)
    asked = parser.parse_args()
    seen = [c for c in catalogue.that_matter() if c.dvc or not asked.dvc]
    chosen = [
        *picked(seen, asked.changes, asked.seed),
        *picked(catalogue.neutral(), asked.neutral, asked.seed),
    ]
    each = -(-asked.fresh // asked.shards)
    with ThreadPoolExecutor(asked.shards) as pool:
        parts = pool.map(
            lambda part: run(part, each, asked.seed, asked.dvc), sharded(chosen, asked.shards)
        )
        found = [entry for part in parts for entry in part]
    report(found, "staleness_dvc" if asked.dvc else "staleness", asked.seed)


def report(found: list[dict[str, Any]], name: str, seed: int) -> None:
    """Print the counts by kind, and write all."""
    total, right = Counter(e["kind"] for e in found), Counter()
    for entry in found:
        right[entry["kind"]] += entry["right"]
    matter = [e for e in found if e["reaches"]]
    quiet = [e for e in found if not e["reaches"]]
    compared = [e for e in found if "stale" in e]
    summary = {
        "changes that matter": len(matter),
        "of them re-ran exactly what they reach": sum(e["right"] for e in matter),
        "neutral changes": len(quiet),
        "of them re-ran nothing": sum(e["right"] for e in quiet),
        "compared with a run from nothing": len(compared),
        "stale artifacts among them": sum(len(e["stale"]) for e in compared),
    }
    harness.table([(f"  {kind}", f"{right[kind]} of {count}", "") for kind, count in total.items()])
    harness.table([(text, number, "") for text, number in summary.items()])
    for entry in found:
        if not entry["right"]:
            print(json.dumps(entry, indent=1))
    harness.write(name, {"seed": seed, "summary": summary, "changes": found})


if __name__ == "__main__":
    Path(harness.RESULTS).mkdir(exist_ok=True)
    main()
