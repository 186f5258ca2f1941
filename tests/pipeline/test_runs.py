"""`temper run` as a user sees it: steps, exit codes, messages, saved params."""

import yaml

from tests.pipeline.conftest import ROOT, Project, counts


def test_until_stops_after_a_step(ran: Project, here):
    before = ran.shown()
    done = here(ran)("run", "micro", "--until", "compare")
    assert done.returncode == 0, done.stderr
    assert counts(done.stdout) == (0, 10)
    assert "Last artifact: compare/leaderboard" in done.stdout
    assert ran.shown() == before


def test_wrong_params_exit_2_all_at_once(ran: Project, here):
    temper = here(ran)
    done = temper(
        *("run", "micro", "--set", "train.models.linaer={}", "--set", "compare.resampels=3")
    )
    assert done.returncode == 2
    assert "Did you mean 'linear'" in done.stderr or "resamples" in done.stderr
    for arguments, words in (
        (("run", "micor"), "Did you mean 'micro'"),
        (("run", "micro", "--until", "fetures"), "Did you mean 'features'"),
        (("run", "micro", "--set", "nonsense"), "expected path.to.key=value"),
    ):
        done = temper(*arguments)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_wrong_data_exits_2_without_a_traceback(ran: Project, here):
    before = ran.shown()
    broken = ran.folder.parent / "broken.csv"
    broken.write_text("")
    settings = ("--set", "ingest.dataset=table", "--set", "ingest.options={}")
    done = here(ran)("run", "micro", *settings, "--set", f"ingest.path={broken}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "DataError" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ran.shown() == before


def test_an_unexpected_failure_exits_1_and_says_where_its_log_is(beside: Project):
    body = beside.folder / "tasks" / "clean" / "task.py"
    text = body.read_text()
    head, _, _ = text.partition('    """Return')
    body.write_text(text.replace(head, head + '    raise ZeroDivisionError("boom")\n', 1))
    done = beside.temper("run", "micro", "--until", "clean")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "boom" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    log = beside.home / "logs" / "last-failure.log"
    assert str(log) in done.stderr
    assert "ZeroDivisionError: boom" in log.read_text()


def test_code_changed_during_a_run_leaves_the_lock_as_it_was(ran: Project):
    lock = (ran.folder / "dvc.lock").read_bytes()
    files = {name: ran.folder / "flows" / f"{name}.py" for name in ("release", "train")}
    texts = {name: path.read_text() for name, path in files.items()}
    touch = (  # the run itself changes the code, as an editor would meanwhile
        "    import pathlib\n"
        "    with open(pathlib.Path(__file__).with_name('train.py'), 'a') as stream:\n"
        "        stream.write('# changed\\n')\n"
        "    return done\n"
    )
    try:
        files["release"].write_text(texts["release"].replace("\n    return done\n", "\n" + touch))
        done = ran.temper("run", "micro")
        assert done.returncode == 0, done.stderr
        assert "changed during the run" in done.stderr
        assert (ran.folder / "dvc.lock").read_bytes() == lock
    finally:
        for name, text in texts.items():
            files[name].write_text(text)


def test_save_writes_the_params(ran: Project, here):
    params = ran.folder / "params.yaml"
    text = params.read_text()
    try:
        done = here(ran)(
            *("run", "micro", "--until", "ingest", "--set", "recommend.goal=size", "--save")
        )
        assert done.returncode == 0, done.stderr
        saved = yaml.safe_load(params.read_text())
        assert saved["workloads"]["micro"]["recommend"] == {"devices": [], "goal": "size"}
        lines = set(params.read_text().splitlines())
        assert [line for line in text.splitlines() if "#" in line and line not in lines] == []
    finally:
        params.write_text(text)


def test_other_raw_data_than_git_says_is_an_error(ran: Project, here):
    lock = ran.folder / "dvc.lock"
    text = lock.read_text()
    recorded = yaml.safe_load(text)["stages"]["fetch@micro"]["outs"][0]["md5"]
    try:
        lock.write_text(text.replace(recorded, "0" * 32 + ".dir"))
        done = here(ran)("run", "micro", "--until", "ingest")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "temper fetch micro" in done.stderr
    finally:
        lock.write_text(text)


def test_check_plugins_slots_and_doctor_say_what_is(ran: Project, here):
    temper = here(ran)
    checked = temper("check")
    assert checked.returncode == 0
    assert "micro" in checked.stdout
    listed = temper("plugins").stdout
    for path in (ROOT / "tasks" / "train" / "models").glob("[a-z]*.py"):
        assert path.stem in listed
    assert temper("slots").stdout.strip() == "no slot is held"
    found = temper("doctor")
    assert found.returncode in (0, 1)
    assert "Python 3." in found.stdout
    assert str(ran.home) in found.stdout.replace("\n", "")
    assert (found.returncode == 1) == ("problem" in [w.split()[0] for w in _lines(found.stdout)])
    assert "Traceback" not in found.stderr


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
