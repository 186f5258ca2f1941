"""The mutation harness in short: 30 changes and 10 neutral edits."""

from pathlib import Path

import pytest

from benchmarks.staleness import changes, reach
from benchmarks.staleness.__main__ import grouped, picked, run, together

SEED = 609  # which needs few runs: changes that reach different tasks are made together


@pytest.mark.harness
@pytest.mark.timeout(900)
def test_a_change_runs_what_it_reaches_and_nothing_else(new_database: Path):
    changed = grouped(picked(changes.that_matter(), 30, SEED), 8)
    quiet = together(picked(changes.neutral(), 10, SEED))

    found = run([*changed, quiet], 1, SEED, False, new_database)

    assert [entry for entry in found if not entry["right"]] == []
    assert found[-1]["ran"] == []
    (compared,) = [entry for entry in found if "stale" in entry]
    assert compared["stale"] == []
    assert compared["compared"] >= 14


def test_the_catalogue_is_large_and_knows_what_it_reaches():
    matter, neutral = changes.that_matter(), changes.neutral()
    assert len(matter) >= 200
    assert len(neutral) >= 50
    assert all(change.direct for change in matter)
    assert not any(change.direct for change in neutral)
    assert set().union(*(change.direct for change in matter)) == set(reach.LABELS)
