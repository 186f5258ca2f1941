"""Reports of progress: scaled to their part of the work, and told to whoever listens."""

import pytest

from tasks.core import progress


def test_reports_within_a_part_are_scaled_and_named():
    heard = []
    with progress.to(lambda share, text: heard.append((share, text))):
        for index in range(2):
            with progress.within(index / 2, (index + 1) / 2, f"{index + 1} of 2"):
                progress.report(0.5, "round 50")
                progress.report(1.0)
    assert heard == [
        (0.25, "1 of 2, round 50"),
        (0.5, "1 of 2"),
        (0.75, "2 of 2, round 50"),
        (1.0, "2 of 2"),
    ]


def test_parts_within_parts_reach_the_listeners():
    heard = []
    with (
        progress.listening(heard.append),
        progress.within(0.5, 1.0, "second half"),
        progress.within(0.0, 0.5),
    ):
        progress.report(1.0, "done")
    assert [(event.share, event.text) for event in heard] == [(0.75, "second half, done")]


def test_shares_of_resamples_only_rise(tmp_path):
    from tasks.compare.resampling import resample_scores
    from tasks.core.plugins import Plugin
    from tests.prepared import prepared_table

    prepared_table(tmp_path, rows=60)
    model = Plugin(kind="model", name="random_forest", params={"trees": 4})
    heard = []
    with progress.to(lambda share, text: heard.append((share, text))):
        resample_scores(tmp_path, model, 3, 3, 0, 1, "cpu")
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert heard[-1][1] == "3 of 3, 4 of 4 trees"
