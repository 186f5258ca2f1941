"""`temper plugins`: every text whole, in a terminal of any usual width and in a pipe."""

import io

import pytest
from rich.console import Console

from flows import checking
from tasks.core import extras
from tasks.core.plugins import KINDS, names, plugin

HOW = 'no package keras: pip install -c constraints.txt -e ".[cpu,keras]"'


@pytest.fixture(autouse=True)
def lacking(monkeypatch):
    monkeypatch.setattr(
        checking, "unavailable", lambda kind, name: HOW if name == "litert" else None
    )


def described(kind: str, name: str) -> str:
    return " ".join((plugin(kind, name).__doc__ or "").split("\n\n")[0].split())


def test_in_a_pipe_each_text_is_one_line(capsys):
    checking.list_plugins()
    shown = capsys.readouterr().out
    assert HOW in shown
    every = [described(kind, name) for kind in KINDS for name in names(kind)]
    assert len(every) > 50
    assert [line for line in every if line not in shown] == []


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("kind", KINDS)
def test_a_terminal_wraps_and_cuts_nothing(kind, width):
    out = io.StringIO()
    Console(file=out, width=width).print(checking._table(kind))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(cell.strip() for line in lines for cell in line.split("│")[3:4])
    texts = [described(kind, name) for name in names(kind)]
    texts += [HOW] if "litert" in names(kind) else []
    assert [text for text in texts if text not in words] == []
    assert len(lines) < 5 + 6 * len(names(kind)), "a column as narrow as a word"


@pytest.mark.parametrize(("on_gpu", "beside"), [(False, "cpu"), (True, "gpu")])
def test_an_extra_is_installed_beside_what_is_here(monkeypatch, on_gpu, beside):
    monkeypatch.setattr(extras, "_on_gpu", lambda: on_gpu)
    constrained = "pip install -c constraints.txt -e"
    assert extras.install("keras") == f'{constrained} ".[{beside},keras]"'
    assert extras.install("tensorrt").startswith(f'{constrained} ".[gpu,tensorrt]" --extra-index')
    assert extras.install("gpu") == "make setup EXTRAS=gpu,dev"
