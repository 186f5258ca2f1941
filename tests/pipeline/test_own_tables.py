"""A user's own tables through the command line: sound ones work, broken ones are told clearly.

Run in this process: the exit code is what `main` ends with, and the output what it prints.
"""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import yaml

from tasks.core.plugins import ROOT
from tests.pipeline.conftest import Done
from tests.unit.ingest.test_broken_tables import BROKEN, CLASSES, HEADER, REGRESSION, ROWS, SOUND, Y

LATER = [f"{row.rsplit(',', 1)[0]},{y + 100!r}" for row, y in zip(ROWS, Y, strict=True)]
TWICE = "\n".join([HEADER, *ROWS, *LATER]) + "\n"  # the sound table, and enough rows for a run
START = "seed: 0\ndevice: cpu\nactive: []\nworkloads:\n"
QUICK = ("--save", "--set", "validate.expectations=null")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, api: str) -> Iterator[Path]:
    """Give a project without code, workloads, git and DVC, and the session's server."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_text(START)
    shutil.copy(ROOT / "pyproject.toml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPER_PROJECT", str(folder))
        patch.setenv("PREFECT_API_URL", api)
        yield folder


@pytest.fixture
def temper(folder: Path, main: Callable[..., Done]) -> Callable[..., Done]:
    """Give a function that runs `temper` in the project, in this process."""
    return main


def is_one_clear_error(ended: Done, *words: str) -> None:
    """Assert exit code 2, one error of Temper's own with these words, and no traceback."""
    assert ended.returncode == 2, ended
    assert "Traceback" not in ended.stderr
    kinds = [line for line in ended.stderr.splitlines() if line.startswith(("DataE", "ParamsE"))]
    assert len(kinds) == 1, ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr


def section(name: str, folder: Path, **content) -> None:
    """Add a workload's section by hand, as YAML that a user would write."""
    file = folder / "params.yaml"
    text = yaml.safe_dump({name: content}, sort_keys=False, allow_unicode=True)
    file.write_text(file.read_text() + "".join(f"  {line}\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", [c for c, (_, _, table, _) in BROKEN.items() if not table.columns])
def test_new_refuses_a_broken_table_and_leaves_nothing(case, folder, temper, tmp_path):
    file, make, table, words = BROKEN[case]
    path = tmp_path / file
    make(path)
    before = (folder / "params.yaml").read_bytes()
    ended = temper("new", "broken", "--data", path, "--target", table.target, "--task", table.task)
    if case in ("no such file", "folder"):
        words = ("expected a file with a table",)
    is_one_clear_error(ended, *words)
    assert (folder / "params.yaml").read_bytes() == before
    assert not list((folder / "data" / "raw").glob("*broken*"))


RUNS = ("columns lacking and extra", "not the stated type", "header only", "nul bytes", "html")


@pytest.mark.parametrize("case", RUNS)
def test_run_refuses_a_broken_table(case, folder, temper, tmp_path):
    file, make, table, words = BROKEN[case]
    path = tmp_path / file
    make(path)
    name = f"run{RUNS.index(case)}"
    content = table.model_dump(mode="json", exclude_defaults=True)
    section(name, folder, table=content, ingest={"dataset": "table", "path": str(path)})
    is_one_clear_error(temper("run", name, "--until", "validate", *QUICK), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "y"), ("either --data", "or --example")),
        (("--data", "{unnamed}"), ("which column is the target?", "x, n, kind, z")),
        (("--data", "{few}", "--target", "y"), ("12 rows, expected 20 or more",)),
        (("--data", "{sound}", "--target", "z"), ("unknown target column 'z'", "x, n, kind, y")),
        (("--data", "{sound}", "--target", "y", "--task", "regresion"), ("Did you mean",)),
        (("--data", "{sound}", "--target", "kind", "--task", "regression"), ("needs numbers",)),
    ],
)
def test_new_says_what_it_was_not_told_rightly(arguments, words, temper, tmp_path):
    files = {"sound": TWICE, "unnamed": TWICE.replace("kind,y", "kind,z"), "few": SOUND}
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    paths = {name: tmp_path / f"{name}.csv" for name in files}
    is_one_clear_error(temper("new", "asked", *(a.format(**paths) for a in arguments)), *words)


@pytest.mark.parametrize("name", ["Churn", "1st", "yes", "a b", "../x", "null"])
def test_new_refuses_a_name_that_params_could_not_hold(name, temper, tmp_path):
    is_one_clear_error(temper("new", name, "--data", tmp_path / "t.csv"), "workload name")


def test_new_leaves_nothing_where_params_cannot_take_the_section(folder, temper, tmp_path):
    (tmp_path / "sound.csv").write_text(TWICE)
    file = folder / "params.yaml"
    before = file.read_text()
    file.write_text(before.replace("active: [", "active: &x ["))
    try:
        is_one_clear_error(
            temper("new", "odd-layout", "--data", tmp_path / "sound.csv", "--target", "y"),
            "Add by hand",
        )
        assert not (folder / "data" / "raw" / "odd-layout").exists()
    finally:
        file.write_text(before)


@pytest.mark.parametrize(("target", "table"), [("y", REGRESSION), ("kind", CLASSES)])
def test_the_sound_twin_goes_through(target, table, folder, temper, tmp_path):
    path = tmp_path / "sound.csv"
    path.write_text(TWICE)
    name = f"sound-{target}"
    ended = temper("new", name, "--data", path, "--target", target)
    assert ended.returncode == 0, ended.stderr
    assert f"task {table.task}" in ended.stdout
    ended = temper("run", name, "--until", "validate", *QUICK)
    assert ended.returncode == 0, ended.stderr
    rows = pl.read_parquet(folder / "data" / "validate" / name / "rows" / "table.parquet")
    assert rows["y"].to_list() == [*Y, *(y + 100 for y in Y)]
    assert temper("new", name, "--data", path, "--target", target).returncode == 2


def test_wide_and_odd_tables_go_through(folder, temper, tmp_path):
    """1,000 columns; a constant and an all-missing one; names and texts that YAML would misread."""
    random = np.random.default_rng(0)
    wide = {f"f{i}": random.normal(size=40).round(3) for i in range(1000)}
    odd = {
        "null": ["yes", "no"] * 20,
        "a: b # c": ["x'y", 'q"z', "-", "[1]"] * 10,
        "常": random.normal(size=40),
        "constant": [7] * 40,
        "empty": [None] * 40,
        "y": random.normal(size=40),
    }
    before = (folder / "params.yaml").read_text()
    for name, columns in (("wide", wide | {"y": random.normal(size=40)}), ("odd", odd)):
        pl.DataFrame(columns).write_csv(tmp_path / f"{name}.csv")
        ended = temper("new", name, "--data", tmp_path / f"{name}.csv", "--target", "y")
        assert ended.returncode == 0, ended.stderr
        ended = temper("run", name, "--until", "features" if name == "odd" else "ingest", *QUICK)
        assert ended.returncode == 0, ended.stderr
    names = json.loads((folder / "data/features/odd/prepared/meta.json").read_text())
    used = {each["name"] for each in names["inputs"]}
    assert used == {"null", "a: b # c", "常"}
    (folder / "params.yaml").write_text(before)  # else each later command reads 1,000 columns


class Malformed(NamedTuple):
    """What a file of the shared folder must come to: words of the error, or what is quarantined."""

    target: str
    words: tuple[str, ...] = ()
    quarantined: tuple[int, ...] = ()


MALFORMED = {
    "extra_column_row.csv": Malformed("MedHouseVal", quarantined=(10,)),
    "header_only.csv": Malformed("MedHouseVal", ("no rows",)),
    "missing_target_column.csv": Malformed("MedHouseVal", ("'MedHouseVal'",)),
    "sensor_duplicate_timestamps.csv": Malformed("Appliances"),
    "strings_in_numeric.csv": Malformed("MedHouseVal", ("row 10 'forty-one'", "row 13 '1,234'")),
}


@pytest.mark.parametrize("file", MALFORMED)
def test_the_shared_malformed_files(file, folder, temper, shared):
    path = shared / "data" / "malformed" / file
    expected = MALFORMED[file]
    name = file.split(".")[0].replace("_", "-")[:39]
    ended = temper("new", name, "--data", path, "--target", expected.target)
    if ended.returncode == 0:
        ended = temper("run", name, "--until", "clean", *QUICK)
    if expected.words:
        is_one_clear_error(ended, *expected.words)
        return
    assert ended.returncode == 0, ended.stderr
    report = folder / "data" / "validate" / name / "report"
    bad = pl.read_parquet(report / "quarantine.parquet")
    assert tuple(sorted(set(bad["row"].to_list()))) == expected.quarantined
    kept = pl.read_parquet(folder / "data" / "clean" / name / "table" / "table.parquet")
    told = [line for line in path.read_text().splitlines()[1:] if line.strip()]
    steps = json.loads((folder / "data" / "clean" / name / "table" / "steps.json").read_text())
    dropped = sum(step["rows_before"] - step["rows_after"] for step in steps)
    assert len(kept) + dropped + len(expected.quarantined) == len(told)
    if file == "sensor_duplicate_timestamps.csv":
        assert dropped == 2


@pytest.mark.parametrize("where", ["no file, no network", "another table"])
def test_housing_says_both_ways_to_its_data(where, folder, temper, tmp_path, monkeypatch, shared):
    from tasks.core import params

    known = yaml.safe_load((folder / "params.yaml").read_text())["workloads"] or {}
    if "housing" not in known:
        section("housing", folder, **params.read(ROOT)["workloads"]["housing"])
    if where == "another table":
        path = shared / "data" / "california" / "housing_handson_trainval.csv.gz"
        ended = temper("run", "housing", "--until", "ingest", "--set", f"ingest.path={path}")
        is_one_clear_error(ended, "unknown target column 'MedHouseVal'", "MedInc", "longitude")
        return
    import sklearn.datasets

    def offline(**_):
        raise OSError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", offline)
    ended = temper("run", "housing", "--until", "ingest")
    is_one_clear_error(
        ended,
        *("`temper run housing --set ingest.path=PLACE`", "network", "not known"),
        "put one file into data/raw/housing",
    )


RENTS = 300
LEVELS = ("flat", "house", "studio", "")


def own_table(path: Path) -> None:
    """Write rents: categories, missing values, yes and no, a date; decimals as a user has them."""
    random = np.random.default_rng(7)
    area = random.uniform(20, 150, RENTS).round(1)
    kind = random.choice(LEVELS, RENTS, p=[0.5, 0.3, 0.17, 0.03])
    lift = random.random(RENTS) < 0.4
    rent = 200 + 9 * area + 150 * (kind == "house") + 60 * lift + random.normal(0, 40, RENTS)
    day = [f"2023-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}" for i in range(RENTS)]
    with open(path, "w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["flat_id", "seen_on", "area", "kind", "lift", "rent"])
        for i in range(RENTS):
            size = "" if i % 17 == 5 else f"{area[i]}"
            rows.writerow(
                [f"F{i:04d}", day[i], size, kind[i], ["no", "yes"][int(lift[i])], rent[i]]
            )


SMALL = {
    "validate": {"expectations": None},
    "train": {"models": {"linear": {}, "light_gbm": {"rounds": 40, "min_leaf": 5}}},
    "compare": {"resamples": 3, "bootstrap": 200},
    "compress": {"recipes": {"fp16": ["fp16"], "int8": ["ptq_int8"]}},
    "benchmark": {"engines": ["onnx_runtime"], "batch_sizes": [1], "time_budget_s": 1},
    "recommend": {"goal": "accuracy", "max_drop": None},
}


@pytest.fixture(scope="module")
def rents(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the CSV of the workload `rents`, which ran as a whole; without roles changed."""
    path = tmp_path_factory.mktemp("own") / "rents.csv"
    own_table(path)
    from flows.newly import make
    from flows.running import run_workload, save_settings

    make("rents", path, "rent", None, False)
    settings = [
        f"{step}.{key}={json.dumps(value)}"
        for step, content in SMALL.items()
        for key, value in content.items()
    ]
    save_settings("rents", settings)
    assert run_workload("rents", [], "report", False, False) == 0
    return path


def raw_feed(path: Path, numbers: np.ndarray, inputs: list[dict]) -> dict[str, np.ndarray]:
    """Return the graph's inputs from the file's own texts: what a server would be sent."""
    import datetime

    with open(path, newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    chosen = [lines[number - 1] for number in numbers]

    def value(text: str, name: str):
        if name == "seen_on":
            zone = datetime.UTC
            return datetime.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
        if name == "lift":
            return float(text == "yes")
        return float(text or "nan")

    feed = {}
    for each in inputs:
        name, texts = each["name"], [line[each["name"]] for line in chosen]
        if each["dtype"] == "string":
            feed[name] = np.array(texts, dtype=object)[:, None]
        else:
            feed[name] = np.array([value(t, name) for t in texts], each["dtype"])[:, None]
    return feed


def test_a_whole_run_is_what_sklearn_and_onnxruntime_say(folder, rents):
    import onnxruntime
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    models = folder / "models" / "rents"
    meta = json.loads((folder / "data/features/rents/prepared/meta.json").read_text())
    assert meta["split"]["name"] == "by_time"
    assert "flat_id" not in {each["name"] for each in meta["inputs"]}
    board = json.loads((models / "compare/leaderboard/leaderboard.json").read_text())
    with open(rents, newline="", encoding="utf-8") as stream:
        truth = np.array([float(line["rent"]) for line in csv.DictReader(stream)])
    judged: dict[str, pl.DataFrame] = {}
    for entry in board["models"]:
        frame = pl.read_parquet(models / "train" / entry["name"] / "predictions.parquet")
        judged[entry["name"]] = frame
        y = truth[frame["__row__"].to_numpy() - 1]
        assert np.array_equal(y, frame["y"].to_numpy())
        ours = {name: metric["value"] for name, metric in entry["metrics"].items()}
        theirs = {
            "rmse": root_mean_squared_error(y, frame["prediction"]),
            "mae": mean_absolute_error(y, frame["prediction"]),
            "r2": r2_score(y, frame["prediction"]),
        }
        assert ours == pytest.approx(theirs, rel=1e-6)
        assert ours["r2"] > 0.8
    assert (board["judged"], board["rows_judged"]) == ("test", len(y))

    tolerances = {"fp32": 1e-4, "fp16": 5e-3, "int8": 0.1}
    seen = set()
    for file in sorted((models / "compress").rglob("variant.json")):
        variant = json.loads(file.read_text())
        if variant["status"] != "ok":
            assert variant["status"] == "not_applicable", variant["reason"]
            assert variant["reason"]
            continue
        frame = judged[variant["model"]]
        feed = raw_feed(rents, frame["__row__"].to_numpy(), meta["inputs"])
        session = onnxruntime.InferenceSession(file.with_name("model.onnx"))
        assert {i.name for i in session.get_inputs()} == set(feed)
        found = session.run(["prediction"], feed)[0][:, 0]
        apart = np.abs(found - frame["prediction"].to_numpy()) / frame["prediction"].to_numpy()
        assert apart.max() <= tolerances[variant["label"]], variant["label"]
        seen.add((variant["model"], variant["label"]))
    assert {("linear", "fp32"), ("light_gbm", "fp32"), ("linear", "int8")} <= seen


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own queries
def test_the_registered_graph_takes_what_training_never_saw(folder, rents):
    import mlflow.artifacts
    import onnxruntime

    from tasks.core.home import home

    models = folder / "models" / "rents"
    version = json.loads((models / "register/version/version.json").read_text())
    uri = f"sqlite:///{home() / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)  # another test of this process may have set one
    got = Path(mlflow.artifacts.download_artifacts(version["uri"]))
    graph = next(got.rglob("*.onnx")).read_bytes()
    choice = json.loads((models / "recommend/choice/recommendation.json").read_text())
    chosen = models / "compress" / choice["chosen"]["variant"] / "model.onnx"
    assert graph == chosen.read_bytes()

    meta = json.loads((folder / "data/features/rents/prepared/meta.json").read_text())
    session = onnxruntime.InferenceSession(graph)
    feed = raw_feed(rents, np.arange(1, 5), meta["inputs"])
    known = session.run(None, feed)[0]
    feed["kind"][:] = [["castle"], [""], ["flat "], ["flat"]]
    feed["area"][1] = np.nan
    strange = session.run(None, feed)[0]
    assert np.isfinite(strange).all()
    assert (np.abs(strange / known - 1) < 2).all()
    assert meta["split"]["note"] in (models / "report/report.html").read_text()


def test_what_clean_found_is_told_also_where_it_comes_from_the_cache(folder, temper, tmp_path):
    path = tmp_path / "rooms.csv"
    times = [datetime(2026, 3, 1) + timedelta(hours=h) for h in range(200)]
    heat = 68 + np.random.default_rng(0).normal(size=200)
    pl.DataFrame({"at": times, "heat": heat, "y": heat * 2}).write_csv(path)
    columns = {"at": {"role": "time"}, "heat": {"type": "float", "unit": "degC"}, "y": {}}
    table = {"task": "regression", "target": "y", "columns": columns}
    steps = {"steps": ["types", "units", "sorted_unique"]}
    section("rooms", folder, table=table, ingest={"path": str(path)}, clean=steps)
    for _ in range(2):
        ended = temper("run", "rooms", "--until", "clean", *QUICK)
        assert ended.returncode == 0, ended.stderr
        assert "note: clean: likely unit mix-up: heat declared degC, the median" in ended.stderr
