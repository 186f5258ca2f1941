"""The import contracts of pyproject.toml bite: each is broken on purpose, in a copy of the code."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = [  # where, what is imported there, the contract that must say no
    ("tasks/core/params.py", "from flows import view", "Flows use tasks"),
    ("tasks/clean/chain.py", "from tasks.features import splitting", "Steps do not import"),
    ("tasks/nets/fitting.py", "import tasks.train.params", "The core, the nets"),
    ("tasks/frames/plan.py", "import tasks.clean.chain", "The core, the nets and the frames"),
    ("tasks/core/store.py", "from prefect import flow", "Prefect stays in flows"),
    ("tasks/train/models/mlp.py", "import prefect.states", "Prefect stays in flows"),
]


@pytest.mark.parametrize(("file", "line", "contract"), BROKEN)
def test_a_forbidden_import_breaks_its_contract(
    tmp_path: Path, file: str, line: str, contract: str
) -> None:
    for name in ("flows", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / file, "a") as code:  # inside a function: those count too
        code.write(f"\n\ndef broken():\n    {line}\n")
    said = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stdout + said.stderr
    assert f"{file[:-3].replace('/', '.')} ->" in said.stdout
    verdicts = " ".join(said.stdout.split())  # its lines are wrapped
    assert re.search(rf"{contract}(?:(?!KEPT).)* BROKEN", verdicts), said.stdout
