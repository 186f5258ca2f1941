"""Programs of torch.export: what their files become, and what is not read of them."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tasks.core.errors import ParamsError
from tasks.train.foreign import programs
from tasks.train.foreign.checking import outputs

X = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)


class Mixed(nn.Module):
    """A buffer, a constant, a shortcut, slices, a view by the number of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.norm, self.last = nn.Linear(16, 16), nn.LayerNorm(16), nn.Linear(16, 3)
        self.register_buffer("mean", torch.full((16,), 0.3))
        self.scale = torch.full((3,), 1.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean) / 2.0
        x = self.norm(x + 0.5 * nn.functional.gelu(self.inner(x)))
        x = torch.cat([x[:, :8], 1 - x[:, 8:]], 1).view(x.shape[0], -1)
        return torch.softmax(self.last(x) * self.scale, -1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.reshape(-1, 4, 4)
        scores = self.query(tokens) @ self.key(tokens).transpose(1, 2)
        return self.last((torch.softmax(scores / 2, -1) @ tokens).flatten(1))


NETWORKS = {
    "perceptron": nn.Sequential(
        nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(8, 3)
    ),
    "convolutions": nn.Sequential(
        *(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        *(nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1, groups=2), nn.SiLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.LogSoftmax(1)),
    ),
    "mixed": Mixed(),
    "attention": Attention(),
}


def saved(network: nn.Module, *examples: torch.Tensor, free: bool = True) -> bytes:
    examples = examples or (torch.zeros(2, 16),)
    rows = tuple({0: torch.export.Dim.AUTO} for _ in examples) if free else None
    buffer = io.BytesIO()
    exported = torch.export.export(network.eval(), examples, dynamic_shapes=rows)
    torch.export.save(exported, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def perceptron() -> bytes:
    return saved(NETWORKS["perceptron"])


def changed(content: bytes, parts: dict[str, bytes]) -> bytes:
    """Return an archive with other files in it, by their path below its folder."""
    new, buffer = dict(parts), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as archive:
        for name in old.namelist():
            end = name.partition("/")[2]
            archive.writestr(name, new.pop(end, None) or old.read(name))
        for end, value in new.items():
            archive.writestr(f"archive/{end}", value)
    return buffer.getvalue()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_gives_what_the_loaded_program_gives(name):
    torch.manual_seed(0)
    content = saved(NETWORKS[name])
    graph = programs.read(content, X, "here")
    assert [i.name for i in graph.graph.input] == ["X"]
    expected = torch.export.load(io.BytesIO(content)).module()(torch.from_numpy(X))
    found = outputs(graph.SerializeToString(), X)
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_it_is_not_read(tmp_path, perceptron):
    trap = pickle.dumps(Trap(tmp_path / "ran"))
    programs.read(changed(perceptron, {"data__sample_inputs__model.pt": trap}), X, "here")
    config = "data/weights/model_weights_config.json"
    with zipfile.ZipFile(io.BytesIO(perceptron)) as archive:
        listed = json.loads(archive.read(f"archive/{config}"))
    first = next(iter(listed["config"].values()))
    first["use_pickle"] = True
    pickled = {config: json.dumps(listed).encode(), f"data/weights/{first['path_name']}": trap}
    for parts, words in (
        (pickled, "of its weights is pickled"),
        ({"data/weights/model.pt": trap}, "its weights are pickled, as torch before 2.9"),
        ({"data/aotinductor/model/a.so": trap}, "it holds compiled code"),
    ):
        with pytest.raises(ParamsError, match=words):
            programs.read(changed(perceptron, parts), X, "here")
    assert not (tmp_path / "ran").exists()


def test_sizes_that_are_code_are_not_evaluated(tmp_path, perceptron):
    with zipfile.ZipFile(io.BytesIO(perceptron)) as archive:
        model = archive.read("archive/models/model.json").decode()
    symbol = json.loads(model)["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0]
    code = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    assert symbol["as_expr"]["expr_str"] in model
    planted = model.replace(symbol["as_expr"]["expr_str"], code)
    programs.read(changed(perceptron, {"models/model.json": planted.encode()}), X, "here")
    assert not (tmp_path / "ran").exists()


class Two(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class Unknown(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 1)


class Whole(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean()


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(2 * x.shape[0], -1)


def test_what_does_not_suit_says_why(perceptron):
    row, whole = torch.zeros(2, 16), torch.ones(2, 16, dtype=torch.int64)
    wide = saved(nn.Linear(7, 3), torch.zeros(2, 7))
    cases = [
        (wide, r"one input of float32 \[rows, 16\].*found input of float32 \['rows', 7\]"),
        (saved(nn.ReLU(), whole), "not float32"),
        (saved(Two(), row, row), "expected one input, a tensor; found 2: x, y"),
        (saved(NETWORKS["perceptron"], free=False), "its batch is fixed to 2.*dynamic_shapes"),
        (saved(Unknown()), "cumsum.default is not written as a graph here.*ONNX"),
        (saved(Whole()), "mean.default is not written as a graph in this form"),
        (saved(Doubled()), "_operator.mul is not written as a graph here"),
        (b"\xff nothing of the kind", r"not a program of torch.export \(BadZipFile"),
        (changed(perceptron, {"archive_format": b"zip"}), "save it with torch.export.save"),
        (changed(perceptron, {"data/weights/weight_0": b"1234"}), "within its bytes"),
    ]
    for content, words in cases:
        with pytest.raises(ParamsError, match=words):
            programs.read(content, X, "here")


def test_a_network_in_training_mode_is_refused():
    buffer = io.BytesIO()
    network = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8)).train()
    rows = ({0: torch.export.Dim.AUTO},)
    torch.export.save(
        torch.export.export(network, (torch.zeros(2, 16),), dynamic_shapes=rows), buffer
    )
    with pytest.raises(ParamsError, match="call eval"):
        programs.read(buffer.getvalue(), X, "here")
