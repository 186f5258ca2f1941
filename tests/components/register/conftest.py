"""One MLflow store for all tests of the room: making one costs seconds."""

import pytest

from tests import samples


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Give the artifacts of a run, in a home of their own that has an MLflow store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        samples.home(patch, tmp_path_factory.mktemp("home"))
        from tasks.recommend.params import Params
        from tasks.recommend.task import recommend

        board, variants, measured = samples.board(), samples.compressed(), samples.measured()
        yield {
            "choice": recommend.fn(measured, board, variants, Params(), []),
            "nothing": recommend.fn(measured, board, variants, Params(max_size_kib=0.1), []),
            "leaderboard": board,
            "fitted": samples.fitted(),
            "telemetry": samples.telemetry(),
            "variants": variants,
            "prepared": samples.prepared(),
        }


@pytest.fixture
def home(run):
    """Give the home of `run`."""
    from tasks.core.home import home

    return home()
