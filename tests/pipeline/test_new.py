"""`temper new`: a table becomes a workload, or it says why not; test_readme.py runs one."""

from pathlib import Path

import yaml

from tests.pipeline.conftest import Project


def test_an_example_becomes_a_workload_once(beside: Project, here):
    temper = here(beside)
    made = temper("new", "wine", "--example")
    assert made.returncode == 0, made.stderr
    assert "wine" in yaml.safe_load((beside.folder / "params.yaml").read_text())["workloads"]
    again = temper("new", "wine", "--example")
    assert again.returncode == 2
    assert "wine" in again.stderr


def test_what_cannot_be_made_is_refused_and_changes_nothing(ran: Project, here, tmp_path: Path):
    temper = here(ran)
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
        done = temper("new", *arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        for word in words:
            assert word in done.stderr, (arguments, done.stderr)
    assert (ran.folder / "params.yaml").read_bytes() == before
    assert not list((ran.folder / "data" / "raw").glob("*foo*"))
