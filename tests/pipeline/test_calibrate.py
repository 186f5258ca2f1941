"""Figures that a device measured are part of the run: of its keys, its report, and DVC's record.

How they are measured: tests/components/flows/test_calibrate.py.
"""

import json

from tasks.core.artifacts import file_digest
from tests.pipeline.conftest import Project, counts
from tests.pipeline.test_why import verdicts
from tests.unit.recommend.test_measured import content, row


def test_measured_figures_run_the_recommendation_again_and_nothing_before_it(beside: Project, here):
    temper = here(beside)
    first = temper("run", "micro")
    assert first.returncode == 0, first.stderr
    models = beside.folder / "models" / "micro"
    graph = file_digest(models / "compress" / "linear" / "fp32" / "model.onnx")
    rows = [row(threads, graph=graph, variant="linear/fp32") for threads in (1, 4)]
    file = beside.folder.parent / "measured.json"
    file.write_text(json.dumps(content(*rows, workload="micro")))

    kept = temper("calibrate", "micro", "--device", "raspberry_pi_5", "--measured", file)

    assert kept.returncode == 0, kept.stderr
    assert "1 of " in kept.stdout
    found = verdicts(temper)
    assert found["recommend"] == ("would run", "input devices/*/micro.json")
    assert found["benchmark"] == ("cached", "")
    again = temper("run", "micro")
    assert again.returncode == 0, again.stderr
    assert counts(again.stdout)[0] <= 3  # recommend, register, report
    assert "measured on " in (models / "report" / "report.html").read_text()
    assert "up to date" in beside.dvc("status").stdout

    (beside.folder / "devices" / "raspberry_pi_5" / "micro.json").write_text("{}")
    refused = temper("check")
    assert refused.returncode == 2
    assert "micro.json: expected format 1, found None" in refused.stderr
