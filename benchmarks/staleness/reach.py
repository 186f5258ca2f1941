"""What a change reaches: written by hand for `micro`, and for code taken from another library's
import graph (grimp's), never from Temper's own.
"""

from functools import cache

import grimp

from benchmarks.micro import MEASURED

MODELS = ("baseline", "linear")
FITS = tuple(f"fit {m}" for m in MODELS)
RESAMPLES = tuple(f"resample {m}" for m in MODELS)
EXPORTS = tuple(f"export {m}" for m in MODELS)
SWEEP = tuple(f"compress {m} fp16" for m in MODELS)
LABELS = (
    *("fetch", "ingest", "validate", "clean", "features"),
    *(*FITS, *RESAMPLES, "compare", *EXPORTS, *SWEEP),
    *("benchmark", "recommend", "register", "report"),
)

# What the tasks take: names of artifacts, or what they begin with.
TAKES: dict[str, tuple[str, ...]] = {
    "ingest": ("raw",),
    "validate": ("ingest/table",),
    "clean": ("validate/rows",),
    "features": ("clean/table",),
    **{f"fit {m}": ("features/prepared",) for m in MODELS},
    **{f"resample {m}": ("features/prepared",) for m in MODELS},
    "compare": ("train/", "compare/baseline/", "compare/linear/", "features/prepared"),
    **{f"export {m}": (f"train/{m}", "features/prepared") for m in MODELS},
    **{
        f"compress {m} fp16": (f"compress/{m}/fp32", f"train/{m}", "features/prepared")
        for m in MODELS
    },
    "benchmark": ("compress/", "train/", "features/prepared"),
    "recommend": ("benchmark/measurements", "compare/leaderboard", "compress/"),
    "register": (
        *("recommend/choice", "compare/leaderboard", "train/", "telemetry/", "compress/"),
        *("features/prepared", "ingest/table"),
    ),
    "report": (
        *("ingest/", "validate/", "clean/", "features/", "train/", "telemetry/", "compare/"),
        *("compress/", "benchmark/", "recommend/", "register/"),
    ),
}
MAKES = {  # artifacts whose damage makes this task run again
    "raw": "fetch",
    "ingest/table": "ingest",
    "validate/rows": "validate",
    "validate/report": "validate",
    "clean/table": "clean",
    "features/prepared": "features",
    **{f"{kind}/{m}": f"fit {m}" for m in MODELS for kind in ("train", "telemetry")},
    **{f"compare/{m}/resamples": f"resample {m}" for m in MODELS},
    "compare/leaderboard": "compare",
    **{f"compress/{m}/fp32": f"export {m}" for m in MODELS},
    **{f"compress/{m}/fp16": f"compress {m} fp16" for m in MODELS},
    "benchmark/measurements": "benchmark",
    "recommend/choice": "recommend",
    "register/version": "register",
    "report": "report",
}

TABLES = ("fetch", "ingest", "validate", "clean", "features", *FITS, *RESAMPLES, "compare")
LIBRARIES = {  # a library whose version matters, and to which tasks
    "polars": (*TABLES, "report"),
    "pandera": ("validate",),
    "numpy": (
        *("fetch", "ingest", "features", *FITS, *RESAMPLES, "compare", *EXPORTS, *SWEEP),
        *("benchmark", "register"),
    ),
    "scikit-learn": ("fit linear", "resample linear", "export linear", SWEEP[1], "benchmark"),
    "safetensors": (*FITS, *RESAMPLES, *EXPORTS, *SWEEP, "benchmark"),
    "scipy": ("compare",),
    "onnx": ("features", *EXPORTS, *SWEEP, "register"),
    "onnxruntime": (*EXPORTS, *SWEEP, "benchmark", "register"),
    "openvino": ("benchmark",),
    "mlflow": ("register",),
    "plotly": ("report",),
    "jinja2": ("report",),
}

EXEMPT = {  # these only orchestrate: a change of them changes no result
    f"tasks.core.{name}"
    for name in (
        *("cache", "child", "closure", "home", "locks", "progress", "server", "serving", "slots"),
        *("temporary", "trace"),
    )
}
METRICS = tuple(f"tasks.compare.metrics.{m}" for m in ("mae", "r2", "rmse"))
PREPARING = (
    *(f"tasks.features.recipes.{r}" for r in ("boolean", "categorical", "date_time", "image")),
    "tasks.features.recipes.numeric",
    *(f"tasks.features.splits.{s}" for s in ("at_random", "by_group", "by_time", "given")),
    *("tasks.features.splits.spatial_blocks", "tasks.features.splits.stratified"),
)
STEPS = ("types", "text", "duplicates", "range", "outliers", "downcast")


def _model(name: str) -> str:
    return f"tasks.train.models.{name}"


ROOTS: dict[str, tuple[str, ...]] = {  # the code a task begins with: its own, and its plugins'
    "fetch": ("tasks.ingest.task", "tasks.ingest.datasets.generated"),
    "ingest": ("tasks.ingest.task", "tasks.ingest.datasets.generated"),
    "validate": ("tasks.validate.task",),
    "clean": ("tasks.clean.task", *(f"tasks.clean.steps.{s}" for s in STEPS)),
    "features": ("tasks.features.task", *PREPARING),
    **{f"fit {m}": ("tasks.train.task", _model(m)) for m in MODELS},
    **{f"resample {m}": ("tasks.compare.task", _model(m), *PREPARING, *METRICS) for m in MODELS},
    "compare": ("tasks.compare.task", *METRICS),
    **{f"export {m}": ("tasks.compress.task", _model(m), *METRICS) for m in MODELS},
    **{
        f"compress {m} fp16": (
            *("tasks.compress.task", _model(m), *METRICS),
            "tasks.compress.techniques.fp16",
        )
        for m in MODELS
    },
    "benchmark": (
        *("tasks.benchmark.task", *map(_model, MODELS), *METRICS),
        "tasks.benchmark.engines.onnx_runtime",
    ),
    "recommend": ("tasks.recommend.task",),
    "register": ("tasks.register.task",),
    "report": ("tasks.report.task",),
}


def of_module(module: str) -> frozenset[str]:
    """Return the tasks whose code a module is part of."""
    return frozenset(label for label in LABELS if module in reached(label))


@cache
def reached(label: str) -> frozenset[str]:
    """Return the first-party modules that a task's code reaches, packages on the way included."""
    graph = _graph()
    found = set(ROOTS[label])
    for root in ROOTS[label]:
        found |= graph.find_upstream_modules(root)
    waiting = [package for module in found for package in _packages(module)]
    while waiting:  # a package's own imports are run too
        package = waiting.pop()
        if package not in found:
            new = {package, *graph.find_upstream_modules(package)} - found
            found |= new
            waiting += [p for module in new for p in _packages(module)]
    return frozenset(found)


def consumers(changed: set[str], labels: tuple[str, ...] = LABELS) -> frozenset[str]:
    """Return the tasks that take an artifact of these names."""
    return frozenset(
        label
        for label in labels
        for prefix in TAKES.get(label, ())
        if any(
            name == prefix or (prefix[-1] == "/" and name.startswith(prefix)) for name in changed
        )
    )


@cache
def after(labels: frozenset[str], other_bytes: bool) -> frozenset[str]:
    """Return the tasks that may run because these did: all that follow them, or those that follow
    what holds times, where all else has the bytes that it had.
    """
    made = {
        name
        for name, label in MAKES.items()
        if label in labels and (other_bytes or name.split("/")[0] in MEASURED)
    }
    found: frozenset[str] = frozenset()
    while new := consumers(made) - found:
        found |= new
        made = {name for name, label in MAKES.items() if label in found}
    return found


@cache
def _graph() -> grimp.ImportGraph:
    graph = grimp.build_graph("tasks", "flows", cache_dir=None)
    for module in EXEMPT:
        graph.remove_module(module)
    return graph


def _packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]
