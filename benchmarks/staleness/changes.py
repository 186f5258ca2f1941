"""The catalogue of changes: what is done to the project, and which tasks it reaches at once."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.micro import Project
from benchmarks.staleness import edits, reach
from benchmarks.staleness.reach import EXPORTS, FITS, RESAMPLES, SWEEP

ROOT = Path(__file__).parents[2]
REGISTERED = ("register",)  # a digest of the params becomes a tag of the version


@dataclass(frozen=True)
class Change:
    """One change. `direct`: the tasks whose key it changes, or whose output it destroys; the tasks
    that take what those make run too, where its bytes differ. `follows`: it needs the change before
    it. `dvc`: DVC can see it.
    """

    kind: str
    name: str
    apply: Callable[[Project], None]
    direct: frozenset[str] = frozenset()
    follows: bool = False
    dvc: bool = True


def that_matter() -> list[Change]:
    """Return every change after which something has to run."""
    return [
        *_code(),
        *_new_code(),
        *_defaults(),
        *_outputs(),
        *_records(),
        *_libraries(),
        *_params(),
        *_data(),
    ]


def neutral() -> list[Change]:
    """Return every change after which nothing may run."""
    return [*_looks(), *_unrelated(), *_touched(), *_other_runs()]


def modules() -> list[str]:
    """Return the first-party modules that `micro` reaches, the plugins first."""
    every = sorted(set().union(*(reach.reached(label) for label in reach.LABELS)))
    files = [m for m in every if _file(m).name != "__init__.py"]
    return sorted(files, key=lambda m: (m.count(".") < 3, m))


def _file(module: str) -> Path:
    base = Path(*module.split("."))
    return base / "__init__.py" if (ROOT / base).is_dir() else base.with_suffix(".py")


def _code() -> Iterator[Change]:
    """A constant in every module that is reached, whatever its depth; in every package too."""
    packages = sorted(
        {m for label in reach.LABELS for m in reach.reached(label) if (ROOT / _file(m)).exists()}
        - set(modules())
    )
    for number, module in enumerate([*modules(), *packages]):
        depth = "plugin" if "models." in module or "steps." in module else "module"
        yield Change(
            "package" if module in packages else f"{depth} code",
            str(_file(module)),
            edits.append(str(_file(module)), f"\n\nCHANGED_{number} = {number}\n"),
            reach.of_module(module),
        )
    for name in ("report.html.j2", "report.css", "report.js"):
        comment = {"j2": "{# changed #}", "css": "/* changed */", "js": "// changed"}
        yield Change(
            "template",
            name,
            edits.append(f"tasks/report/templates/{name}", comment[name.rsplit(".")[-1]] + "\n"),
            frozenset({"report"}),
        )


def _new_code() -> Iterator[Change]:
    """A helper that a function imports, and what that imports in turn; a data file."""
    linear = reach.of_module("tasks.train.models.linear")
    steps: list[tuple[str, str, str | Callable[[Project], None]]] = [
        ("import inside a function", "tasks/train/models/linear.py", _import_helper),
        ("helper of an import inside a function", "tasks/train/_one.py", "\nX = 2\n"),
        ("helper two imports deeper", "tasks/train/_two.py", "\nX = 3\n"),
        ("helper three imports deeper", "tasks/train/_three.py", "\nX = 4\n"),
        ("a plugin's own helper", "tasks/train/models/_own.py", "\nX = 5\n"),
        ("declare a device data file", "tasks/train/models/linear.py", _declare_data),
        ("device data file", "tasks/train/models/devices.json", "[2]\n"),
    ]
    for kind, file, what in steps:
        apply = edits.append(file, what) if isinstance(what, str) else what
        yield Change(kind, file, apply, linear, follows=kind != "import inside a function")


def _import_helper(project: Project) -> None:
    project.replace("tasks/train/_three.py", "X = 1\n")
    project.replace("tasks/train/_two.py", "from tasks.train import _three\n\nX = _three.X\n")
    project.replace("tasks/train/_one.py", "def f():\n    from tasks.train import _two\n")
    project.replace("tasks/train/models/_own.py", "X = 1\n")
    imports = ("tasks.train import _one", "tasks.train.models import _own")
    text = "".join(f"    from {line}\n" for line in imports)
    edits.append("tasks/train/models/linear.py", f"\n\ndef helper():\n{text}")(project)


def _declare_data(project: Project) -> None:
    project.replace("tasks/train/models/devices.json", "[1]\n")
    edits.append("tasks/train/models/linear.py", '\n\nDATA_FILES = ("devices.json",)\n')(project)


def _params() -> Iterator[Change]:
    """Values of params.yaml."""
    ingesting, splitting = ("fetch", "ingest"), ("features", *RESAMPLES)
    table: list[tuple[str, list, tuple[str, ...]]] = [
        (
            "seed",
            [1, 2, 7],
            ("features", *FITS, *RESAMPLES, "compare", *SWEEP, "benchmark", *REGISTERED),
        ),
        ("ingest.options.rows", [390, 380], (*ingesting, *REGISTERED)),
        ("ingest.options.noise", [0.31, 0.29], (*ingesting, *REGISTERED)),
        ("ingest.options.missing_share", [0.03], (*ingesting, *REGISTERED)),
        ("ingest.options.seed", [3], (*ingesting, *REGISTERED)),
        ("ingest.options.features", [6], (*ingesting, *REGISTERED)),
        (
            "table.columns",
            [
                {"x1": {"type": "float", "min": -50}, "colour": {"type": "category"}}
                | {f"x{n}": {"type": "float"} for n in range(2, 6)}
            ],
            ("ingest", "validate", "features", *REGISTERED),
        ),
        ("validate.max_bad_share", [0.06, 0.07], ("validate", *REGISTERED)),
        ("validate.limits.min_rows", [3], ("validate", *REGISTERED)),
        ("validate.limits.max_missing_share", [0.8], ("validate", *REGISTERED)),
        (
            "clean.steps",
            [["types", "text"], ["types", "text", "duplicates"]],
            ("clean", *REGISTERED),
        ),
        ("features.stop_share", [0.12, 0.15], ("features", *REGISTERED)),
        ("features.split.params.test_share", [0.25, 0.22], (*splitting, *REGISTERED)),
        ("features.recipes.numeric.scale", ["standard"], (*splitting, *REGISTERED)),
        ("features.recipes.numeric.limit", [4.0, 2.5], (*splitting, *REGISTERED)),
        ("features.time_features", [False], ("features", *REGISTERED)),
        (
            "train.models.linear.alpha",
            [0.5, 2.0, 1.5],
            ("fit linear", "resample linear", "export linear", SWEEP[1], "benchmark", *REGISTERED),
        ),
        ("train.threads", [2], (*FITS, *REGISTERED)),
        ("train.time_limit_s", [1700.0], (*FITS, *REGISTERED)),
        ("compare.resamples", [11, 9], (*RESAMPLES, "compare", *REGISTERED)),
        ("compare.confidence", [0.9, 0.99], ("compare", *REGISTERED)),
        ("compare.bootstrap", [1000, 1500], ("compare", *REGISTERED)),
        ("compare.primary", ["mae"], ("compare", *REGISTERED)),
        ("compress.tolerance", [0.0002, 0.0003], (*EXPORTS, *SWEEP, *REGISTERED)),
        ("compress.calibration_rows", [100, 200], (*SWEEP, *REGISTERED)),
        ("compress.time_limit_s", [250, 260], (*EXPORTS, *SWEEP, *REGISTERED)),
        ("benchmark.batch_sizes", [[1, 2], [1, 3]], ("benchmark", *REGISTERED)),
        ("benchmark.samples", [900, 800], ("benchmark", *REGISTERED)),
        ("benchmark.rounds", [10], ("benchmark", *REGISTERED)),
        ("benchmark.confidence", [0.9], ("benchmark", *REGISTERED)),
        ("benchmark.warm_up", [30], ("benchmark", *REGISTERED)),
        ("recommend.goal", ["accuracy", "size", "latency"], ("recommend", *REGISTERED)),
        ("recommend.max_size_kib", [500.0, 400.0], ("recommend", *REGISTERED)),
        ("recommend.max_drop", [0.05], ("recommend", *REGISTERED)),
        ("register.check_rows", [50, 60], ("register",)),
        ("register.example_rows", [4], ("register",)),
        ("report.title", ["One", "Two"], ("report",)),
        ("report.note", ["A note.", "Another."], ("report",)),
        ("report.importances", [5, 6], ("report",)),
    ]
    for path, values, direct in table:
        for value in values:
            yield Change(
                "params", f"{path}: {value}", edits.set_param(path, value), frozenset(direct)
            )


def _defaults() -> Iterator[Change]:
    """Defaults in `Params` classes: code that tasks reach, and a value among a version's tags."""
    for file, old, new, tagged in [
        ("tasks/compare/params.py", "default=0.95", "default=0.94", True),
        ("tasks/features/params.py", "default=0.1, gt=0", "default=0.11, gt=0", True),
        ("tasks/compress/params.py", "default=300", "default=310", True),
        ("tasks/report/params.py", "default=15", "default=14", False),
        ("tasks/train/models/linear.py", "default=1.0, ge=0", "default=1.1, ge=0", False),
    ]:
        direct = reach.of_module(file.removesuffix(".py").replace("/", "."))
        tags = frozenset(REGISTERED if tagged else ())
        yield Change("default", f"{file}: {new}", edits.substitute(file, old, new), direct | tags)


def _outputs() -> Iterator[Change]:
    """Contents of the store: gone, cut short, one bit other (same size and time), a file more."""
    damages: dict[str, Callable[[Path], None]] = {
        "deleted": edits.delete,
        "truncated": edits.truncate,
        "bit flipped": edits.flip,
        "file added": edits.add_file,
    }
    for how, damage in damages.items():
        for artifact, label in reach.MAKES.items():
            yield Change(
                f"output {how}",
                artifact,
                edits.damaged(artifact, damage),
                frozenset({label}),
                dvc=False,
            )


def _records() -> Iterator[Change]:
    """Task records: gone, cut short, not JSON."""
    for label in ("ingest", "features", "fit linear", "compare", "export linear", "report"):
        for how, content in (("deleted", None), ("truncated", 0.5), ("garbage", b"\x00\xff")):
            yield Change(
                f"record {how}", label, edits.spoiled(label, content), frozenset({label}), dvc=False
            )


def _libraries() -> Iterator[Change]:
    """Other versions of declared libraries, as their metadata state them."""
    for library, labels in reach.LIBRARIES.items():
        yield Change("library version", library, edits.reversion(library), frozenset(labels))


def _data() -> Iterator[Change]:
    """The raw data of a file: another origin, a byte, the order of columns and of rows."""
    both = frozenset({"fetch", "ingest", "register"})
    yield Change("data", "a file instead of the generator", edits.use_file, both, dvc=False)
    ways: list[tuple[str, Callable[[list[str]], list[str]]]] = [
        ("a byte", lambda rows: [*rows[:5], rows[5].replace("1", "2", 1), *rows[6:]]),
        ("a row less", lambda rows: rows[:-1]),
        ("the order of rows", lambda rows: [rows[0], *rows[2:], rows[1]]),
        ("the order of columns", lambda rows: [",".join(reversed(r.split(","))) for r in rows]),
        ("a column's name", lambda rows: [rows[0].replace("x2", "z2"), *rows[1:]]),
        ("a missing value", lambda rows: [*rows[:9], edits.blank(rows[9]), *rows[10:]]),
    ]
    for name, edit in ways:
        direct = frozenset({"fetch"})
        yield Change("data", name, edits.rewrite(edit), direct, follows=True, dvc=False)


def _looks() -> Iterator[Change]:
    """Comments, docstrings, blank lines and another layout of modules that are reached."""
    chosen = random.Random(5).sample([m for m in modules() if (ROOT / _file(m)).stat().st_size], 32)
    for number, module in enumerate(chosen):
        file = str(_file(module))
        kind, apply = [
            ("comment", edits.append(file, f"\n# remark {number}\n")),
            ("docstring", edits.substitute(file, '"""', f'"""Remark {number}. ', 1)),
            ("blank lines", edits.append(file, "\n\n\n")),
            ("layout", edits.laid_out(file)),
        ][number % 4]
        yield Change(kind, file, apply)


def _unrelated() -> Iterator[Change]:
    """Other workloads, plugins that `micro` does not use, code that only orchestrates, papers."""
    yield Change(
        "another workload's params", "digits", edits.set_param("train.threads", 2, "digits")
    )
    yield Change(
        "another workload's params", "housing", edits.set_param("compare.resamples", 12, "housing")
    )
    for file in (
        *("tasks/train/models/xg_boost.py", "tasks/train/models/mlp.py"),
        *("tasks/compare/metrics/accuracy.py", "tasks/benchmark/engines/open_vino.py"),
        "tasks/compress/techniques/truncate.py",
    ):
        yield Change("unrelated plugin", file, edits.append(file, "\n\nCHANGED = 1\n"))
    new = "tasks/train/models/brand_new.py"
    yield Change("new plugin", new, lambda p: p.replace(new, "TASKS = ('regression',)\n"))
    for name in ("cache", "child", "locks", "slots", "serving", "progress"):
        file = f"tasks/core/{name}.py"
        yield Change("orchestration", file, edits.append(file, "\n\nCHANGED = 1\n"))
    for file in ("README.md", "DECISIONS.md"):
        yield Change("papers", file, edits.append(file, "\nMore.\n"))


def _touched() -> Iterator[Change]:
    """New times of the same bytes."""
    for top in ("tasks", "flows", "params.yaml", "tasks/report/templates"):
        yield Change("touch", top, edits.touch(top))


def _other_runs() -> Iterator[Change]:
    """Runs with other params in between, and params that go there and back."""
    for setting in ("seed=91", "compare.resamples=13", "recommend.goal=size"):
        yield Change(
            "a run with other params between",
            setting,
            edits.run_between(setting),
        )
    for path, value in (("seed", 92), ("report.title", "Three")):
        yield Change(
            "params there and back",
            f"{path}: {value}",
            edits.there_and_back(path, value),
        )
