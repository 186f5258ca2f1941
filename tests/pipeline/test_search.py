"""A sweep of many recipes: a part of it is run, the rest says why not; `--full` runs the rest."""

import json

from tests.pipeline.conftest import Project
from tests.pipeline.test_why import states, verdicts

RECIPES = {
    "half": ["fp16"],
    "brain": ["bf16"],
    "int8": ["ptq_int8"],
    "trt": [{"ptq_int8": {"dialect": "int8_trt"}}],
    "percentile": [{"ptq_int8": {"ranges": "percentile"}}],
    "dynamic": [{"ptq_int8": {"mode": "dynamic"}}],
    "student": ["distill"],
    "trees": ["truncate"],
    "broken": [{"ptq_int4": {"least": 1}}],
}
SWEEP = ("--set", f"compress.recipes={json.dumps(RECIPES)}", "--until", "compress")


def stated(project: Project) -> dict[str, dict]:
    """Return the certificates of the linear model's variants, by recipe."""
    folder = project.folder / "models" / "micro" / "compress" / "linear"
    found = {p.parent.name: json.loads(p.read_text()) for p in folder.glob("*/variant.json")}
    assert set(found) == {"fp32", *RECIPES}
    return found


def test_a_part_is_run_and_full_runs_the_rest(beside: Project, here):
    temper = here(beside)
    done = temper("run", "micro", *SWEEP, "--save")
    assert done.returncode == 0, done.stdout + done.stderr
    found = stated(beside)
    by_status = {v["status"] for v in found.values()}
    assert by_status <= {"ok", "not_applicable", "skipped"}
    assert "skipped" in by_status
    left = [n for n, v in found.items() if v["status"] == "skipped"]
    assert all("to the front" in found[n]["reason"] for n in left)
    why = "no network that is fitted here, and no ensemble of trees"
    assert found["student"]["reason"] == why
    assert found["trees"]["reason"] == "not an ensemble of trees"
    now = verdicts(temper)
    searched = {n: v for n, v in now.items() if n.split()[0] in ("sketch", "settle", "compress")}
    assert states(searched) == {"cached"}
    assert {"settle linear", "settle baseline"} <= set(searched)

    full = temper("run", "micro", "--until", "compress", "--full", "--save")
    assert full.returncode == 0, full.stdout + full.stderr
    found = stated(beside)
    assert {found[n]["status"] for n in left} == {"ok"}
    assert "skipped" not in {v["status"] for v in found.values()}
    now = verdicts(temper)
    assert states({n: v for n, v in now.items() if n.startswith(("shrink", "compress"))}) == {
        "cached"
    }
    again = verdicts(temper, "--set", "compress.budget=0.1")
    assert {v[0] for n, v in again.items() if n.startswith("settle")} <= {"would run", "cached"}
