"""README.md keeps its word: its commands run, its excerpts are in the code, its example works.

A block of commands that is slow or needs a network says so in a comment above it, `<!-- not run in
tests: why -->`, and is skipped with that reason.
"""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- not run in tests: (.*?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall(TEXT)  # (why it is not run or "", language, content)
COMMANDS = [(why, content.splitlines()) for why, language, content in BLOCKS if language == "sh"]
EXAMPLE = next(
    content for _, kind, content in BLOCKS if kind == "python" and "class Params" in content
)


def test_the_readme_has_what_is_looked_at():
    assert len(COMMANDS) >= 10
    assert sum(not why for why, _ in COMMANDS) >= 2
    assert [len(lines) for _, lines in COMMANDS if lines[0] in ("make run", "make test")] == [1, 1]


@pytest.mark.parametrize(
    ("why", "lines"), COMMANDS, ids=[lines[0].replace(" ", "-") for _, lines in COMMANDS]
)
def test_its_commands_run(why, lines, request):
    if why:
        pytest.skip(f"README: {why}")
    project = request.getfixturevalue("beside")
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "temper", line
        done = project.temper(*arguments)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if arguments == ["run", "wine"]:
            assert (project.folder / "models" / "wine" / "report" / "report.html").exists()
            parts = ("prepare", "train", "compress", "benchmark", "release")
            status = project.dvc("status", "--json", *(f"{part}@wine" for part in parts))
            assert json.loads(status.stdout) == {}, status.stdout + status.stderr


def test_its_sample_has_the_lines_that_a_run_ends_with():
    """The drop with its bound, and where the report is."""
    (sample,) = (c for _, kind, c in BLOCKS if kind == "text" and "tasks ran" in c)
    assert re.search(r"accuracy 1\.000 \(drop 0 %, at most [\d.]+ %\)", sample)
    assert re.search(r"^Report: …/models/digits/report/report\.html$", sample, re.MULTILINE)


def test_it_names_the_room_that_set_up_names():
    setup = (ROOT / "setup.sh").read_text()
    takes = re.search(r'^size="about ([\d.]+) GB"$', setup, re.MULTILINE)
    needs = re.search(r'"\$free_kib" -lt (\d+)', setup)
    assert takes
    assert needs
    assert f"set-up takes {takes[1]} GB" in TEXT
    assert f"about {int(needs[1]) * 1024 / 1e9:.1f} GB of free disk" in TEXT


@pytest.mark.parametrize("kind", ["python", "yaml"])
def test_its_excerpts_are_in_the_code(kind):
    files = [ROOT / "params.yaml"]
    if kind == "python":
        files = [p for top in ("flows", "tasks") for p in (ROOT / top).rglob("*.py")]
    code = "".join("".join(p.read_text().split()) for p in files)
    excerpts = [c for _, language, c in BLOCKS if language == kind and c != EXAMPLE]
    lines = [line.split("   #")[0] for content in excerpts for line in content.splitlines()]
    pieces = ["".join(piece.split()).strip(",)") for line in lines for piece in line.split("…")]
    pieces = [piece for piece in pieces if piece]
    assert len(pieces) > 5
    assert [piece for piece in pieces if piece not in code] == []


def test_its_model_keeps_the_promises_of_its_kind(clone):
    (clone.folder / "tasks/train/models/naive_bayes.py").write_text(EXAMPLE)
    for name in ("conftest.py", "contracts/test_models.py"):
        target = clone.folder / "tests" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, target)
    asked = ("tests/contracts/test_models.py", "-k", "naive_bayes", "-q", "-p", "no:cacheprovider")
    done = clone.run(sys.executable, "-m", "pytest", *asked)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b1\d passed", done.stdout), done.stdout[-500:]


def test_its_links_and_its_picture():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert "docs/chain.svg" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
    paths = re.findall(r"`((?:flows|tasks|deployments|tests|benchmarks)/[\w./]+)`", TEXT)
    new = "tasks/train/models/naive_bayes.py"  # the reader's to write
    assert [p for p in paths if p != new and not (ROOT / p).exists()] == []
    picture = ElementTree.parse(ROOT / "docs/chain.svg").getroot()
    texts = {element.text for element in picture.iter() if element.tag.endswith("text")}
    from flows.workload import STEPS

    assert set(STEPS) < texts
