"""The mutation harness in short: 30 changes and 10 neutral edits."""

from pathlib import Path

import pytest

from benchmarks.staleness import changes, reach
from benchmarks.staleness.__main__ import grouped, picked, run, together

SEED = 49  # which needs few runs: changes that reach different tasks are made together


@pytest.mark.harness
@pytest.mark.timeout(900)
@pytest.mark.parametrize("half", [0, 1])
def test_a_change_runs_what_it_reaches_and_nothing_else(half: int, new_database: Path):
    every = picked(changes.that_matter(), 30, SEED)
    at = next(n for n in range(len(every) // 2, len(every)) if not every[n].follows)
    chosen = every[at:] if half else every[:at]
    quiet = together(picked(changes.neutral(), 10, SEED)[half * 5 : half * 5 + 5])

    found = run([*grouped(chosen, 8), quiet], 1 - half, SEED, False, new_database)

    assert [entry for entry in found if not entry["right"]] == []
    assert found[-1]["ran"] == []
    compared = [entry for entry in found if "stale" in entry]
    assert [entry["stale"] for entry in compared] == [[]] * (1 - half)
    assert all(entry["compared"] >= 14 for entry in compared)


def test_the_catalogue_is_large_and_knows_what_it_reaches():
    matter, neutral = changes.that_matter(), changes.neutral()
    assert len(matter) >= 200
    assert len(neutral) >= 50
    assert all(change.direct for change in matter)
    assert not any(change.direct for change in neutral)
    assert set().union(*(change.direct for change in matter)) == set(reach.LABELS)
