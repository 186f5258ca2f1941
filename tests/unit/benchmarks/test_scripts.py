"""Every script of benchmarks/ says what it takes, and the docs name commands that it takes."""

import argparse
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks"
INNER = {"nothing", "frames.worker", "appliances.rivals"}  # other scripts start them
COMMAND = re.compile(r"python -m benchmarks\.(\w+)([^`#\n]*)")


def scripts() -> list[str]:
    """Return the modules that are run by name."""
    paths = (p for p in sorted(FOLDER.rglob("*.py")) if '__name__ == "__main__"' in p.read_text())
    names = (".".join(p.relative_to(FOLDER).with_suffix("").parts) for p in paths)
    return [name for name in names if name not in INNER]


def documented() -> list[tuple[str, str]]:
    """Return script and arguments of each command in the docs."""
    texts = [p.read_text() for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
    return sorted({(m[1], m[2].strip()) for text in texts for m in COMMAND.finditer(text)})


def main(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    package = (FOLDER / name).is_dir()
    module = importlib.import_module(f"benchmarks.{name}" + ".__main__" * package)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    module.main()


def test_there_are_scripts_and_commands():
    assert {"edge", "cifar", "slots.__main__"} <= set(scripts())
    assert ("cifar", "DATA --work FOLDER") in documented()


@pytest.mark.parametrize("name", scripts())
def test_help_runs_nothing(name: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit) as ended:
        main(name, ["--help"], monkeypatch)
    assert ended.value.code == 0


@pytest.mark.parametrize(("name", "arguments"), documented())
def test_the_docs_commands_are_taken(name: str, arguments: str, monkeypatch: pytest.MonkeyPatch):
    class TakenError(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def parsed(self: argparse.ArgumentParser) -> None:
        parse(self)
        raise TakenError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    with pytest.raises(TakenError):
        main(name, shlex.split(arguments), monkeypatch)
