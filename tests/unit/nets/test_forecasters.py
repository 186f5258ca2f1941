"""Networks that forecast: their layers against the papers' formulas, and as graphs."""

from typing import Any

import numpy as np
import pytest

from tasks.nets import determinism, export_forecasters, export_layers, fitting, forecasters
from tasks.nets.scaling import Scaling, fitted

BODIES: dict[str, dict[str, Any]] = {
    "lstm": {"width": 6, "depth": 2, "dropout": 0.1},
    "tcn": {"width": 6, "kernel": 3, "dropout": 0.1},
    "tft": {"width": 6, "heads": 2, "dropout": 0.1},
}
SHAPES = {
    "usual": {"context": 21, "horizon": 7, "channels": 4, "known": 2, "season": 6, "static": 0},
    "static": {"context": 8, "horizon": 3, "channels": 2, "known": 1, "season": 4, "static": 3},
    "others": {"context": 9, "horizon": 2, "channels": 3, "known": 1, "season": 4, "static": 1}
    | {"lead": 0, "own_past": False},
    "least": {"context": 5, "horizon": 1, "channels": 1, "known": 0, "season": 6, "static": 0},
}
LEVELS = {"usual": [0.05, 0.25, 0.5, 0.75, 0.9], "static": [0.1, 0.5, 0.9], "least": [0.5]}
LEVELS["others"] = LEVELS["static"]


def network(kind: str, shape: str = "usual", relative: str | None = None, **scaling: Any):
    """Return a network with weights and offsets at random, its scaling, and rows for it."""
    import torch

    from tasks.nets.windows import Shape

    features = Shape(**SHAPES[shape]).features
    X = np.random.default_rng(0).normal(100, 40, (30, features)).astype(np.float32)
    ends = {"quantiles": LEVELS[shape], "relative": relative}
    ends["scaling"] = {"offset": 100.0, "scale": 40.0} | scaling
    with determinism.reproducible(0, 1):
        made = forecasters.build(X, kind, SHAPES[shape], ends, **BODIES[kind]).eval()
        made.offsets.copy_(0.3 * torch.randn(made.offsets.shape))
    return made, Scaling(**ends["scaling"]), X


def graph_outputs(model, X: np.ndarray) -> np.ndarray:
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)
    return np.asarray(session.run(None, {"X": X})[0])


@pytest.mark.parametrize("relative", [None, "last", "window"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", BODIES)
def test_graphs_equal_torch_for_any_number_of_rows(kind, shape, relative):
    if relative and shape == "others":
        pytest.skip("the target's own past is not seen: nothing is relative to it")
    log = {"offset": 2.0, "scale": 0.5, "unit": 10.0} if relative else {}
    made, scaling, X = network(kind, shape, relative, **log)
    expected = scaling.up(fitting.outputs_of(made, X))
    model = export_forecasters.to_onnx(made, scaling)
    assert {node.domain for node in model.graph.node} == {""}
    size = np.abs(expected).mean()
    np.testing.assert_allclose(graph_outputs(model, X) / size, expected / size, atol=2e-5)
    np.testing.assert_allclose(graph_outputs(model, X[:1]) / size, expected[:1] / size, atol=2e-5)
    levels = expected.reshape(30, SHAPES[shape]["horizon"], len(LEVELS[shape]))
    assert (np.diff(levels, axis=2) >= 0).all()  # though offsets at random would cross them


@pytest.mark.parametrize("kind", BODIES)
def test_openvino_takes_the_graphs(kind):
    import openvino

    made, scaling, X = network(kind, "static", "window", offset=2.0, scale=0.5, unit=10.0)
    model = export_forecasters.to_onnx(made, scaling)
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    np.testing.assert_allclose(
        compiled({"X": X})[compiled.output(0)], graph_outputs(model, X), rtol=1e-4
    )


def test_a_layer_without_a_graph_is_named():
    from torch import nn

    from tasks.core.graph import Graph

    with pytest.raises(TypeError, match="Tanh"):
        export_layers.layer(Graph(), nn.Tanh(), "X")


def test_windows_are_the_rows_taken_apart_and_standardised():
    import torch

    made, _, X = network("lstm", "static", offset=2.0, scale=0.5, unit=10.0)
    past, known, static = (part.numpy() for part in made.windows(torch.from_numpy(X)))
    assert past.shape == (30, 8, 2)
    assert known.shape == (30, 3, 1)
    target = np.sign(X[:, :16:2]) * np.log1p(np.abs(X[:, :16:2]) / 10)
    np.testing.assert_allclose(past[:, :, 0], (target - 2) / 0.5, rtol=1e-4, atol=1e-5)
    for part in (past[:, :, 1], known, static[:, :1]):
        assert abs(part.mean()) < 1e-5
        assert part.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(known[:, :, 0].std(1), X[:, 16:19].std(1) / X[:, 16:19].std(), 1e-4)


def test_each_step_ahead_is_told_of_the_same_time_of_the_last_season():
    import torch

    made, _, X = network("lstm")  # 21 steps of context, 7 ahead, a season of 6
    seen = made.seen(torch.from_numpy(X))
    shown = seen.ahead[:, :, 2].numpy()
    expected = seen.past[:, :, 0].numpy()[:, [15, 16, 17, 18, 19, 20, 15]]
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_allclose(seen.ahead[0, :, 3].numpy(), np.arange(1, 8) / 7, rtol=1e-6)
    np.testing.assert_allclose(seen.ahead[0, :, 4].numpy(), 1 / np.arange(1, 8), rtol=1e-6)


@pytest.mark.parametrize("relative", ["last", "window"])
def test_a_relative_network_sees_the_same_whatever_the_level(relative):
    """Kim et al. 2022, section 3: only the window's own mean and spread are told beside it."""
    import torch

    made, _, X = network("lstm", "least", relative)
    made.windows.scales[0].mean.zero_()
    before, after = (made.seen(torch.from_numpy(x)) for x in (X, X + 40))
    close: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(after.past, before.past, **close)
    torch.testing.assert_close(after.ahead, before.ahead, **close)
    moved = after.centre - before.centre
    torch.testing.assert_close(moved, torch.full_like(moved, 1.0))  # 40 of a spread of 40
    if relative == "last":
        assert (before.past[:, -1, 0] == 0).all()
    else:
        torch.testing.assert_close(before.past[:, :, 0].mean(1), torch.zeros(30), atol=1e-5, rtol=0)


def test_ascending_numbers_start_from_the_median():
    import torch

    from tasks.nets.windows import Ascending, outward

    x = torch.tensor([[0.5, -1.0, 3.0, 0.0, 2.0]])
    found = Ascending(2)(x)[0]
    soft = torch.nn.functional.softplus(x[0])
    expected = [3 - soft[0] - soft[1], 3 - soft[1], 3.0, 3 + soft[3], 3 + soft[3] + soft[4]]
    torch.testing.assert_close(found, torch.tensor([float(v) for v in expected]))
    crossed = torch.tensor([[4.0, 1.0, 3.0, 2.0, 5.0]])
    assert outward(crossed, 2).tolist() == [[1.0, 1.0, 3.0, 3.0, 5.0]]


def test_the_pinball_loss_is_that_of_the_metric():
    import torch

    from tasks.nets.windows import pinball

    outputs, y = torch.tensor([[1.0, 2.0, 4.0, 0.0, 5.0, 6.0]]), torch.tensor([[3.0, 1.0]])
    q = np.array([[[1.0, 2.0, 4.0], [0.0, 5.0, 6.0]]])
    away = y.numpy()[:, :, None] - q
    levels = np.array([0.1, 0.5, 0.9])
    expected = np.where(away >= 0, levels * away, (levels - 1) * away).mean()
    assert float(pinball(outputs, y, [0.1, 0.5, 0.9])) == pytest.approx(float(expected))


@pytest.mark.parametrize("log", [False, True])
def test_a_scaling_goes_down_and_up(log):
    y = np.array([0.0, -3.0, 10.0, 60.0, 1080.0])
    scaling = fitted(y, log)
    z = scaling.down(y)
    assert z.mean() == pytest.approx(0, abs=1e-12)
    assert z.std() == pytest.approx(1)
    np.testing.assert_allclose(scaling.up(z), y, atol=1e-9)
    assert fitted(np.zeros(3), log).scale == 1.0


@pytest.mark.parametrize("context", [2, 3, 8, 21, 144])
def test_a_thinned_network_is_the_dilated_one(context):
    """Bai et al. 2018, equation 1: F(s) = sum over i of f(i) x(s - d i), with zeros before."""
    import torch

    from tasks.nets.recurrent import Block, Convolutions
    from tasks.nets.windows import Shape

    with determinism.reproducible(0, 1):
        encoder = Convolutions(Shape(context, 1, 3, 0, 6), 5, 3, 0.1).eval()
        x = torch.randn(4, context, 3)
    blocks = [layer for layer in encoder.layers if isinstance(layer, Block)]
    steps = x.transpose(1, 2)
    for at, block in enumerate(blocks):
        inner = steps
        for place in (0, 3):
            f: Any = block.body[place]
            d = 2**at
            padded = torch.nn.functional.pad(inner, (2 * d, 0))
            inner = torch.nn.functional.conv1d(padded, f.weight, f.bias, dilation=d).relu()
        steps = (inner + block.shortcut(steps)).relu()
    torch.testing.assert_close(encoder(x), steps[:, :, -1], rtol=1e-4, atol=1e-5)
    assert 1 + 4 * (2 ** len(blocks) - 1) >= context


def test_a_gated_residual_is_that_of_the_paper():
    """Equations 2 to 5: norm(a + GLU(W1 ELU(W2 a + W3 c + b2) + b1))."""
    import torch

    from tasks.nets.fusion import GatedResidual

    with determinism.reproducible(0, 1):
        block = GatedResidual(3, 4, 4, 0.1, context=True).eval()
        a, c = torch.randn(2, 5, 3), torch.randn(2, 4)
    w = {name: p.detach().double().numpy() for name, p in block.named_parameters()}
    x, context = a.double().numpy(), c.double().numpy()[:, None]
    inner = x @ w["first.weight"].T + w["first.bias"] + context @ w["context.weight"].T
    inner = np.where(inner > 0, inner, np.exp(inner) - 1)
    inner = inner @ w["second.weight"].T + w["second.bias"]
    both = inner @ w["gate.linear.weight"].T + w["gate.linear.bias"]
    added = x @ w["skip.weight"].T + w["skip.bias"] + both[..., :4] / (1 + np.exp(-both[..., 4:]))
    normed = (added - added.mean(-1, keepdims=True)) / np.sqrt(added.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(block(a, c).detach().numpy(), normed, rtol=1e-4, atol=1e-5)


def test_variables_at_once_are_each_a_gated_residual_of_its_embedding():
    import torch

    from tasks.nets.fusion import GatedResidual, Variables

    with determinism.reproducible(0, 1):
        many, one = Variables(3, 4, 0.1).eval(), GatedResidual(4, 4, 4, 0.1).eval()
        x = torch.randn(2, 5, 3)
        weight, bias = torch.randn(4), torch.randn(4)
    with torch.no_grad():
        scale, shift = many.embedding[:, 1, 0]
        first = one.first.weight @ torch.stack([weight, bias], 1) + torch.stack(
            [torch.zeros(4), one.first.bias], 1
        )
        many.embedding[0, 1, 0], many.embedding[1, 1, 0] = weight, bias
        many.first[0, 1, 0], many.first[1, 1, 0] = first[:, 0], first[:, 1]
        many.kernel[1] = (one.gate.linear.weight @ one.second.weight).T
        many.kernel_bias[1, 0] = one.gate.linear.weight @ one.second.bias + one.gate.linear.bias
        embedded = x[..., 1:2] * weight + bias
        expected = one(embedded).reshape(10, 4)
    assert scale.shape == shift.shape == (4,)
    torch.testing.assert_close(many(x)[1], expected, rtol=1e-4, atol=1e-5)


def test_selection_weighs_its_variables():
    import torch

    from tasks.nets.fusion import Selection

    with determinism.reproducible(0, 1):
        block = Selection(3, 4, 0.1).eval()
        x, context = torch.randn(2, 5, 3), torch.randn(2, 4)
    weights = block.weights(x, context)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5))
    each = block.variables(x).reshape(3, 2, 5, 4)
    expected = torch.einsum("ntv,vntd->ntd", weights, each)
    torch.testing.assert_close(block(x, context), expected, rtol=1e-4, atol=1e-5)


def test_attention_sees_no_later_step_and_is_a_mean_of_heads_on_shared_values():
    import torch

    from tasks.nets.fusion import Attention

    with determinism.reproducible(0, 1):
        block = Attention(context=6, ahead=3, width=4, heads=2).eval()
        steps = torch.randn(2, 9, 4)
    weights = block.weights(steps)
    assert weights.shape == (2, 2, 3, 9)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 3))
    for step in range(3):
        assert (weights[:, :, step, 6 + step + 1 :] == 0).all()
        assert (weights[:, :, step, : 6 + step + 1] > 0).all()
    query, key = block.query(steps[:, 6:]), block.key(steps)
    score = query[:, 1, 2:] @ key[0, :8, 2:].T / np.sqrt(2)  # the second head, the second step
    torch.testing.assert_close(weights[0, 1, 1, :8], torch.softmax(score[0], -1))
    expected = block.out(weights.mean(1) @ block.value(steps))
    torch.testing.assert_close(block(steps), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_known_of_a_step_changes_no_earlier_one(kind):
    made, scaling, X = network(kind)
    before = scaling.up(fitting.outputs_of(made, X)).reshape(30, 7, 5)
    other = X.copy()
    known = other[:, 21 * 4 :].reshape(30, 7, 2)
    known[:, 4] += 50
    after = scaling.up(fitting.outputs_of(made, other)).reshape(30, 7, 5)
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (np.abs(after[:, 4] - before[:, 4]).max(1) > 0).all()
    past = X.copy()
    past[:, 20 * 4] += 50  # the target's last value
    moved = scaling.up(fitting.outputs_of(made, past)).reshape(30, 7, 5)
    assert (np.abs(moved - before).max(2) > 0).all()


def test_gates_are_put_into_the_order_of_onnx():
    import torch

    weights = torch.arange(8.0).reshape(8, 1)  # i i f f c c o o
    found = export_layers._gates(weights)[:, 0]
    assert found.tolist() == [0, 1, 6, 7, 2, 3, 4, 5]  # i i o o f f c c
