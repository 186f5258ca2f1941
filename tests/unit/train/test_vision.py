"""Image networks: where they start from, and how images are moved."""

import hashlib
from functools import partial
from itertools import islice, pairwise

import numpy as np
import pytest

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tasks.nets import augment
from tasks.train import pretrained

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
    total = len(weights(found))
    said = RESNET.facts(found)["started_from"]
    assert said.startswith(f"{total - 2} of {total} tensors of model.safetensors; from nothing: ")


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
    with pytest.raises(ParamsError, match=r"has 0% of this network's .* begin with fc.weight"):
        RESNET.fit(images(), params(weights=str(other), weights_sha256=sha256), FitContext())


def test_a_file_that_hardly_fits_is_refused_and_what_it_lacks_is_named(saved, tmp_path):
    from safetensors.numpy import load_file, save_file

    _, path, sha256 = saved
    tensors = load_file(path)
    first = "network.2.weight"
    save_file({first: tensors[first]}, tmp_path / "one.safetensors")
    one = hashlib.sha256((tmp_path / "one.safetensors").read_bytes()).hexdigest()
    given = params(weights=str(tmp_path / "one.safetensors"), weights_sha256=one)
    words = r"expected 90% or more; it lacks .*5.body.0.weight \(2, 2, 3, 3\) \(found none\)"
    with pytest.raises(ParamsError, match=words):
        RESNET.fit(images(), given, FitContext())
    wide = RESNET.Params(width=4, epochs=1, weights=str(path), weights_sha256=sha256)
    with pytest.raises(ParamsError, match=r"\(4, 4, 3, 3\) \(found \(2, 2, 3, 3\)\).* Set `width`"):
        RESNET.fit(images(), wide, FitContext())


TORCHVISION = {  # how many tensors a file of torchvision's has, and some names with their shapes
    "resnet18": (122, {"conv1": (64, 3, 7, 7), "layer4.0.downsample.0": (512, 256, 1, 1),
                       "layer1.1.bn2": (64,), "fc": (1000, 512)}),
    "mobilenet_v2": (314, {"features.0.0": (32, 3, 3, 3), "features.1.conv.1": (16, 32, 1, 1),
                           "features.17.conv.2": (320, 960, 1, 1), "classifier.1": (1000, 1280)}),
    "vgg16": (91, {"features.0": (64, 3, 3, 3), "features.40": (512, 512, 3, 3),
                   "features.41": (512,)}),
    "vgg19": (112, {"features.49": (512, 512, 3, 3), "features.50": (512,)}),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_names_are_known(name):
    import torch

    count, some = TORCHVISION[name]
    X = np.random.default_rng(0).random((2, 64 * 64 * 3), dtype=np.float32)
    width = 32 if name == "mobilenet_v2" else 64
    with torch.device("meta"):
        own = plugin("model", name)._family.build(X, (64, 64, 3), 1000, width, 0.0).state_dict()
    layers = [k.removesuffix(".weight") for k in own if k.endswith("weight")]
    others = pretrained.torchvision(name)
    shapes = {t: tuple(own[f"{o}.weight"].shape) for o, t in zip(layers, others, strict=False)}
    assert some.items() <= shapes.items()
    tensors = [k for k in own if k.rpartition(".")[0] in layers[: len(others)]]
    biases = len(others) // 2 if name.startswith("vgg") else 0
    assert len(tensors) + biases == count


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_file_with_torchvisions_names_is_taken_as_the_same_network(name, tmp_path):
    import torch
    from safetensors.torch import save_file

    build = partial(plugin("model", name)._family.build, images().X, (8, 8, 3), 3, 4, 0.0)
    first, second = build(), build()
    layers = [k.removesuffix(".weight") for k in first.state_dict() if k.endswith("weight")]
    names = dict(zip(layers, pretrained.torchvision(name), strict=False))
    given = {
        f"{names[layer]}.{kind}": value + torch.rand(value.shape).to(value.dtype)
        for layer, kind, value in ((*k.rsplit(".", 1), v) for k, v in first.state_dict().items())
        if layer in names
    }
    first.load_state_dict(pretrained.renamed(given, first, name), strict=False)
    if name.startswith("vgg"):  # whose convolutions have a bias there
        for layer, behind in islice(pairwise(names.values()), None, None, 2):
            given[f"{layer}.bias"] = torch.rand(len(given[f"{layer}.weight"]))
            given[f"{behind}.running_mean"] += given[f"{layer}.bias"]
    save_file(given, tmp_path / "theirs.safetensors")
    sha256 = hashlib.sha256((tmp_path / "theirs.safetensors").read_bytes()).hexdigest()
    said = pretrained.start_from(second, tmp_path / "theirs.safetensors", sha256, name)
    assert "tensors of theirs.safetensors (torchvision's names)" in said
    for key, value in first.state_dict().items():
        if key.rpartition(".")[0] in names:
            torch.testing.assert_close(second.state_dict()[key], value)


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
