"""Registration against a real MLflow store on SQLite: done once, found again, checked, aliased."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.core import child, locks
from tasks.core.errors import ParityError
from tasks.core.prepared import Prepared
from tasks.register import graphs, ledger, registry, standing, store
from tasks.register.params import Params
from tasks.register.plan import described, plan
from tasks.register.task import check, register
from tests import samples

FACTS = {"params_digest": "p1", "data_digest": "d1", "device": "cpu"}


def do(run, choice="choice", facts=FACTS, workload="digits", **labels):
    keys = ("leaderboard", "fitted", "telemetry", "variants", "prepared")
    artifact = register.fn(
        run[choice], *(run[k] for k in keys), workload, Params(), facts, labels or None
    )
    return artifact, json.loads(artifact.file("version.json").read_text())


def here(function, *args, **_):
    """Do a child's work in this process: each child would import MLflow anew."""
    return child.Outcome(function(*args), 0.0, 0.0)


@pytest.fixture(scope="session")
def first(run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "run", here)
        return do(run, git_commit="0f1e2d")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    monkeypatch.setattr(child, "run", here)


def test_the_first_version_is_candidate_and_champion(first):
    artifact, version = first
    assert artifact.name == "register/version"
    assert (version["name"], version["version"]) == ("digits", 1)
    assert version["uri"] == "models:/digits/1"
    assert version["aliases"] == ["candidate", "champion"]
    assert version["variant"] == "mlp/int8_cpu"
    tags = version["tags"]
    assert (tags["params_digest"], tags["git_commit"]) == ("p1", "0f1e2d")
    assert len(tags["graph_digest"]) == 64
    assert tags["library.onnx"].startswith("1.")
    assert "sqlite" not in artifact.file("version.json").read_text()  # no address, no path


def test_what_a_version_names_is_told_alike_by_sqlite_and_by_mlflow(first, home):
    tags = first[1]["tags"]
    uri = store.tracking_uri()
    assert store.named_digests() == {"models:/digits/1": {tags["graph_digest"]}}
    by_name = {(n, int(v), value) for n, v, value in store._tags_in_sqlite(uri)}
    assert {tag for tag in store._tags_asked(uri) if tag[2]} == by_name
    assert len(by_name) > 5


def test_the_store_is_private(first, home):
    assert stat.S_IMODE((home / "mlflow.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "mlartifacts").stat().st_mode) == 0o700
    assert stat.S_IMODE(ledger.path().stat().st_mode) == 0o600


def test_one_run_a_model_with_params_metrics_and_curves(first):
    with store.opened(store.tracking_uri()) as client:
        experiment = client.get_experiment_by_name("digits")
        runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
        assert set(runs) == set(samples.MODELS)
        mlp = runs["mlp"]
        assert mlp.info.status == "FINISHED"
        assert mlp.data.params["learning_rate"] == "0.01"
        assert mlp.data.metrics["test/accuracy"] == pytest.approx(0.9806)
        assert mlp.data.metrics["wall_s"] == 1.5
        assert mlp.data.tags["params_digest"] == "p1"
        curve = client.get_metric_history(mlp.info.run_id, "curve/train")
        assert [m.step for m in curve] == list(range(1, 31))
        gpu = client.get_metric_history(
            runs["convnet"].info.run_id, "system/gpu_0_utilization_percentage"
        )
        assert [m.value for m in gpu] == [70.0] * 4


def test_the_graph_comes_back_with_signature_and_example(first, run):
    with store.opened(store.tracking_uri()):
        import mlflow

        model = mlflow.pyfunc.load_model("models:/digits@champion")
        signature = model.metadata.signature
        assert [i.name for i in signature.inputs.inputs] == ["image"]
        assert [o.name for o in signature.outputs.inputs] == ["probabilities", "label"]
        example = model.input_example
        assert example["image"].shape == (3, 8, 8, 1)
        feed = Prepared(run["prepared"].path).feed("test", slice(0, 5))
        answer = model.predict(feed)
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, rtol=1e-5)
    assert answer["label"].shape == (5,)


def test_again_makes_no_second_version_and_no_second_runs(first, run, home):
    entries = len(ledger.read())
    artifact, version = do(run, git_commit="0f1e2d")
    assert version["version"] == 1
    assert artifact == first[0]
    assert len(ledger.read()) == entries
    with sqlite3.connect(home / "mlflow.db") as database:
        (runs,) = database.execute(
            "SELECT count(*) FROM runs JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = 'digits'"
        ).fetchone()
    assert runs == len(samples.MODELS)


def test_other_params_make_the_next_version_and_leave_the_champion(first, run):
    artifact, version = do(run, facts=FACTS | {"params_digest": "p2"})
    assert version["version"] == 2
    assert version["aliases"] == ["candidate"]
    events = [(e["event"], e["version"]) for e in ledger.read("digits")]
    assert events == [("candidate", 1), ("champion", 1), ("candidate", 2)]
    assert ledger.latest("digits", "champion")["version"] == 1
    assert ledger.latest("digits", "candidate")["replaced"] == 1
    assert standing.state(first[1]) == "moved"
    assert check(first[0])  # a cached run of the first: it is the candidate again
    assert standing.state(first[1]) == "ok"
    assert ledger.latest("digits", "candidate")["replaced"] == 2
    assert standing.state(json.loads(artifact.file("version.json").read_text())) == "moved"


def test_where_nothing_fits_runs_are_logged_and_no_version(run):
    artifact, version = do(run, choice="nothing", workload="tight")
    assert version["registered"] is False
    assert version["version"] is None
    assert "nothing meets the constraints" in version["reason"]
    assert "max_size_kib" in version["why"][0]
    assert len(version["runs"]) == len(samples.MODELS)
    assert check(artifact)
    assert ledger.read("tight") == []


def test_a_version_that_is_gone_is_found_missing_and_made_anew(first, run, home):
    _, version = do(run, workload="gone")
    assert standing.state(version) == "ok"
    with store.opened(store.tracking_uri()) as client:
        client.delete_model_version("gone", "1")
    assert standing.state(version) == "missing"
    _, again = do(run, workload="gone")
    assert again["version"] == 2
    assert standing.state(again) == "ok"


def test_a_version_whose_file_is_gone_is_missing(run, home):
    _, version = do(run, workload="fileless")
    for graph in (home / "mlartifacts" / "fileless").rglob("model.onnx"):
        graph.unlink()
    assert standing.state(version) == "missing"


@pytest.mark.parametrize("content", [None, b"", b"not a database"])
def test_no_store_or_a_broken_one_has_no_version(first, tmp_path, content):
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    assert standing.state(first[1], f"sqlite:///{path}") == "missing"


def test_the_store_from_the_environment_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mine.db")
    assert store.tracking_uri().endswith("/mine.db")
    assert store.artifact_location("digits") is None


def test_a_graph_that_answers_differently_is_not_registered(run, tmp_path):
    other = tmp_path / "model.onnx"
    other.write_bytes(samples.graph("somebody else"))
    prepared = Prepared(run["prepared"].path)
    with store.opened(store.tracking_uri()) as client:
        experiment = registry._experiment(client, "parity", store.artifact_location("parity"))
        run_id = client.create_run(experiment).info.run_id
        uri = graphs.log(run_id, other, prepared, 3, {"onnx": "1"})
        own = next(v for v in run["variants"] if v.name == "compress/mlp/fp32").file("model.onnx")
        with pytest.raises(ParityError, match="'probabilities'"):
            graphs.verify(uri, own, prepared, 8)
        assert graphs.verify(uri, other, prepared, 8) == 8


def test_text_and_numbers_survive_the_signature(run, tmp_path):
    """A table's graph: a double, a float and a string column."""
    import polars as pl
    from onnx import TensorProto as T
    from onnx import helper

    nodes = [
        helper.make_node("Cast", ["price"], ["low"], to=T.FLOAT),
        helper.make_node("StringNormalizer", ["flat"], ["lower"], case_change_action="LOWER"),
        helper.make_node("Add", ["low", "size"], ["prediction"]),
    ]
    nodes[1] = helper.make_node("Identity", ["city"], ["place"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "table",
        [
            value("price", T.DOUBLE, ["N", 1]),
            value("size", T.FLOAT, ["N", 1]),
            value("city", T.STRING, ["N", 1]),
        ],
        [value("prediction", T.FLOAT, ["N", 1]), value("place", T.STRING, ["N", 1])],
    )
    path = tmp_path / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(made.SerializeToString())
    meta = json.loads(run["prepared"].file("meta.json").read_text())
    inputs = [("price", "float64"), ("size", "float32"), ("city", "string")]
    meta["inputs"] = [{"name": n, "dtype": t, "shape": [1]} for n, t in inputs]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    frame = pl.DataFrame(
        {"price": [1.5, None, 3.0], "size": [1.0, 2.0, 3.0], "city": ["Köln", None, "a"]}
    )
    frame.write_parquet(tmp_path / "test.parquet")
    prepared = Prepared(tmp_path)
    with store.opened(store.tracking_uri()) as client:
        experiment = registry._experiment(client, "table", store.artifact_location("table"))
        run_id = client.create_run(experiment).info.run_id
        uri = graphs.log(run_id, path, prepared, 2, {"onnx": "1"})
        assert graphs.verify(uri, path, prepared, 3) == 3


def test_what_onnx_runtime_thinks_of_a_graph_is_not_shown(run, tmp_path):
    """Else a graph with a weight that nothing reads, say, prints its C++ warnings into a run."""
    import onnx
    from onnx import numpy_helper

    own = next(v for v in run["variants"] if v.name == "compress/mlp/fp32").file("model.onnx")
    graph = onnx.load(own)
    graph.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "unread"))
    onnx.save(graph, tmp_path / "model.onnx")
    code = (
        "import sys; from pathlib import Path; from tasks.core.prepared import Prepared; "
        "from tasks.register import graphs, registry, store\n"
        "path, prepared = Path(sys.argv[1]), Prepared(Path(sys.argv[2]))\n"
        "with store.opened(store.tracking_uri()) as client:\n"
        "    at = registry._experiment(client, 'quiet', store.artifact_location('quiet'))\n"
        "    run_id = client.create_run(at).info.run_id\n"
        "    uri = graphs.log(run_id, path, prepared, 2, {'onnx': '1'})\n"
        "    print(graphs.verify(uri, path, prepared, 3))\n"
    )
    done = subprocess.run(  # its log goes past Python's, and its level is the process's
        [sys.executable, "-c", code, tmp_path / "model.onnx", run["prepared"].path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.split()[-1] == "3", done.stderr
    assert "onnxruntime" not in done.stderr


def test_the_plan_holds_plain_data(run):
    choice = json.loads(run["choice"].file("recommendation.json").read_text())
    board = json.loads(run["leaderboard"].file("leaderboard.json").read_text())
    todo = plan(
        choice, board, run["fitted"], [], run["variants"], run["prepared"], "x", Params(), FACTS
    )
    assert json.loads(json.dumps(todo)) == todo


def test_a_choice_that_is_no_onnx_graph_is_not_registered_and_says_so(run):
    choice = json.loads(run["choice"].file("recommendation.json").read_text())
    choice["chosen"]["graph"] = "given_keras/litert_int8/model.tflite"
    board = json.loads(run["leaderboard"].file("leaderboard.json").read_text())
    arguments = ([], run["variants"], run["prepared"], "x", Params(), FACTS)
    todo = plan(choice, board, run["fitted"], *arguments)
    assert todo["graph"] is None
    content = described(todo, {"version": None}, choice)
    assert "no ONNX graph" in content["reason"]
    nothing = described(todo, {"version": None}, {**choice, "chosen": None})
    assert "nothing meets" in nothing["reason"]


def test_a_ledger_line_left_unfinished_is_passed_over(tmp_path, monkeypatch):
    samples.home(monkeypatch, tmp_path)
    ledger.append("candidate", "w", version=1)
    with open(ledger.path(), "a") as stream:
        stream.write('{"time": "20')
    assert [e["version"] for e in ledger.read()] == [1]


@pytest.mark.timeout(60)
def test_getting_ready_does_not_wait_for_the_task_that_gives_the_work(home):
    with locks.held(store.lock_file()):
        store.get_ready()


def test_a_database_is_whole_or_not_there(home, tmp_path, monkeypatch):
    path = tmp_path / "new.db"
    (tmp_path / "new.db.1.tmp").write_text("what a killed process left")
    made = {}
    monkeypatch.setattr(os, "replace", lambda new, old: made.update({old: Path(new).read_bytes()}))
    with store._calm():
        store._make_database(path)
    assert list(made) == [path]
    assert not (tmp_path / "new.db.1.tmp").exists()
    assert not path.exists()  # it would be moved there as the last thing
