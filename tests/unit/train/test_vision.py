"""Image networks: where they start from, and how images are moved."""

import hashlib

import numpy as np
import pytest

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tasks.nets import augment

RESNET = plugin("model", "resnet18")


def images(classes: int = 3) -> FitData:
    random = np.random.default_rng(0)
    X = random.random((24, 8 * 8 * 3), dtype=np.float32)
    y = np.arange(24) % classes
    names = [f"p{i}" for i in range(X.shape[1])]
    parts = (X[:18], y[:18], X[18:], y[18:])
    return FitData(*parts, "classification", classes, (8, 8, 3), names)


def params(**changed):
    return RESNET.Params(width=2, epochs=1, learning_rate=1e-9, **changed)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("saved")
    model = RESNET.fit(images(), RESNET.Params(width=2, epochs=2), FitContext(seed=1))
    RESNET.save(model, folder)
    path = folder / "model.safetensors"
    return model, path, hashlib.sha256(path.read_bytes()).hexdigest()


def weights(model):
    return {k: v.numpy() for k, v in model.module.state_dict().items()}


def test_a_fit_starts_from_given_weights(saved):
    model, path, sha256 = saved
    found = RESNET.fit(
        images(), params(weights=str(path), weights_sha256=sha256), FitContext(seed=9)
    )
    old, new = weights(model), weights(found)
    key = "5.body.0.weight"
    np.testing.assert_allclose(new[key], old[key], atol=1e-5)
    fresh = weights(RESNET.fit(images(), params(), FitContext(seed=9)))
    assert np.abs(fresh[key] - old[key]).max() > 0.01


def test_a_last_layer_of_other_classes_is_new(saved):
    _, path, sha256 = saved
    given = params(weights=str(path), weights_sha256=sha256)
    found = RESNET.fit(images(classes=5), given, FitContext())
    assert list(weights(found).values())[-1].shape == (5,)


def test_other_weights_than_meant_are_refused(saved, tmp_path):
    _, path, _ = saved
    with pytest.raises(ParamsError, match=r"has sha256 .* set weights_sha256 to it"):
        RESNET.fit(images(), params(weights=str(path), weights_sha256="0"), FitContext())
    with pytest.raises(ParamsError, match="cannot be read"):
        RESNET.fit(images(), params(weights=str(tmp_path / "nothing")), FitContext())
    other = tmp_path / "other.safetensors"
    from safetensors.numpy import save

    content = save({"fc.weight": np.zeros((2, 2), np.float32)})
    other.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    with pytest.raises(ParamsError, match=r"has no weight of this network.*found fc.weight"):
        RESNET.fit(images(), params(weights=str(other), weights_sha256=sha256), FitContext())


def test_about_half_of_the_images_are_mirrored():
    import torch

    X = torch.arange(400 * 12, dtype=torch.float32).reshape(400, 12)
    made = augment.mirrored(X, (2, 3, 2), torch.Generator().manual_seed(0))
    same = (made == X).all(1)
    assert 150 < int(same.sum()) < 250
    row = int(torch.where(~same)[0][0])
    expected = X[row].reshape(2, 3, 2).flip(1).reshape(-1)
    assert torch.equal(made[row], expected)


def test_a_narrower_network_starts_from_nothing():
    given = RESNET.Params(width=64, weights="x.safetensors", weights_sha256="y")
    narrow = RESNET.narrower(given, 0.5)
    assert (narrow.width, narrow.weights, narrow.weights_sha256) == (32, None, None)
