"""`temper compress`: a model that was fitted elsewhere, from its file to the report."""

import json

import numpy as np
import polars as pl

from tasks.compress.recipes import ALL
from tasks.core import plugins
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tests.pipeline.conftest import Project


def test_a_booster_of_ones_own_is_compressed(clone: Project, here):
    temper = here(clone)
    random = np.random.default_rng(0)
    X = random.normal(size=(900, 4)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + 0.1 * random.normal(size=900)
    module = plugin("model", "light_gbm")
    parts = (X[:300], y[:300], X[:0], y[:0])
    data = FitData(*parts, "regression", 0, None, list("abcd"))
    module.save(module.fit(data, module.Params(rounds=20), FitContext()), clone.user)
    model = (clone.user / "model.txt").rename(clone.user / "Old model.txt")
    frame = pl.DataFrame({name: X[300:, i] for i, name in enumerate("abcd")})
    frame.with_columns(y=y[300:]).write_parquet(clone.user / "rows.parquet")

    rows = clone.user / "rows.parquet"
    done = temper("compress", model, "--data", rows, "--target", "y")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model" in done.stdout
    assert "Recommended: given/" in done.stdout
    report = clone.folder / "models" / "old_model" / "report" / "report.json"
    facts = json.loads(report.read_text())
    (board,) = facts["leaderboard"]["models"]
    assert board["name"] == "given"
    made = {v["label"]: v for v in facts["variants"]}
    assert made["fp32"]["status"] == "ok"
    assert made["fp32"]["parity"]["max_rel"] < 1e-4
    assert facts["rows_judged"] == 300
    ok = {label for label, v in made.items() if v["status"] == "ok"}
    assert ok >= {"truncate_half", "truncate_most", "fewer_leaves", "small_trees"}
    assert set(made) == {"fp32", *ALL}
    assert "skipped" not in {v["status"] for v in facts["variants"]}

    done = temper("compress", clone.user / "none.onnx", "--data", model)
    assert done.returncode == 2
    assert "none.onnx: cannot be read" in done.stderr
    if missing := plugins.unavailable("model", "given_keras"):
        keras = clone.user / "m.keras"
        keras.write_bytes(b"never read")
        done = temper("compress", keras, "--data", rows)
        assert done.returncode == 2
        assert missing in " ".join(done.stderr.split())
        assert "  m:\n" not in (clone.folder / "params.yaml").read_text()
