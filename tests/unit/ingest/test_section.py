"""Sections go into params.yaml, and every other byte stays."""

from pathlib import Path

import pytest
import yaml

from flows.workload import Workload
from tasks.compress.recipes import ALL
from tasks.core.errors import ParamsError
from tasks.core.schema import Column, Table
from tasks.ingest.infer import check_name, section, write_section
from tasks.ingest.proposal import Proposal

FILE = """# what Temper runs
seed: 0
active: [digits]      # the active ones

workloads:

  # images
  digits:
    table: {task: classification, target: digit}   # no more
"""


def proposal(**columns: Column) -> Proposal:
    return Proposal(
        name="churn",
        file="churn\n.csv",
        rows=10,
        table=Table(task="regression", target="y", columns={"y": Column(role="target"), **columns}),
        split="at_random",
        models=("baseline", "linear"),
        why={"task": "numbers", "target": "given", "split": "nothing else", "models": "few"},
        why_columns={name: f"because #{name}\u2028" for name in columns},
        notes=[],
        doubts={},
    )


def write(folder: Path, content: str) -> Path:
    path = folder / "params.yaml"
    path.write_bytes(content.encode())
    return path


def test_a_keras_file_gets_its_own_model_and_recipes():
    given = {"path": "m.KERAS", "sha256": "ab"}
    own = Workload(**yaml.safe_load(section(proposal()._replace(given=given)))["churn"])
    assert own.train.models == {"given_keras": given}
    assert "litert_int8" in own.compress.recipes
    assert "litert" in own.benchmark.engines
    given = {"path": "m.onnx", "sha256": "ab"}
    other = Workload(**yaml.safe_load(section(proposal()._replace(given=given)))["churn"])
    assert other.train.models == {"given": given}
    assert other.compress.recipes == ALL
    assert not other.compress.searched, "nothing is fitted: no recipe is left out to save time"


def test_a_section_is_added_and_the_rest_stays(tmp_path: Path):
    path = write(tmp_path, FILE)
    text = section(proposal(a=Column(type="float", min=0, nullable=False)))
    write_section(path, "churn", text)
    after = path.read_text()
    assert after == FILE.replace("[digits]", "[digits, churn]") + "\n" + text
    content = yaml.safe_load(after)
    assert content["active"] == ["digits", "churn"]
    own = content["workloads"]["churn"]
    assert own["table"]["columns"]["a"] == {"type": "float", "min": 0, "nullable": False}
    assert own["ingest"] == {"dataset": "table", "path": None}
    assert own["features"] == {"split": {"name": "at_random"}}
    assert own["train"] == {"models": {"baseline": {}, "linear": {}}}
    Table(**own["table"])


@pytest.mark.parametrize(
    ("before", "active"),
    [
        (FILE.replace("[digits]", "[]"), ["churn"]),
        (FILE.replace("[digits]", "[digits, ]"), ["digits", "churn"]),
        (FILE.replace("[digits]", "[ digits ]"), ["digits", "churn"]),
        (FILE.replace("[digits]", "\n  - digits\n  # more"), ["digits", "churn"]),
        (FILE.replace("[digits]", "\n- digits"), ["digits", "churn"]),
        (FILE.replace("\n", "\r\n"), ["digits", "churn"]),
        (FILE.rstrip("\n"), ["digits", "churn"]),
        (FILE + "\nlast: 1\n", ["digits", "churn"]),
        (
            FILE.split("  # images")[0].replace("workloads:", "workloads: {}  # none"),
            ["digits", "churn"],
        ),
    ],
)
def test_layouts(tmp_path: Path, before: str, active: list[str]):
    path = write(tmp_path, before)
    write_section(path, "churn", section(proposal()))
    after = path.read_bytes().decode()
    content = yaml.safe_load(after)
    assert content["active"] == active
    assert "churn" in content["workloads"]
    kept = [
        line for line in before.splitlines() if "active" not in line and "workloads" not in line
    ]
    assert [line for line in after.splitlines() if line in kept or "more" in line][: len(kept)]
    assert ("\r\n" in before) == ("\r\n" in after)
    if "\r\n" in before:
        assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize(
    "name", ["digits", "Churn", "9lives", "a b", "", "null", "yes", "a/b", "x" * 41]
)
def test_names_that_cannot_be(tmp_path: Path, name: str):
    path = write(tmp_path, FILE)
    with pytest.raises(ParamsError, match=r"workload"):
        check_name(path, name)
    with pytest.raises(ParamsError):
        write_section(path, name, section(proposal()))
    assert path.read_text() == FILE


@pytest.mark.parametrize(
    "before",
    ["seed: 1\n", "active: *x\nworkloads: {a: {}}\n", "workloads: {a: {}}\nactive: []\n", "a: [\n"],
)
def test_other_layouts_are_left_alone(tmp_path: Path, before: str):
    path = write(tmp_path, before)
    with pytest.raises(ParamsError):
        write_section(path, "churn", section(proposal()))
    assert path.read_text() == before


def test_names_that_yaml_would_misread(tmp_path: Path):
    odd = [
        "no",
        "y",
        "1",
        "a: b",
        "# x",
        "tab\t",
        "ü",
        '"',
        "null",
        "a.b",
        "-",
        "{",
        "\u2028",
        "PM 2.5",
    ]
    columns = {name: Column(type="category", values=[name, "on", "1", 1.5]) for name in odd}
    path = write(tmp_path, FILE)
    write_section(path, "churn", section(proposal(**columns)))
    own = yaml.safe_load(path.read_text(encoding="utf-8"))["workloads"]["churn"]
    assert Table(**own["table"]).columns == {"y": Column(role="target"), **columns}
