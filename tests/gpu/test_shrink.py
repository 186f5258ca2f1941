"""Techniques that fit further, on an NVIDIA GPU: they leave a graph for the CPU like any other."""

import json

import pytest

from tasks.compress import beginnings, variants
from tasks.core import devices
from tasks.core.fitting import FitContext
from tests.compressed import TECHNIQUES, TOLERANCE, certificate, technique

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not devices.gpus(), reason="NVML finds no NVIDIA GPU here"),
]
FITS = ("prune_structured", "prune_unstructured", "sparse_2_4", "distill", "qat")


@pytest.mark.parametrize("name", FITS)
def test_a_network_is_fitted_further_and_compressed(name, digits, tmp_path):
    begun, made = tmp_path / "begun", tmp_path / "made"
    begun.mkdir()
    made.mkdir()
    step = technique(name, **TECHNIQUES.get(name, {}))
    origin = (digits.fp32("convnet"), digits.fitted("convnet"))
    beginnings.write(
        *(begun, *origin, None, digits.model("convnet"), step, digits.data.folder),
        *(digits.metrics, TOLERANCE, FitContext(device="cuda", checkpoint=tmp_path / "fits")),
    )
    stated = json.loads((begun / beginnings.FILE).read_text())
    assert stated["status"] == "ok", stated
    variants.write_compressed(
        *(made, *origin, digits.model("convnet"), name, [step, technique("ptq_int8")]),
        *(digits.data.folder, digits.metrics, TOLERANCE, 64, 0, begun),
    )
    assert certificate(made)["status"] == "ok", certificate(made)["reason"]
