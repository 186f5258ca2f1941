"""The studies that the tests of `compress` share."""

import pytest

from tests.compressed import Study
from tests.prepared import prepared_digits, prepared_table


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("digits")
    return Study(prepared_digits(folder / "prepared"), folder)


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("numbers")
    return Study(prepared_table(folder / "prepared", "regression"), folder)


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("classes")
    return Study(prepared_table(folder / "prepared", "classification"), folder)
