import numpy as np
import torch

from tasks.nets.augment import affine

SHAPE = (8, 8, 2)


def images(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 128, generator=torch.Generator().manual_seed(0))


def moved(seed: int, **how: float) -> torch.Tensor:
    settings = {"shift": 0.0, "turn": 0.0, "zoom": 0.0} | how
    return affine(images(), SHAPE, torch.Generator().manual_seed(seed), **settings)


def test_without_any_movement_images_stay():
    np.testing.assert_allclose(moved(0), images(), atol=1e-5)


def test_the_seed_decides():
    how = {"shift": 1.0, "turn": 10.0, "zoom": 0.1}
    assert torch.equal(moved(1, **how), moved(1, **how))
    assert not torch.equal(moved(1, **how), moved(2, **how))


def test_a_shift_moves_the_centre_of_mass_no_further_than_it_may():
    x = torch.zeros(200, 8, 8, 2)
    x[:, 3:5, 3:5] = 1.0
    out = affine(x.reshape(200, -1), SHAPE, torch.Generator().manual_seed(0), 1.0, 0.0, 0.0)
    out = out.reshape(200, 8, 8, 2)[..., 0]
    place = torch.arange(8.0)
    rows = (out.sum(2) * place).sum(1) / out.sum((1, 2))
    assert (rows - 3.5).abs().max() <= 1.001
    assert (rows - 3.5).abs().max() > 0.8
    assert rows.std() > 0.3
