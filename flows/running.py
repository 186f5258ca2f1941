"""`temper run` and `temper repro`: a run with live progress, its summary and its exit code."""

import copy
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from flows import calibrations, interrupts, mending, versioning
from tasks.core import child, params
from tasks.core.artifacts import Made, under
from tasks.core.errors import ParamsError
from tasks.core.home import project, subfolder
from tasks.core.plugins import unknown
from tasks.core.temporary import write

if TYPE_CHECKING:
    from flows.workload import Workload

CONSTRAINT_FAILED = 3
IMPORTS = {  # distribution: the modules of it that take long
    "scikit-learn": ("sklearn.linear_model",),
}


def run_workload(name: str, settings: list[str], until: str, save: bool, measure: bool) -> int:
    """Run a workload and print its summary; return the exit code.

    Raises:
        TemperError: what stopped the run, as the user can understand it.
    """
    from flows import session
    from flows.workload import STEPS, Step, build, load
    from tasks.register.store import get_ready, require_answer, tracking_uri

    if until not in get_args(Step):
        raise ParamsError(unknown(f"step {until!r}", until, get_args(Step)))
    content = params.read(project())
    workload = build(name, params.override(params.section(content, name), settings))
    if problems := workload.problems():  # told before anything starts
        raise ParamsError("\n".join(f"workloads.{name}.{line}" for line in problems))
    calibrations.of(name)  # and a device's file that is not sound
    if save and settings:
        save_settings(name, settings)
    registers = STEPS.index(until) >= STEPS.index("register")
    if registers:
        require_answer(tracking_uri())  # rather now than after the training
    tracked = workload == load(name)
    began = {
        "code": versioning.State(name).digest,
        "params": params.digest(workload.model_dump(mode="json")),
    }
    before = finished_before(name)
    if before.get("params") != began["params"]:  # much will run
        child.warm(preload(workload))  # beside the start of Prefect, in a process of its own
        if registers:
            child.ahead("register", get_ready)  # beside the first tasks
    elif before != began:  # perhaps little
        child.plan(preload(workload))
    with interrupts.told(command(name, settings, until)), session.started() as run_flow:
        from flows.live import shown
        from flows.pipeline import pipeline

        with shown(name, workload, until) as live:  # type: ignore[arg-type]
            made = run_flow(
                pipeline, name=name, params=workload, until=until, measure_again=measure
            )
    if until == STEPS[-1]:
        write(_finished_file(name), json.dumps(began))
    return summarise(name, made, tracked, live.count, until)


def command(name: str, settings: list[str], until: str) -> str:
    """Return the command that goes on with a run."""
    wanted = [word for setting in settings for word in ("--set", setting)]
    wanted += [] if until == "report" else ["--until", until]
    return shlex.join(["temper", "run", name, *wanted])


def summarise(name: str, made: Made, tracked: bool, count: dict[str, int], until: str) -> int:
    """Print what a run came to; return 3 where no variant met the constraints, else 0."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"[bold]{name}[/bold]: {count['ran']} tasks ran, {count['cached']} cached")
    if "report" in made:
        from tasks.report.summary import summary

        facts = json.loads(made["report"].file("report.json").read_text())
        for part in summary(facts):
            console.print(part)
        place = project() / "models" / name / "report" if tracked else made["report"].path
        console.print(f"Report: {place / 'report.html'}", soft_wrap=True)
    else:
        if "compare/leaderboard" in made:
            from tasks.report.summary import leaderboard

            path = made["compare/leaderboard"].file("leaderboard.json")
            for part in leaderboard(name, json.loads(path.read_text())):
                console.print(part)
        last = under(made, until)[-1]
        console.print(f"Last artifact: {last.name} in {last.path}", soft_wrap=True)
    if not tracked:
        console.print("Other params than those of params.yaml: data/, models/ and dvc.lock stay.")
    if "recommend/choice" in made:
        choice = json.loads(made["recommend/choice"].file("recommendation.json").read_text())
        if not choice["fits"]:
            if "report" not in made:  # which says it
                console.print("No candidate meets every limit of `recommend`.")
            return CONSTRAINT_FAILED
    return 0


def reproduce(targets: list[str]) -> int:
    """Run `dvc repro` with this interpreter and one server for all stages; return its exit code."""
    from tasks.core import server

    server.connect()
    versioning.write_environment()
    mending.mend()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *targets],
        cwd=project(),
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        check=False,
    ).returncode


def preload(workload: "Workload") -> tuple[str, ...]:
    """Return the modules that the children of a run share: its models' libraries, our own, and
    those of its plugins.
    """
    own = ("validate.judge", "train.fitting", "compare.resampling", "compress.variants")
    recipes = map(workload.compress.plugins, workload.compress.recipes)
    plugins = [*workload.models, *workload.metrics, *(step for steps in recipes for step in steps)]
    ours = dict.fromkeys(plugin.module.__name__ for plugin in plugins)
    libraries = {
        library: IMPORTS.get(library, (library.replace("-", "_"),))
        for model in workload.models
        for library in getattr(model.module, "LIBRARIES", ())
    }
    theirs = [module for modules in libraries.values() for module in modules]
    return (*(f"tasks.{name}" for name in own), "onnx", "onnxruntime.quantization", *theirs, *ours)


def finished_before(name: str) -> dict[str, str]:
    """Return the digests of the code and the params with which a workload was last run whole."""
    try:
        return json.loads(_finished_file(name).read_text())
    except (OSError, ValueError):
        return {}


def _finished_file(name: str) -> Path:
    return subfolder("memo") / f"finished-{name}.json"


def save_settings(name: str, settings: list[str]) -> None:
    """Write `path.to.key=value` settings into params.yaml, keeping its comments and order.

    What other workloads share with this one (`&name`, `*name`) becomes its own where it changes.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    path = project() / params.FILE
    content = yaml.load(path.read_text(encoding="utf-8"))
    for setting in settings:
        key_path, _, text = setting.partition("=")
        target = content["workloads"]
        *keys, last = [name, *key_path.strip().split(".")]
        for key in keys:
            if target.get(key) is None:
                target[key] = {}
            elif _uses(content, target[key]) > 1:
                target[key] = _unshared(target[key])
            target = target[key]
        found = YAML(typ="safe").load(text) if text else None
        target[last] = text.strip() if isinstance(found, date) else found
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    os.replace(temporary, path)


def _uses(content: Any, wanted: Any) -> int:
    """Return in how many places of a YAML document a map stands."""
    if not isinstance(content, dict | list):
        return 0
    inner = content.values() if isinstance(content, dict) else content
    return sum((value is wanted) + _uses(value, wanted) for value in inner)


def _unshared(content: Any) -> Any:
    """Return a copy of a part of a YAML document, without names for other places to share it by."""
    found = copy.deepcopy(content)
    for part in _parts(found):
        part.yaml_set_anchor(None, always_dump=False)
    return found


def _parts(content: Any) -> Iterator[Any]:
    """Give a part of a YAML document that can have a name, and all such parts in it."""
    if hasattr(content, "yaml_set_anchor"):
        yield content
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _parts(value)
