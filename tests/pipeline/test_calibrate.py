"""Figures that a device measured are part of the run: of its keys, its report, and DVC's record."""

import os
import sys

from tests.pipeline.conftest import Project, counts
from tests.pipeline.test_why import states, verdicts


def test_measured_figures_run_the_recommendation_again_and_nothing_before_it(beside: Project):
    first = beside.temper("run", "micro")
    assert first.returncode == 0, first.stderr
    bundle = beside.folder.parent / "bundle"
    device = ("calibrate", "micro", "--device", "this_machine")
    made = beside.temper(*device, "--bundle", str(bundle))
    assert made.returncode == 0, made.stderr
    core = str(min(os.sched_getaffinity(0)))  # one: half as many processes
    command = (sys.executable, "-I", str(bundle / "measure.py"), "--rounds", "6")
    ran = beside.run("taskset", "-c", core, *command, "--samples", "6")
    assert ran.returncode == 0, ran.stderr
    kept = beside.temper(*device, "--measured", str(bundle / "measured.json"))
    assert kept.returncode == 0, kept.stderr
    assert "3 of 3 graphs measured" in kept.stdout

    found = verdicts(beside)
    assert found["recommend"] == ("would run", "input devices/*/micro.json")
    assert found["benchmark"] == ("cached", "")
    again = beside.temper("run", "micro")
    assert again.returncode == 0, again.stderr
    assert counts(again.stdout)[0] <= 3  # recommend, register, report
    report = beside.folder / "models" / "micro" / "report" / "report.html"
    assert "measured on " in report.read_text()
    assert states(verdicts(beside)) == {"cached"}
    assert "up to date" in beside.dvc("status").stdout

    file = beside.folder / "devices" / "this_machine" / "micro.json"
    file.write_text("{}")
    for command in (("run", "micro"), ("check",)):
        refused = beside.temper(*command)
        assert refused.returncode == 2
        assert "micro.json: expected format 1, found None" in refused.stderr

    file.unlink()
    back = beside.temper("run", "micro")
    assert back.returncode == 0, back.stderr
    assert "measured on " not in report.read_text()
