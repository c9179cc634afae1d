"""The gap at which a loss is least, against minimisation of the losses themselves."""

import pytest
import torch

from grokbook.modular import optimum
from grokbook.modular.loss import CrossEntropy


def least(loss, n_classes):
    """Gap at the minimum over all logits of one sample, by Newton-like descent."""
    logits = torch.zeros(1, n_classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logits],
        max_iter=2000,
        tolerance_grad=1e-13,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        value = loss(logits, torch.tensor([0]))
        value.backward()
        return value

    optimiser.step(closure)
    found = logits.detach()[0]
    return float(found[0] - found[1:].mean())


@pytest.mark.parametrize(("n_classes", "share"), [(2, 0.3), (59, 0.1), (113, 0.01)])
def test_gap_of_label_smoothing(n_classes, share):
    loss = CrossEntropy("float64", label_smoothing=share)
    assert optimum.smoothing_gap(n_classes, share) == pytest.approx(
        least(loss, n_classes), rel=1e-4
    )


@pytest.mark.parametrize(("n_classes", "strength"), [(2, 0.3), (10, 30.0), (59, 0.01), (113, 0.1)])
def test_gap_of_the_penalty(n_classes, strength):
    loss = CrossEntropy("float64", logit_penalty=strength)
    assert optimum.penalty_gap(n_classes, strength) == pytest.approx(
        least(loss, n_classes), rel=1e-3
    )


def test_weaker_means_farther():
    assert optimum.smoothing_gap(59, 1e-3) > optimum.smoothing_gap(59, 1e-1)
    assert optimum.penalty_gap(59, 1e-9) > optimum.penalty_gap(59, 1e-2)


def test_ranges():
    for call in (optimum.smoothing_gap, optimum.penalty_gap):
        with pytest.raises(ValueError, match="n_classes = 1"):
            call(1, 0.5)
        with pytest.raises(ValueError, match="= 0"):
            call(5, 0)
