"""`temper new`: an example becomes a workload, runs, and is known to DVC."""

import json
from pathlib import Path

import yaml

from tests.pipeline.conftest import Project

SMALL = (  # the least that is a whole run
    "train.models={baseline: {}, linear: {}}",
    "validate.expectations=null",
    "compress.recipes={fp16: [fp16]}",
    "benchmark.engines=[onnx_runtime]",
    "benchmark.batch_sizes=[1]",
)


def test_an_example_runs(beside: Project):
    made = beside.temper("new", "wine", "--example")
    assert made.returncode == 0, made.stderr
    assert "wine" in yaml.safe_load((beside.folder / "params.yaml").read_text())["workloads"]
    settings = [part for setting in SMALL for part in ("--set", setting)]

    done = beside.temper("run", "wine", *settings, "--save")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "linear" in done.stdout
    assert (beside.folder / "models" / "wine" / "report" / "report.html").exists()
    stages = [f"{stage}@wine" for stage in ("prepare", "train", "compress", "benchmark", "release")]
    status = beside.dvc("status", "--json", *stages)
    assert json.loads(status.stdout) == {}, status.stdout + status.stderr
    again = beside.temper("new", "wine", "--example")
    assert again.returncode == 2
    assert "wine" in again.stderr


def test_what_cannot_be_made_is_refused_and_changes_nothing(ran: Project, tmp_path: Path):
    before = (ran.folder / "params.yaml").read_bytes()
    table = tmp_path / "t.csv"
    table.write_text("a,b\n" + "".join(f"{n},{n * n % 17}\n" for n in range(40)))
    for arguments, words in (
        (("Bad Name!", "--example"), ("Bad Name!",)),
        (("../up", "--data", str(table)), ("../up",)),
        (("foo", "--example"), ("iris", "wine", "breast_cancer", "diabetes")),
        (("foo",), ("--data", "--example")),
        (("foo", "--data", str(tmp_path / "none.csv")), ("none.csv",)),
        (("foo", "--data", str(table), "--target", "c"), ("'c'", "a", "b")),
        (("micro", "--data", str(table)), ("micro",)),
    ):
        done = ran.temper("new", *arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        for word in words:
            assert word in done.stderr, (arguments, done.stderr)
    assert (ran.folder / "params.yaml").read_bytes() == before
    assert not list((ran.folder / "data" / "raw").glob("*foo*"))
