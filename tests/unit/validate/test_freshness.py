"""Freshness by the clock."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.errors import DataError
from tasks.validate.freshness import age_days, check
from tasks.validate.params import Limits

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def checks_file(folder, newest):
    path = folder / "checks.json"
    path.write_text(json.dumps({"figures": {"newest": newest}}))
    return path


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-11-20T00:00:00", 0.5),
        ("2026-11-19T14:00:00+02:00", 1.0),
        ("2026-11-10", 10.5),
        ("yesterday", None),
    ],
)
def test_age(text, days):
    assert age_days(text, NOW) == days


def test_old_data_is_an_error_only_where_a_limit_is_set(tmp_path):
    old = (NOW - timedelta(days=9)).isoformat()
    path = checks_file(tmp_path, {"when": old})
    check(path, Limits(), NOW)
    check(path, Limits(max_age_days=10), NOW)
    with pytest.raises(DataError, match=r"when: the newest time, .* is 9\.0 days old"):
        check(path, Limits(max_age_days=8), NOW)


def test_a_limit_without_a_time_column_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no column has the role `time`"):
        check(checks_file(tmp_path, {}), Limits(max_age_days=8), NOW)


@pytest.mark.parametrize(
    "wrong", [{"min_rows": 5, "max_rows": 4}, {"target_mean": (2, 1)}, {"max_missing_share": 1.5}]
)
def test_limits_that_contradict_themselves(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)
