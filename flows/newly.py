"""`temper new` and `temper fetch`: a workload's section, and its raw data under DVC."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flows import versioning
from flows.origin import raw_folder
from tasks.core import params
from tasks.core.errors import DataError, ParamsError
from tasks.core.home import project
from tasks.core.plugins import plugin, unknown

if TYPE_CHECKING:
    from tasks.ingest.proposal import Proposal


class Change(NamedTuple):
    """What params.yaml was before a workload came into it, and after."""

    before: bytes
    after: bytes


class Section(NamedTuple):
    """A workload's section, and the reasons for what stands in it."""

    text: str
    reasons: list[str]


def make(name: str, data: Path | None, target: str | None, task: str | None, example: bool) -> None:
    """Write a workload's section into params.yaml and put its data under data/raw and DVC.

    Raises:
        ParamsError: the name is taken or not usable, or neither data nor an example was asked for.
        DataError: the table or the images cannot be used as they are.
    """
    from tasks.ingest.infer import check_name
    from tasks.ingest.pictures import formats

    check_name(project() / params.FILE, name)
    if example == (data is not None):
        raise ParamsError(
            f"temper new {name}: expected either --data with a table or images, or --example (a "
            "table that comes with scikit-learn)"
        )
    if data is not None and formats.holds(data.expanduser()):
        if target not in (None, "label") or task not in (None, "classification"):
            raise ParamsError(
                f"temper new {name}: {data} holds images, whose task is classification and whose "
                "target is `label`, the class; leave out --target and --task"
            )
        _put(name, lambda staged: _of_images(name, data.expanduser(), staged))
    else:
        put(name, data, target, task)
    print(f"Next: look at it in params.yaml, then `temper run {name}`.")


def put(
    name: str,
    data: Path | None,
    target: str | None,
    task: str | None,
    settled: "Callable[[Proposal, Path], Proposal]" = lambda proposal, file: proposal,
) -> Change:
    """Put a new workload into params.yaml, data/raw and DVC; return how params.yaml changed.

    Args:
        data: the table; None: an example of that name.
        settled: has the last word on what is proposed for the table's file. Nothing is written
            before, and nothing stays where this or the writing fails.

    Raises:
        ParamsError, DataError: as `make`.
    """
    from tasks.ingest.infer import propose, section

    def of_table(staged: Path) -> Section:
        copied = _obtained(name, data, staged)
        proposal = settled(propose(copied, target, name, task), copied)
        return Section(section(proposal), proposal.reasons)

    return _put(name, of_table)


def _put(name: str, obtained: Callable[[Path], Section]) -> Change:
    """Put a new workload into params.yaml, data/raw and DVC; `obtained` fills a folder for it."""
    from tasks.ingest.section import write_section

    file, folder = project() / params.FILE, raw_folder(name)
    if folder.exists():
        raise DataError(
            f"{folder}: exists already; remove it and {folder.name}.dvc, or choose another name "
            "(`temper compress`: with --name)"
        )
    staged = folder.with_name(f".{name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        section = obtained(staged)
        staged.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    before = file.read_bytes()
    try:
        write_section(file, name, section.text)
        if (project() / ".dvc").is_dir():
            versioning.track_raw(name)
    except BaseException:  # so that the next attempt does not find it there already
        take_back(name, Change(before, file.read_bytes()))
        raise
    print(f"{name}: a section in params.yaml, the raw data in {folder.relative_to(project())}.")
    for line in section.reasons:
        print(f"  {line}")
    return Change(before, file.read_bytes())


def _of_images(name: str, source: Path, staged: Path) -> Section:
    """Copy images into a folder, without hidden files, and return the section for them."""
    from tasks.ingest.pictures.proposal import propose

    proposed = Section(*propose(source, name, source.name))
    if source.is_dir():
        hidden = shutil.ignore_patterns(".*", "__MACOSX")
        shutil.copytree(source, staged, ignore=hidden, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, staged / source.name)
    return proposed


def take_back(name: str, change: Change) -> bool:
    """Undo what `put` did, and return True; False where params.yaml was edited since: it stays."""
    from tasks.ingest.section import overwrite

    file, folder = project() / params.FILE, raw_folder(name)
    if file.read_bytes() != change.after:
        return False
    overwrite(file, change.before)
    folder.with_name(f"{name}.dvc").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _obtained(name: str, data: Path | None, staged: Path) -> Path:
    """Return the copy of a table, or of an example, in a folder."""
    if data is None:
        module = plugin("dataset", "sklearn_toy")
        if name not in module.LICENCES:
            raise ParamsError(unknown(f"example {name!r}", name, tuple(module.LICENCES)))
        module.fetch(module.Params(table=name), None, staged)
    else:
        source = data.expanduser()
        if not source.is_file():
            raise DataError(
                f"{source}: expected a file with a table, or a folder with images; found neither"
            )
        shutil.copyfile(source, staged / source.name)
    (copied,) = staged.iterdir()
    return copied


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
