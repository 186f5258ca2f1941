"""The artifacts of a whole run, and the report of it."""

import json

import pytest

from tests import samples


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Give every artifact that the report reads, in a home of their own."""
    with pytest.MonkeyPatch.context() as patch:
        samples.home(patch, tmp_path_factory.mktemp("home"))
        yield samples.whole_run()


@pytest.fixture(scope="session")
def made(sources):
    """Give the artifact of the report."""
    from tasks.report.params import Params
    from tasks.report.task import report

    return report.fn(sources, "digits", Params())


@pytest.fixture
def content(made):
    """Give report.json, fresh for each test."""
    return json.loads(made.file("report.json").read_text())
