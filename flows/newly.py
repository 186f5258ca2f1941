"""`temper new` and `temper fetch`: a workload's section, and its raw data under DVC."""

import hashlib
import re
import shutil
from pathlib import Path

from flows import versioning
from flows.origin import raw_folder
from tasks.core import params
from tasks.core.errors import DataError, ParamsError
from tasks.core.home import project
from tasks.core.plugins import plugin, unavailable, unknown


def compress(
    model: Path, data: Path, target: str | None, task: str | None, name: str | None
) -> str:
    """Make a workload of a model that was fitted elsewhere and a table; return its name.

    Raises:
        ParamsError: there is no such file, the name is taken or not usable, or the library that
            reads it is not here.
        DataError: the table cannot be used as it is.
    """
    path = model.expanduser().resolve()
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ParamsError(f"{model}: cannot be read ({error.strerror})") from None
    if path.suffix.lower() == ".keras" and (reason := unavailable("model", "given_keras")):
        raise ParamsError(f"{model}: {reason}")
    plain = re.sub(r"[^a-z0-9_]+", "_", model.stem.lower()).strip("_")
    name = name or (plain if plain[:1].isalpha() else f"model_{plain}")
    if path.is_relative_to(project()):
        path = path.relative_to(project())
    make(name, data, target, task, False, {"path": str(path), "sha256": sha256})
    return name


def make(
    name: str,
    data: Path | None,
    target: str | None,
    task: str | None,
    example: bool,
    given: dict[str, str] | None = None,
) -> None:
    """Write a workload's section into params.yaml and put its data under data/raw and DVC.

    `given`: path and sha256 of a model that was fitted elsewhere; none is fitted then.

    Raises:
        ParamsError: the name is taken or not usable, or neither data nor an example was asked for.
        DataError: the table cannot be used as it is.
    """
    from tasks.ingest.infer import check_name, propose, section, write_section

    file = project() / params.FILE
    check_name(file, name)
    if example == (data is not None):
        raise ParamsError(
            f"temper new {name}: expected either --data FILE or --example (a table that comes with "
            "scikit-learn)"
        )
    folder = raw_folder(name)
    if folder.exists():
        raise DataError(f"{folder}: exists already; remove it, or choose another name")
    source = data.expanduser() if data else None
    staged = folder.with_name(f".{name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        if source is None:
            module = plugin("dataset", "sklearn_toy")
            if name not in module.LICENCES:
                raise ParamsError(unknown(f"example {name!r}", name, tuple(module.LICENCES)))
            module.fetch(module.Params(table=name), None, staged)
        else:
            if not source.is_file():
                raise DataError(f"{source}: expected a file with a table, found none there")
            shutil.copyfile(source, staged / source.name)
        (copied,) = staged.iterdir()
        proposal = propose(copied, target, name, task)._replace(given=given)
        staged.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    try:
        write_section(file, name, section(proposal))
    except ParamsError:
        shutil.rmtree(folder)  # so that the next attempt does not find it there already
        raise
    if (project() / ".dvc").is_dir():
        versioning.track_raw(name)
    print(f"{name}: a section in params.yaml, the raw data in {folder.relative_to(project())}.")
    for line in proposal.reasons:
        print(f"  {line}")
    print(f"Next: look at it in params.yaml, then `temper run {name}`.")


def fetch_raw(name: str) -> None:
    """Put a workload's raw data, as its origin has it now, into data/raw and under DVC."""
    put_raw(name, checked=False)
    if (project() / ".dvc").is_dir():
        versioning.track_raw(name)
    print(f"{name}: raw data in {raw_folder(name).relative_to(project())}")


def put_raw(name: str, checked: bool = True) -> None:
    """Put a workload's raw data, from its origin, into data/raw.

    Raises:
        DataError: `checked`, and they are not those that git speaks of.
    """
    from flows import origin, view
    from flows.workload import load
    from tasks.core import store, usage

    usage.share()
    workload = load(name)
    dataset = workload.dataset
    source = origin.source(name, workload)
    with origin.advice(name), store.writing() as folder:
        dataset.module.fetch(dataset.typed, source, folder)
        raw = store.put("raw", folder)
    if checked:
        versioning.check_raw(name, raw, workload.ingest)
    view.publish(name, {"raw": raw}, ["raw"])
