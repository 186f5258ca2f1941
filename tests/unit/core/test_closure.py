"""The closure follows imports at any depth and sees code, not its looks."""

import pytest

from tasks.core import closure

FILES = {
    "tasks/__init__.py": "",
    "tasks/a.py": "import tasks.b\n",
    "tasks/b.py": "def f():\n    from tasks.deep.c import X\n    return X\n",
    "tasks/deep/__init__.py": "",
    "tasks/deep/c.py": 'from . import d\nDATA_FILES = ("page.html",)\nX = 1\n',
    "tasks/deep/d.py": '"""Says."""\nY = 2  # two\n\n\n'
    'def g():\n    """Return Y."""\n    return Y\n',
    "tasks/deep/page.html": "<p>",
    "tasks/other.py": "Z = 3\n",
}


@pytest.fixture
def code(tmp_path, monkeypatch, temper_home):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(closure, "ROOT", tmp_path)
    closure._memo.cache_clear()
    yield tmp_path
    closure._memo.cache_clear()


def _total() -> str:
    return closure.total(closure.code_of("tasks.a"))


def test_reaches_imports_in_functions_and_packages(code):
    reached = closure.code_of("tasks.a")
    assert sorted(reached) == [
        "tasks",
        "tasks.a",
        "tasks.b",
        "tasks.deep",
        "tasks.deep.c",
        "tasks.deep.d",
        "tasks/deep/page.html",
    ]


def test_the_packages_of_a_module_run_before_it(code):
    assert sorted(closure.code_of("tasks.deep.d")) == ["tasks", "tasks.deep", "tasks.deep.d"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tasks/deep/d.py", "Y = 2", "Y = 3"),
        ("tasks/deep/c.py", "X = 1", "X = 1.0"),
        ("tasks/b.py", "return X", "return -X"),
        ("tasks/deep/page.html", "<p>", "<b>"),
        ("tasks/deep/__init__.py", "", "import os\n"),
    ],
)
def test_a_change_that_matters_changes_it(code, file, old, new):
    before = _total()
    path = code / file
    path.write_text(path.read_text().replace(old, new) if old else new)
    assert _total() != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tasks/deep/d.py", "# two", "# a pair"),
        ("tasks/deep/d.py", "Return Y.", "Return the Y."),
        ("tasks/deep/d.py", '"""Says."""', '"""Says more."""'),
        ("tasks/deep/d.py", "Y = 2", "Y  =  2"),
        ("tasks/other.py", "Z = 3", "Z = 4"),
    ],
)
def test_looks_and_unrelated_code_do_not(code, file, old, new):
    before = _total()
    path = code / file
    path.write_text(path.read_text().replace(old, new))
    assert _total() == before


def test_every_task_knows_the_code_that_it_runs():
    """The real thing: what `tasks.train.task` reaches holds the fit, and no orchestration."""
    reached = closure.code_of("tasks.train.task")
    assert {"tasks.train.fitting", "tasks.core.prepared", "tasks.core.plugins"} <= set(reached)
    assert not closure.ORCHESTRATION & set(reached)
