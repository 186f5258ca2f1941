"""DVC and Prefect agree, in both directions; what DVC shows, pushes and pulls."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import versioning
from tests.pipeline.conftest import ROOT, Project, counts

STAGES = ("fetch", "prepare", "train", "compress", "benchmark", "release")


def test_after_a_run_dvc_has_nothing_to_do(ran: Project):
    lock = yaml.safe_load((ran.folder / "dvc.lock").read_text())
    assert set(lock["stages"]) == {f"{stage}@micro" for stage in STAGES}
    status = ran.dvc("status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout) == {}
    before = ran.shown()

    done = ran.dvc("repro")

    ours = ran.temper("repro")
    for shown in (done, ours):
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert shown.stdout.count("didn't change, skipping") == len(STAGES)
        assert "Running stage" not in shown.stdout
    assert ran.shown() == before


def test_a_second_run_is_cached_whole(ran: Project, here):
    before = ran.shown()
    done = here(ran)("run", "micro")
    assert done.returncode == 0, done.stderr
    assert counts(done.stdout)[0] == 0
    assert counts(done.stdout)[1] >= 15
    assert ran.shown() == before


def test_other_params_leave_lock_and_view_alone_and_a_missed_constraint_exits_3(ran: Project, here):
    temper = here(ran)
    before = ran.shown()
    assert len(before) > 40

    done = temper("run", "micro", "--set", "recommend.max_size_kib=0.001")

    assert done.returncode == 3, done.stdout + done.stderr
    assert "max_size_kib" in done.stdout
    assert "data/, models/ and dvc.lock stay" in done.stdout
    assert ran.shown() == before
    back = temper("run", "micro")  # the first params again: nothing runs, the report included
    assert back.returncode == 0
    assert counts(back.stdout)[0] == 0
    assert ran.shown() == before


def test_metrics_and_plots_show_the_run(ran: Project):
    shown = json.loads(ran.dvc("metrics", "show", "--json").stdout)
    ((_, numbers),) = shown[""]["data"].items()
    best = numbers["data"]["best"]
    assert best["model"] == "linear"
    assert best["rmse_low"] < best["rmse"] < best["rmse_high"]
    assert best["rmse"] == pytest.approx(0.343, abs=0.01)
    assert numbers["data"]["recommended"]["size_kib"] > 1
    assert numbers["data"]["recommended"]["p50_ms"] > 0

    out = ran.folder.parent / "plots"
    plots = ran.dvc("plots", "show", "--json", "-o", str(out))
    assert plots.returncode == 0, plots.stderr
    found = json.loads(plots.stdout)
    assert not found.get("errors"), found["errors"]
    drawn = {Path(name).name: parts[0]["content"] for name, parts in found["data"].items() if parts}
    models = [row["model"] for row in drawn["leaderboard.csv"]["data"]["values"]]
    assert sorted(models) == ["baseline", "linear"]
    assert {row["variant"] for row in drawn["variants.csv"]["data"]["values"]} >= {"linear/fp32"}


def test_push_wipe_pull(ran: Project, here):
    before = ran.shown()
    pushed = ran.dvc("push")
    assert pushed.returncode == 0, pushed.stderr
    assert "pushed" in pushed.stdout
    for name in ("data", "models", ".dvc/cache"):
        shutil.rmtree(ran.folder / name)

    pulled = ran.dvc("pull")

    assert pulled.returncode == 0, pulled.stderr
    assert ran.shown() == before
    assert json.loads(ran.dvc("status", "--json").stdout) == {}
    again = here(ran)("run", "micro")
    assert again.returncode == 0
    assert counts(again.stdout)[0] == 0
    assert ran.shown() == before


def test_a_table_of_ones_own_is_pushed_and_a_pull_brings_it_back(
    clone: Project, here, tmp_path: Path
):
    rows = [f"{i},{i % 7},{i % 2}" for i in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["a,b,y", *rows]))
    made = here(clone)("new", "own", "--data", tmp_path / "own.csv", "--target", "y")
    assert made.returncode == 0, made.stderr
    raw = clone.folder / "data" / "raw" / "own"
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    clone.dvc("push")
    shutil.rmtree(raw)
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    for _ in range(2):  # what is there stays
        pulled = clone.dvc("pull")
        assert {path.name: path.read_bytes() for path in raw.iterdir()} == before, pulled.stderr


def test_plain_dvc_repro_on_a_fresh_clone_without_activation_then_a_run_is_cached(clone: Project):
    (clone.folder / ".venv").symlink_to(Path(sys.prefix))
    path = "/usr/local/bin:/usr/bin:/bin"  # no environment is active: `python3` is the system's
    bare = {k: v for k, v in clone.environment.items() if k in ("HOME", "LANG", "TEMPER_HOME")}
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [".venv/bin/dvc", "repro"],
        cwd=clone.folder,
        env=bare | offline | {"PATH": path, "no_proxy": "127.0.0.1,localhost"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Running stage") == len(STAGES)
    assert json.loads(clone.dvc("status", "--json").stdout) == {}
    before = clone.shown()

    after = clone.temper("run", "micro")

    assert after.returncode == 0, after.stderr
    assert counts(after.stdout)[0] == 0
    assert clone.shown() == before
    assert "?? dvc.lock" in clone.git("status", "--porcelain").stdout
    assert not clone.git("diff", "--name-only").stdout  # environment.json is as it is in git


def test_the_shipped_lock_holds_the_raw_data_of_digits_alone():
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    stage = lock["stages"]["fetch@digits"]
    assert stage["outs"][0]["path"] == "data/raw/digits"


def test_the_digest_is_the_one_that_dvc_gives_a_folder(ran: Project):
    lock = yaml.safe_load((ran.folder / "dvc.lock").read_text())
    recorded = lock["stages"]["fetch@micro"]["outs"][0]["md5"]
    assert versioning.folder_md5(ran.folder / "data" / "raw" / "micro") == recorded
