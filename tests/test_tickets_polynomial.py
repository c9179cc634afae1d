"""GT's polynomial regression: the task, a step against torch's own, masks, bad input."""

import numpy as np
import pytest
import torch

from grokbook.tickets import polynomial


def test_targets_are_squares_of_one_direction():
    x, y, x_test, y_test = polynomial.samples(3, 400)
    assert x.shape == x_test.shape == (400, 40)
    assert float(x.var()) == pytest.approx(1 / 40, rel=0.03)
    # One beta serves both sets: least squares on products of entries finds it in the other set.
    rng = torch.Generator().manual_seed(3)
    beta = torch.randn(40, generator=rng)
    torch.testing.assert_close((x_test @ beta).square() / 2, y_test)
    torch.testing.assert_close((x @ beta).square() / 2, y)


def test_initial_weights_have_their_scale():
    parts = polynomial.initial(0, 2.0).split(polynomial.SIZES)
    for part, (rows, _) in zip(parts, polynomial.SHAPES, strict=True):
        assert float(part.std()) == pytest.approx(2 / rows**0.5, rel=0.1)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_training_is_that_of_torch(share):
    start = polynomial.initial(1)
    rng = torch.Generator().manual_seed(7)
    mask = (torch.rand(start.numel(), generator=rng) >= share).float()
    masks = [
        m.view(s) for m, s in zip(mask.split(polynomial.SIZES), polynomial.SHAPES, strict=True)
    ]
    parts = [
        (w.view(s) * m).clone().requires_grad_()
        for w, s, m in zip(start.split(polynomial.SIZES), polynomial.SHAPES, masks, strict=True)
    ]
    x, y, *test = polynomial.samples(1)

    def error(hidden, y):
        for part in parts[:-1]:
            hidden = torch.relu(hidden @ part)
        return ((hidden @ parts[-1])[:, 0] - y).square().mean()

    losses = [[error(x, y).item(), error(*test).item()]]
    optimizer = torch.optim.AdamW(parts, 1e-2, betas=(0.9, 0.98), weight_decay=1.0)
    for _ in range(5):
        optimizer.zero_grad()
        error(x, y).backward()
        for part, keep in zip(parts, masks, strict=True):
            part.grad.mul_(keep)
        optimizer.step()
    losses.append([error(x, y).item(), error(*test).item()])
    run = polynomial.train(1, [0, 5], mask=mask)
    wanted = torch.cat([part.detach().flatten() for part in parts])
    torch.testing.assert_close(run.weights, wanted, rtol=1e-3, atol=1e-5)
    assert run.step.tolist() == [0, 5]
    np.testing.assert_allclose(np.column_stack([run.train_loss, run.test_loss]), losses, rtol=1e-3)
    assert torch.all(run.weights[mask == 0] == 0)


@pytest.mark.parametrize("seed", range(3))
def test_rounding_of_the_learning_rate_leaves_the_losses(seed):
    runs = [polynomial.train(seed, [0, 40], learning_rate=1e-2 * (1 + k * 2**-50)) for k in (0, 1)]
    for name in ("train_loss", "test_loss"):
        values = [getattr(run, name) for run in runs]
        np.testing.assert_allclose(*values, rtol=1e-4)
    assert runs[0].train_loss[1] < 0.1 * runs[0].train_loss[0]


def test_bad_input():
    with pytest.raises(ValueError, match=r"mask has shape \(3,\)"):
        polynomial.train(0, [0, 1], mask=torch.ones(3))
    with pytest.raises(ValueError, match=r"record holds 1\.5: must be whole"):
        polynomial.train(0, [0, 1.5])
    with pytest.raises(ValueError, match="scale = 0"):
        polynomial.initial(0, 0.0)
    with pytest.raises(ValueError, match="n_samples = 0"):
        polynomial.samples(0, 0)
