"""What a run says on the terminal of what `clean` found, on a table that `clean` really cleaned."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tasks.clean import accounting, matters, parts
from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Column

STEPS = ("types", "sentinels", "units", "sorted_unique", "stuck", "spikes", "downcast")


def cleaned(folder: Path, odd: bool) -> Path:
    """Return the folder of a cleaned table of rooms; `odd`: in Fahrenheit, with what sensors do."""
    random = np.random.default_rng(0)
    times = [datetime(2026, 3, 1) + timedelta(hours=h) for h in range(400)]
    heat = 20 + random.normal(size=400)
    if odd:
        heat = 32 + 1.8 * heat
        heat[[200, 220, 240]] = -999
        times[300:] = [t + timedelta(days=2) for t in times[300:]]
        times[150] = times[149]
    frame = pl.DataFrame({"at": times, "temperature": heat}).with_row_index(ROW, offset=1)
    frame.write_parquet(folder / "raw.parquet")
    columns = {
        "at": Column(type="datetime", role="time"),
        "temperature": Column(type="float", unit="degC"),
    }
    steps = [Plugin(kind="clean_step", name=name) for name in STEPS]
    accounts = parts.run(folder / "raw.parquet", columns, steps, "cpu", folder / "parts", folder)
    told = [accounting.told(account) for account in accounts]
    (folder / "steps.json").write_text(json.dumps(told))
    return folder


def test_the_gravest_findings_are_told_first_and_where_the_rest_is(tmp_path: Path):
    lines = matters.told(cleaned(tmp_path, odd=True))
    assert lines[0].startswith("clean: likely unit mix-up: temperature declared degC, the median")
    kinds = [line.split(":")[1].strip() for line in lines]
    assert kinds[1:3] == ["row contradicts an earlier one", "sentinel"]
    assert "temperature -999 (3, first in row 201)" in lines[2]
    assert lines[-1].endswith(
        f"all findings: {tmp_path}/steps.json, and the report's section Cleaning"
    )
    assert len(lines) <= matters.LINES + 1
    assert "gap" in " ".join(lines)


def test_a_table_without_faults_says_nothing(tmp_path: Path):
    assert matters.told(cleaned(tmp_path, odd=False)) == []


def test_many_of_a_kind_are_one_line(tmp_path: Path):
    found = [
        {"what": "gap", "column": "at", "detail": f"s{n}: {'x' * 200}", "count": n, "first_row": n}
        for n in range(1, 40)
    ]
    (tmp_path / "steps.json").write_text(json.dumps([{"step": "sorted_unique", "found": found}]))
    gap, _ = matters.told(tmp_path)
    assert gap.startswith("clean: gap: at s39: xxx")
    assert gap.endswith("37 more like it")
    assert len(gap) < 300


def test_every_kind_that_matters_is_one_that_a_step_reports():
    code = "".join(path.read_text() for path in Path(parts.__file__).parent.rglob("*.py"))
    own = Path(matters.__file__).read_text()
    for kind in matters.GRAVEST:
        assert code.count(f'"{kind}') > own.count(f'"{kind}'), kind
