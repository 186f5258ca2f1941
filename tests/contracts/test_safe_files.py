"""No code of ours reads files that can run code: pickles, and loaders that take them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("flows", "tasks")
MODULES = {
    *(
        "pickle",
        "_pickle",
        "pickle5",
        "cloudpickle",
        "dill",
        "joblib",
        "shelve",
        "marshal",
        "copyreg",
    ),
    *(
        "skops",
        "pandas.io.pickle",
        "numpy.lib.npyio",
        "torch.serialization",
        "torch.jit",
        "torch.hub",
    ),
}
CALLS = {  # the last part of what is called, and of what: None is anything
    "load": {"torch", "pickle", "joblib", "dill", "cloudpickle", "marshal"},
    "load_model": {"mlflow", "mlflow.pyfunc", "mlflow.sklearn", "mlflow.pytorch", "mlflow.onnx"},
    "read_pickle": None,
    "to_pickle": None,
    "unsafe_load": None,
    "full_load": None,
    "deserialize": None,  # Polars' plans and frames may hold Python functions
    "loads": {"pickle", "cloudpickle", "dill", "marshal"},
}
WORDS = {"pickle", "compressed/pickle", "cloudpickle", "joblib"}  # serializers, by name
ALLOWED = {
    "tasks/core/child.py: pickle": "to and from a child of this process, through a pipe",
    "tasks/core/child.py: pickle.loads": "likewise",
    "tasks/train/foreign/estimators.py: skops.io": "no pickle; scikit-learn's types by a list",
    "tasks/train/foreign/estimators.py: skops.io.get_untrusted_types": "asked before anything",
    "tasks/train/foreign/estimators.py: skops.io.loads": "only what that list has",
    "tasks/register/graphs.py: mlflow.pyfunc.load_model": "the ONNX graph that was logged just now",
}


def risks(tree: ast.Module) -> set[str]:
    """Return what of a module could read a pickle: imports, calls, arguments."""
    found: set[str] = set()
    alias: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            alias |= {a.asname: a.name for a in node.names if a.asname}
            imported = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [str(node.module), *(f"{node.module}.{a.name}" for a in node.names)]
            alias |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            imported = [node.value] if node.value in WORDS else []  # import_module, serializers
        else:
            continue
        found |= {name for name in imported if {name, name.partition(".")[0]} & MODULES}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found |= _call(node, alias)
    return found


def _call(node: ast.Call, alias: dict[str, str]) -> set[str]:
    whole = ast.unparse(node.func)
    first, dot, rest = whole.partition(".")
    whole = alias.get(first, first) + dot + rest
    of, _, last = whole.rpartition(".")
    found = (
        {whole} if last in CALLS and of and (CALLS[last] is None or of in CALLS[last]) else set()
    )
    for keyword in node.keywords:
        unsafe = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        if keyword.arg == "allow_pickle" and unsafe:
            found.add(f"{whole}(allow_pickle)")
        if keyword.arg == "weights_only":
            found.add(f"{whole}(weights_only)")
    if last == "load" and of in ("numpy", "np") and len(node.args) > 2:
        found.add(f"{whole}(allow_pickle)")
    return found


def found_in(folder: Path) -> set[str]:
    """Return the risks of all first-party code in a folder, each as `file: what`."""
    paths = [path for top in TOPS for path in sorted((folder / top).rglob("*.py"))]
    assert paths
    return {
        f"{path.relative_to(folder)}: {risk}"
        for path in paths
        for risk in risks(ast.parse(path.read_bytes()))
    }


def test_nothing_can_read_a_pickle_but_what_is_allowed_with_a_reason():
    assert found_in(ROOT) == set(ALLOWED)
    assert all(ALLOWED.values())


PLANTED = [
    "import pickle",
    "import joblib as storage",
    "from cloudpickle import loads",
    "def load(path):\n    import dill\n    return dill.load(path)",
    "import importlib\nimportlib.import_module('pickle')",
    "import torch\ntorch.load('weights.pt')",
    "import torch as t\nt.load('weights.pt', weights_only=True)",
    "from torch import load\nx = load('weights.pt')",
    "from torch import load as read\nx = read('weights.pt')",
    "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
    "import numpy as np\nnp.load('a.npy', allow_pickle=flag)",
    "import numpy as np\nnp.load('a.npy', None, True)",
    "import pandas as pd\npd.read_pickle('a.pkl')",
    "import mlflow\nmlflow.pyfunc.load_model('models:/a/1')",
    "import mlflow.sklearn\nmlflow.sklearn.load_model('models:/a/1')",
    "import yaml\nyaml.unsafe_load('a')",
    "import polars as pl\npl.LazyFrame.deserialize('a')",
    "from prefect import task\n@task(result_serializer='pickle')\ndef f(): ...",
    "from skops.io import load",
    "from torch.jit import load",
]


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_one_is_found(tmp_path: Path, code: str):
    for top in TOPS:
        (tmp_path / top / "deep").mkdir(parents=True)
        (tmp_path / top / "fine.py").write_text(
            "import json, numpy as np, onnx\n"
            "json.loads('1')\nonnx.load('a')\nnp.load('a.npy')\nnp.load('b', allow_pickle=False)\n"
        )
    assert found_in(tmp_path) == set()
    (tmp_path / "tasks" / "deep" / "planted.py").write_text(code)
    assert {where.partition(":")[0] for where in found_in(tmp_path)} == {"tasks/deep/planted.py"}
