"""The graph writer: equal to torch, in standard operators, for every layer it knows."""

from functools import partial

import numpy as np
import pytest

from tasks.nets import architectures, determinism, export, fitting


def outputs(model, X: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})[0]


def trained_norms(network) -> None:
    """Give batch normalisation statistics that are not 0 and 1."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight.data):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 12, 3), (28, 28, 1), (64, 64, 3)])
def test_convnet_graphs_equal_torch(shape):
    X = np.random.default_rng(0).random((5, int(np.prod(shape))), dtype=np.float32)
    with determinism.reproducible(0, 1):
        network = architectures.convnet(X, shape, 4, 6, 0.1)
        trained_norms(network)
        expected = fitting.outputs_of(network, X)
    model = export.to_onnx(network, X.shape[1], "regression", offset=2.0, scale=3.0)
    np.testing.assert_allclose(outputs(model, X), expected * 3 + 2, rtol=1e-4, atol=1e-4)
    kinds = {node.op_type for node in model.graph.node}
    assert {node.domain for node in model.graph.node} == {""}
    assert "BatchNormalization" not in kinds  # folded into the convolutions
    assert "Conv" in kinds


@pytest.mark.parametrize("bins", [0, 5])
def test_mlp_graphs_equal_torch_far_outside_the_training_rows_too(bins):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)).astype(np.float32)
    X[:, 1] = 7.0  # constant
    X[:, 2] = np.round(X[:, 2])  # many bins are empty
    with determinism.reproducible(0, 1):
        network = architectures.mlp(X, 3, 16, 2, bins, 0.1)
    far = np.concatenate([X, 100 * X, -100 * X])
    expected = fitting.outputs_of(network, far)
    expected = np.exp(expected - expected.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    model = export.to_onnx(network, 4, "classification")
    np.testing.assert_allclose(outputs(model, far), expected, atol=1e-5)
    assert {node.domain for node in model.graph.node} == {""}


def test_openvino_takes_the_graphs():
    import openvino

    X = np.random.default_rng(0).random((6, 64), dtype=np.float32)
    with determinism.reproducible(0, 1):
        networks = [
            architectures.convnet(X, (8, 8, 1), 3, 4, 0.0),
            architectures.mlp(X, 3, 8, 2, 4, 0.1),
        ]
    for network in networks:
        model = export.to_onnx(network, 64, "classification")
        compiled = openvino.Core().compile_model(
            openvino.Core().read_model(model.SerializeToString()),
            "CPU",
            {"INFERENCE_PRECISION_HINT": "f32"},
        )
        found = compiled({"X": X})[compiled.output(0)]
        np.testing.assert_allclose(found, outputs(model, X), atol=1e-5)


FAMOUS = {  # at the paper's width and ten classes: millions of weights
    "resnet18": (architectures.resnet18, 64, 11.2),
    "vgg16": (architectures.vgg, 64, 15.0),
    "vgg19": (partial(architectures.vgg, depth=19), 64, 20.3),
    "mobilenet_v2": (architectures.mobilenet_v2, 32, 2.24),
}


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (64, 72, 3)])
@pytest.mark.parametrize("name", FAMOUS)
def test_famous_graphs_equal_torch_and_openvino_takes_them(name, shape):
    import openvino
    import torch

    X = np.random.default_rng(0).random((4, int(np.prod(shape))), dtype=np.float32)
    with determinism.reproducible(0, 1):
        network = FAMOUS[name][0](X, shape, 5, 8, 0.1)
        network.train()
        with torch.no_grad():  # running means that are not 0
            network(torch.from_numpy(X))
    expected = fitting.outputs_of(network, X)
    expected = np.exp(expected - expected.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    model = export.to_onnx(network, X.shape[1], "classification")
    np.testing.assert_allclose(outputs(model, X), expected, atol=1e-5)
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    np.testing.assert_allclose(compiled({"X": X})[compiled.output(0)], expected, atol=1e-5)


@pytest.mark.parametrize("name", FAMOUS)
def test_famous_networks_have_the_weights_of_their_papers(name):
    build, width, millions = FAMOUS[name]
    network = build(np.zeros((2, 3072), np.float32), (32, 32, 3), 10, width, 0.0)
    count = sum(p.numel() for p in network.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.01)


def test_an_unknown_layer_is_named():
    from torch import nn

    with pytest.raises(TypeError, match="Tanh"):
        export.to_onnx(nn.Sequential(nn.Tanh(), nn.Linear(2, 2)), 2, "regression")


def test_the_weights_of_the_convnet_for_digits_are_worth_compressing():
    X = np.zeros((2, 64), np.float32)
    network = architectures.convnet(X, (8, 8, 1), 10, 32, 0.1)
    assert 60_000 < sum(p.numel() for p in network.parameters()) < 150_000
