"""`temper calibrate`, end to end: a bundle, a device that is this machine, its figures shown."""

import json
import os
import sys
import zipfile

import pytest

from flows import calibrating, calibrations, remote, versioning, view
from tasks.core.artifacts import named
from tasks.core.errors import DataError, ParamsError, TemperError
from tasks.core.plugins import plugin
from tasks.recommend.params import Params
from tests import samples

PI = "raspberry_pi_5"
WORKLOAD = """
workloads:
  digits:
    table: {task: classification, target: digit}
    ingest: {dataset: digits}
"""
# what the real ones do, on this machine; a remote shell gets the words joined, as with ssh
SSH = """#!/bin/sh
[ "$1" = -- ] && [ "$2" = pi@device ] || exit 255
shift 2
cd "$REMOTE" && case "$*" in
  *measure.py*) exec sh -c "$* --rounds 6 --samples 6" ;;
  *) exec sh -c "$*" ;;
esac
"""
SCP = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
cd "$REMOTE" && cp -r "${2#pi@device:}" "${3#pi@device:}"
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Give a project whose last run made two variants of digits, one with a graph."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(WORKLOAD)
    monkeypatch.setenv("TEMPER_PROJECT", str(folder))
    samples.home(monkeypatch, tmp_path / "home")
    kept = ("compress/mlp/fp32", "compress/baseline/int8_cpu")
    variants = [a for a in samples.compressed() if a.name in kept]
    view.publish("digits", named(samples.prepared(), *variants), ["features", "compress"])
    return folder


@pytest.fixture
def device(tmp_path, monkeypatch):
    """Give a folder that ssh and scp take for another machine, with one core."""
    there, commands = tmp_path / "device", tmp_path / "bin"
    for folder in (there, commands):
        folder.mkdir()
    for name, text in (("ssh", SSH), ("scp", SCP)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("REMOTE", str(there))
    monkeypatch.delattr(plugin("device", PI), "BOARD")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield there
    os.sched_setaffinity(0, cores)


def test_a_device_is_measured_by_ssh_and_its_figures_are_shown(project, device):
    before = versioning._dependencies("digits")
    calibrating.calibrate("digits", PI, ssh="pi@device", python=sys.executable)
    assert list(device.iterdir()) == []  # the rows of the user's data are gone
    path = project / "devices" / PI / "digits.json"
    assert calibrations.files("digits") == [path]
    assert versioning._dependencies("digits") != before
    assert calibrations.of("other") == []
    found = recommended(calibrations.of("digits"))
    kinds = {row["variant"]: row["kind"] for row in found if row["device"] == PI}
    assert kinds.pop("mlp/fp32") == "measured"
    assert set(kinds.values()) == {"estimate"}
    (own,) = (row for row in found if row["variant"] == "mlp/fp32")
    low, high = own["latency_ms"]["1"]
    assert low <= own["measured"]["by_threads"]["1"]["p50_ms"] <= high
    refused(path)


def recommended(measured):
    from tasks.recommend.task import recommend

    params = Params(devices=[])
    devices = params.plugins([of.device for of in measured])
    made = recommend.fn(
        samples.measured(), samples.board(), samples.compressed(), params, devices, measured
    )
    return json.loads(made.file("recommendation.json").read_text())["devices"]


def refused(path):
    """Take in the sound file with something wrong in it."""
    sound, wrong = path.read_text(), path.parents[1] / "wrong.json"
    for old, new, said in (
        ('"raspberry_pi_5"', '"raspberry_pi_4"', "on a raspberry_pi_4"),
        ('"digits"', '"micro"', "found micro on a raspberry_pi_5"),
        (json.loads(sound)["rows"][0]["graph"], "0" * 64, "none of its graphs is a variant"),
    ):
        wrong.write_text(sound.replace(old, new))
        with pytest.raises(DataError, match=said):
            calibrating.calibrate("digits", PI, measured=wrong)
    assert path.read_text() == sound
    path.write_text(sound.replace('"digits"', '"micro"'))
    with pytest.raises(DataError, match="expected the figures of digits"):
        calibrations.of("digits")


def test_this_machine_says_where_its_measurement_failed(project, tmp_path):
    (tmp_path / "measure.py").write_text("raise SystemExit('no bundle here')")
    with pytest.raises(TemperError, match="ended with code 1"):
        calibrating.measure_here(tmp_path)


def test_a_bundle_is_a_folder_or_a_zip_and_never_written_over(project, tmp_path, capsys):
    calibrating.calibrate("digits", PI, bundle=tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        names, told = set(archive.namelist()), archive.read("b/README.txt").decode()
    assert {"b/measure.py", "b/manifest.json", "b/README.txt", "b/graphs/mlp/fp32.onnx"} <= names
    assert "scp -r b pi@raspberrypi:" in told
    assert "1 graph (mlp/fp32)" in capsys.readouterr().out
    calibrating.calibrate("digits", PI, bundle=tmp_path / "my pi")
    assert "scp -r 'my pi' pi@raspberrypi:" in (tmp_path / "my pi" / "README.txt").read_text()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    for target in ("b", "b.zip"):
        with pytest.raises(ParamsError, match="it is there already"):
            calibrating.calibrate("digits", PI, bundle=tmp_path / target)


def test_exactly_one_way(project, tmp_path):
    with pytest.raises(ParamsError, match="found 0; only this_machine"):
        calibrating.calibrate("digits", PI)
    with pytest.raises(ParamsError, match="found 2"):
        calibrating.calibrate("digits", PI, bundle=tmp_path / "b", ssh="pi@device")
    with pytest.raises(ParamsError, match="unknown device"):
        calibrating.calibrate("digits", "raspberry_pi_6", ssh="pi@device")


def test_a_file_that_is_not_there_says_where_it_comes_from(project, tmp_path):
    advice = r"none.json: cannot be read: No such file or directory. .* measure.py .*README.txt"
    with pytest.raises(DataError, match=advice) as caught:
        calibrating.calibrate("digits", PI, measured=tmp_path / "none.json")
    assert "Errno" not in str(caught.value)
    (tmp_path / "raw.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read: it is no text"):
        calibrating.calibrate("digits", PI, measured=tmp_path / "raw.json")


@pytest.mark.parametrize(
    ("host", "python"),
    [
        ("-oProxyCommand=touch x", "python3"),
        ("pi@-device", "python3"),
        ("pi@device; reboot", "python3"),
        ("pi@device:folder", "python3"),
        ("pi@device\n", "python3"),
        ("", "python3"),
        ("pi@device", "-c"),
        ("pi@device", "python3;reboot"),
        ("pi@device", "$(reboot)"),
    ],
)
def test_a_host_is_no_option_and_no_command(tmp_path, host, python):
    with pytest.raises(ParamsError, match="expected the form"):
        remote.measure(tmp_path, host, python)


def test_without_ssh_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TemperError, match="no `scp` here: write the bundle with --bundle"):
        remote.measure(tmp_path, "pi@device", "python3")


def test_a_device_that_fails_is_cleaned_and_told(device, tmp_path):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(TemperError, match="could not measure: `ssh -- pi@device"):
        remote.measure(tmp_path / "bundle", "pi@device", sys.executable)
    assert list(device.iterdir()) == []


def test_a_host_that_is_not_there_has_nothing_left_on_it(device, tmp_path, capfd):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(TemperError, match=r"could not start Python on pi@none; nothing was copied"):
        remote.measure(tmp_path / "bundle", "pi@none", sys.executable)
    told = capfd.readouterr()
    assert "may be left" not in told.out + told.err
    assert list(device.iterdir()) == []


def test_why_names_the_file():
    from flows.explain import words

    changed = [["arguments", "calibrations"], [], [{"device": PI}]]
    assert words(changed, "digits", "recommend") == "input devices/*/digits.json"
