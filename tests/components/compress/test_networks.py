"""Networks pruned, split and taught: what is left of them, and what the certificate says."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.compressed import certificate, technique


def weights(folder) -> list[np.ndarray]:
    """Return the weights of a graph's layers in order."""
    graph = onnx.load(folder / "model.onnx").graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    layers = [n for n in graph.node if n.op_type in ("Conv", "Gemm")]
    return [values[n.input[1]] for n in layers]


@pytest.mark.parametrize("epochs", [0, 1])
def test_the_smallest_weights_are_zero_and_stay_so(numbers, epochs):
    plugin = technique("prune_unstructured", share=0.6, epochs=epochs)
    folder = numbers.compressed("mlp", f"zeros_{epochs}", plugin)
    made = np.concatenate([w.ravel() for w in weights(folder)])
    assert (made == 0).mean() == pytest.approx(0.6, abs=0.01)
    if not epochs:
        before = np.concatenate([w.ravel() for w in weights(numbers.fp32("mlp"))])
        assert np.abs(before[made == 0]).max() <= np.abs(before[made != 0]).min()
        np.testing.assert_array_equal(made[made != 0], before[made != 0])
    stated = certificate(folder)
    assert stated["bytes"] == certificate(numbers.fp32("mlp"))["bytes"]
    assert "only the packed file" in stated["engines_note"]


def test_channels_are_taken_out_and_the_certificate_says_which(digits):
    plugin = technique("prune_structured", share=0.5, epochs=1)
    folder = digits.compressed("convnet", "narrow", plugin)
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    shapes = [w.shape for w in weights(folder)]
    before = [w.shape for w in weights(digits.fp32("convnet"))]
    assert [s[0] for s in shapes[:-1]] == [s[0] // 2 for s in before[:-1]]
    assert shapes[-1][0] == 10
    channels = stated["facts"]["prune_structured"]["channels"]
    assert sorted(after for _, after in channels.values()) == sorted(s[0] for s in shapes)
    assert stated["bytes"] < 0.35 * certificate(digits.fp32("convnet"))["bytes"]


def test_pruned_twice_it_says_what_went_in_all(digits):
    cut = [technique("prune_structured", share=0.5, multiple=n, epochs=0) for n in (8, 4)]
    folder = digits.compressed("convnet", "narrower", *cut)
    channels = certificate(folder)["facts"]["prune_structured"]["channels"].values()
    before, after = (
        sorted(w.shape[0] for w in weights(f)) for f in (digits.fp32("convnet"), folder)
    )
    assert sorted(first for first, _ in channels) == before
    assert sorted(left for _, left in channels) == after
    assert after[-1] < before[-1] / 2


def test_a_network_too_narrow_to_prune_says_so(digits):
    plugin = technique("prune_structured", share=0.2, multiple=16, epochs=0)
    stated = certificate(digits.compressed("convnet", "too_narrow", plugin))
    assert stated["status"] == "not_applicable"
    assert "multiples of 16 channels" in stated["reason"]


def test_a_linear_layer_becomes_two_thinner_ones(numbers):
    folder = numbers.compressed("mlp", "thin", technique("low_rank", energy=0.6, epochs=0))
    ranks = certificate(folder)["facts"]["low_rank"]["ranks"]
    assert ranks
    before, made = weights(numbers.fp32("mlp")), weights(folder)
    assert len(made) == len(before) + len(ranks)
    first, second = made[0], made[1]
    U, S, V = np.linalg.svd(before[0], full_matrices=False)
    rank = first.shape[0]
    best = (U[:, :rank] * S[:rank]) @ V[:rank]
    np.testing.assert_allclose(second @ first, best, atol=1e-4)
    assert (S[:rank] ** 2).sum() >= 0.6 * (S**2).sum() > (S[: rank - 1] ** 2).sum()


def test_a_student_stands_beside_one_that_learnt_alone(digits):
    stated = certificate(digits.compressed("convnet", "student", technique("distill")))
    assert stated["status"] == "ok", stated["reason"]
    found = stated["facts"]["distill"]
    assert found["taught"] == pytest.approx(stated["metrics"], abs=1e-6)
    assert set(found["alone"]) == set(found["taught"])
    assert found["alone"] != found["taught"]


def test_a_teacher_alone_is_copied():
    """With all the weight on the teacher, the loss of its own outputs is 0, else more."""
    import torch

    from tasks.nets.tuning import taught_by

    teacher = torch.nn.Linear(3, 4).eval()
    X, y = torch.randn(8, 3), torch.randint(0, 4, (8,))
    objective = taught_by(teacher, 1.0, 3.0)
    outputs = teacher(X).detach()
    assert float(objective(X, outputs, y)) == pytest.approx(0, abs=1e-6)
    assert float(objective(X, outputs + torch.randn(8, 4), y)) > 0.01
    teacher = torch.nn.Linear(3, 1).eval()
    outputs, values = torch.randn(8, 1), torch.randn(8, 1)
    apart, wrong = outputs - teacher(X).detach(), outputs - values
    expected = 0.25 * (apart**2).mean() + 0.75 * (wrong**2).mean()
    found = taught_by(teacher, 0.25, 3.0)(X, outputs, values)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_fitted_models_come_before_graphs_in_a_recipe(digits):
    recipe = (technique("fp16"), technique("prune_structured"))
    stated = certificate(digits.compressed("convnet", "late", *recipe))
    assert stated["status"] == "not_applicable"
    expected = "prune_structured: it starts from the fitted model: put it before fp16"
    assert stated["reason"] == expected


def test_a_hybrid_is_smaller_than_each_of_its_parts(digits):
    prune = technique("prune_structured", epochs=1)
    both = certificate(digits.compressed("convnet", "hybrid", prune, technique("ptq_int8")))
    assert both["status"] == "ok", both["reason"]
    assert both["recipe"] == ["prune_structured", "ptq_int8"]
    assert both["quantised_share"] == 1.0
    single = certificate(digits.compressed("convnet", "single", technique("ptq_int8")))
    assert both["bytes"] < 0.6 * single["bytes"]


def test_weights_fitted_under_rounding_make_the_same_int8_graph(digits):
    qat = technique("qat", epochs=1)
    both = certificate(digits.compressed("convnet", "qat", qat, technique("ptq_int8")))
    assert both["status"] == "ok", both["reason"]
    single = certificate(digits.compressed("convnet", "ptq", technique("ptq_int8")))
    assert (both["bytes"], both["quantised_share"]) == (single["bytes"], 1.0)
    accuracy = certificate(digits.fp32("convnet"))["metrics"]["accuracy"]
    assert both["metrics"]["accuracy"] > accuracy - 0.03


def test_two_of_each_four_weights_are_zero(digits):
    folder = digits.compressed("convnet", "sparse", technique("sparse_2_4", epochs=1))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    facts = stated["facts"]["sparse_2_4"]
    made = weights(folder)
    sparse = [w for w in made if w.shape[1] % 4 == 0]
    assert len(sparse) == facts["layers"] == facts["of"] - 1  # the first reads one channel
    for values in sparse:
        groups = np.moveaxis(values, 1, -1).reshape(-1, 4)
        assert ((groups == 0).sum(1) >= 2).all()
    assert stated["nonzero_share"] == pytest.approx(0.5, abs=0.02)
    assert "TensorRT" in stated["engines_note"]
