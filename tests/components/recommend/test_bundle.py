"""The bundle that a device measures by: what is in it, and its measure.py run for real."""

import ast
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.core.artifacts import file_digest
from tasks.recommend.bundle import measure as script
from tasks.recommend.bundle.write import write
from tasks.recommend.measured import read

MIB = 2**20
FEW = ("--rounds", "6", "--samples", "12")


def texts(values=0):
    """Return a graph of a text and numbers; with `values`, of an activation of so many besides."""
    inputs = [
        helper.make_tensor_value_info("colour", TensorProto.STRING, ["N", 1]),
        helper.make_tensor_value_info("file", TensorProto.FLOAT, ["N", 1]),
    ]
    made = {
        "cats_strings": ["red", "blue"],
        "cats_int64s": [1, 2],
    }
    nodes = [
        helper.make_node("CategoryMapper", ["colour"], ["code"], domain="ai.onnx.ml", **made),
        helper.make_node("Cast", ["code"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["number", "file"], ["sum"]),
    ]
    weights = []
    if values:
        weights = [numpy_helper.from_array(np.array([1, values], np.int64), "wide")]
        nodes += [
            helper.make_node("Expand", ["sum", "wide"], ["all"]),
            helper.make_node("ReduceMax", ["all"], ["out"], keepdims=1),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["sum"], ["out"]))
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    made = helper.make_graph(nodes, "hand-made", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()


def variant(folder, label, graph, **stated):
    folder = folder / label
    folder.mkdir()
    facts = {"model": "m", "label": label, "status": "ok", "precision": "fp32", **stated}
    (folder / "variant.json").write_text(json.dumps(facts))
    if graph:
        (folder / "model.onnx").write_bytes(graph)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Give a bundle of a small graph (twice), one of 512 MiB of activations, one that failed."""
    folder, out = tmp_path_factory.mktemp("variants"), tmp_path_factory.mktemp("bundle")
    variants = [
        variant(folder, "fp32", texts()),
        variant(folder, "simplified", texts()),
        variant(folder, "wide", texts(128 * MIB)),
        variant(folder, "int8_cpu", None, status="failed"),
    ]
    rows = {
        "colour": np.array([["red"], ["blue"]], object),
        "file": np.array([[0.5], [1.5]], np.float32),
    }
    assert write(out, "shop", "this_machine", variants, rows) == ["m/fp32", "m/wide"]
    return out


def run(folder, *options, **limits):
    command = [sys.executable, "-I", str(folder / "measure.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, **limits)


def little_memory():
    """Leave a process less than the wide graph needs, and one core: fewer processes."""
    resource.setrlimit(resource.RLIMIT_AS, (640 * MIB, 640 * MIB))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def test_the_bundle_is_measured_where_nothing_of_temper_is(bundle, tmp_path):
    place, sensor = tmp_path / "device", tmp_path / "power1_input"
    shutil.copytree(bundle, place)
    sensor.write_text("2500000\n")
    options = (*FEW, "--power-file", str(sensor), "--power-scale", "1e-6")
    code = place / "measure.py"
    code.write_text(code.read_text().replace("EVERY_S = 3.0, 0.1", "EVERY_S = 0.3, 0.05"))
    done = run(place, *options, preexec_fn=little_memory)
    assert done.returncode == 0, done.stderr
    found = read(place / "measured.json")
    assert (found.workload, found.device) == ("shop", "this_machine")
    assert set(found.machine.libraries) == {"numpy", "onnxruntime"}
    small, wide = found.rows
    assert small.graph == file_digest(bundle / "graphs" / "m" / "fp32.onnx")
    assert (small.status, small.threads, small.max_difference) == ("ok", 1, 0.0)
    assert small.samples >= 12
    assert 0 < small.p50_low <= small.p50_ms <= small.p50_high < 50
    assert 20 < small.base_rss_mib < small.peak_rss_mib < 700
    assert (small.watts, found.idle_w) == (2.5, 2.5)
    assert small.energy_mj == pytest.approx(2.5 * small.p50_ms, rel=3)  # of a few calls
    assert (wide.status, wide.p50_ms) == ("memory", None)
    assert wide.reason


def test_a_damaged_copy_is_refused(bundle, tmp_path):
    place = tmp_path / "device"
    shutil.copytree(bundle, place)
    (place / "graphs" / "m" / "fp32.onnx").write_bytes(b"cut")
    done = run(place)
    assert done.returncode == 1
    assert "fp32.onnx: expected sha256" in done.stderr
    assert "Copy it again" in done.stderr


def test_it_says_what_to_install(bundle):
    command = [sys.executable, "-I", "-S", str(bundle / "measure.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No module named 'numpy'" in done.stderr
    assert "python3 -m pip install numpy onnxruntime" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_is_python_3_9(bundle):
    ast.parse((bundle / "measure.py").read_text(), feature_version=(3, 9))


def test_what_it_is_told_to_copy_stands_in_the_readme(bundle):
    text = (bundle / "README.txt").read_text()
    assert "temper calibrate shop --device this_machine --measured measured.json" in text
    assert f"scp -r {bundle.name} pi@raspberrypi:temper-bundle" in text
    assert "{" not in text


def test_other_outputs_are_no_measurement():
    graph = {"compared": ["out"], "tolerance": 0.1}
    got = [[np.full((1, 2), value)] for value in (1.0, 1.05, 1.2)]
    found = script._agreement(np, got, [np.ones((3, 2))], graph)
    assert found["agreeing"] == pytest.approx(2 / 3)
    assert found["max_difference"] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="expected finite"):
        script._agreement(np, [[np.full((1, 2), np.nan)]], [np.ones((1, 2))], graph)


@pytest.mark.parametrize(("rounds", "rank"), [(6, 0), (8, 0), (9, 1), (10, 1), (20, 5)])
def test_the_interval_of_a_median_is_that_of_the_sign_test(rounds, rank):
    assert script._rank(rounds) == rank  # tables: Conover 1999, A3; n = 10: 2nd to 9th, 97.9 %
