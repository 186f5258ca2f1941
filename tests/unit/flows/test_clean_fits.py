"""Steps of clean that do not fit the task: a forecast knows only the past, classes stay classes."""

import pytest

from flows import workload
from tasks.core.errors import ParamsError

SECTION = {
    "seed": 0,
    "device": "cpu",
    "table": {"task": "regression", "target": "y"},
    "clean": {"steps": ["types", {"fill_gaps": {"method": "linear"}}]},
}


def test_classes_are_not_averaged():
    table = {"task": "classification", "target": "y"}
    clean = {"steps": ["types", "resample"]}
    with pytest.raises(ParamsError, match="resample would put classes together as numbers"):
        workload.build("w", SECTION | {"table": table, "clean": clean})
    clean = {"steps": ["types", {"resample": {"target": "last"}}]}
    assert workload.build("w", SECTION | {"table": table, "clean": clean})


def test_steps_that_look_ahead_are_refused_where_the_past_alone_is_known(monkeypatch):
    assert workload.build("w", SECTION)
    monkeypatch.setattr(workload, "AHEAD_OF_TIME", ("regression",))
    with pytest.raises(ParamsError, match="fill_gaps: a line needs the value after the gap"):
        workload.build("w", SECTION)
    clean = SECTION["clean"] | {"look_ahead": True}
    assert workload.build("w", SECTION | {"clean": clean})
    forward = {"steps": ["types", "sentinels", "spikes", "stuck", "fill_gaps"]}
    assert workload.build("w", SECTION | {"clean": forward})


@pytest.mark.parametrize(
    "step",
    [
        {"rolling": {"windows": ["1h"], "target": True}},
        {"differences": {"by": ["1h"], "columns": ["y"], "target": True}},
        {"grid": {"windows": ["1h"], "of_target": True}},
    ],
)
def test_the_target_of_a_row_is_not_seen_where_it_is_to_be_told(step):
    section = SECTION | {"clean": {"steps": ["types", step]}}
    forecast = section | {"table": {"task": "forecast", "target": "y"}}
    assert workload.build("w", forecast)
    beside = {"features": {"forecast": {"own_past": False}}}
    for told in (section, forecast | beside):
        with pytest.raises(ParamsError, match=f"{next(iter(step))} would make features of y as"):
            workload.build("w", told)
    later = {"features": {"forecast": {"own_past": False, "lead": 1}}}
    assert workload.build("w", forecast | later)
    (name,) = step
    others = {name: {k: v for k, v in step[name].items() if "target" not in k and k != "columns"}}
    lags = {"lags": {"by": ["1h"], "columns": ["y"], "target": True}}
    fine = {"clean": {"steps": ["types", others, lags]}}
    assert workload.build("w", forecast | beside | fine)


@pytest.mark.parametrize(
    ("task", "steps", "series"),
    [
        ("regression", ["types", "sentinels"], False),
        ("regression", ["types", "sorted_unique"], True),
        ("regression", ["types", {"daily": {}}], True),
        ("forecast", ["types"], True),
    ],
)
def test_rows_are_parts_of_series_where_steps_or_windows_put_them_together(task, steps, series):
    table = {"task": task, "target": "y"}
    built = workload.build("w", SECTION | {"table": table, "clean": {"steps": steps}})
    assert built.series is series
