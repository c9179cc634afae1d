"""Pruning criteria against torch's own pruning, autograd, finite differences and theorems."""

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from grokbook.modular import Pairs, Setting
from grokbook.tickets import masks
from grokbook.tickets.setting import QUICK, TRANSFORMER

SMALL = QUICK.replace(task=Pairs(p=11, unordered=True))


class Nudged(Setting):
    """A setting whose initial weights, in float64, are off by a relative 2**-50 or less."""

    def untrained(self, seed):
        network = super().untrained(seed).double()
        rng = torch.Generator().manual_seed(99)
        for weight in network.parameters():
            weight.data *= 1 + (2 * torch.rand(weight.shape, generator=rng) - 1).double() * 2**-50
        return network


def by_sorting(score, rate):
    """The mask from a stable sort by falling score."""
    order = np.argsort(-score.numpy(), kind="stable")
    mask = torch.zeros(score.numel())
    mask[torch.from_numpy(order[: score.numel() - round(rate * score.numel())].copy())] = 1.0
    return mask


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6, 0.97])
def test_of_equal_scores_the_lowest_indices_are_kept(rate):
    rng = torch.Generator().manual_seed(5)
    for levels in (1, 3, 40):
        score = torch.randint(levels, (1003,), generator=rng).float()
        wanted = by_sorting(score, rate)
        assert torch.equal(masks.keep_largest(score, rate), wanted)
        signs = 1 - 2 * torch.randint(2, (1003,), generator=rng)
        assert torch.equal(masks.magnitude(score * signs, rate), wanted)
    assert masks.keep_largest(torch.zeros(5), 0.6).tolist() == [1, 1, 0, 0, 0]
    both = masks.magnitude(torch.ones(10), 0.6, {"a": slice(0, 5), "b": slice(5, 10)})
    assert both.tolist() == [1, 1, 0, 0, 0] * 2


def test_a_tiny_share_of_few_scores_may_keep_none():
    assert masks.keep_largest(torch.ones(1), 0.9).tolist() == [0.0]
    with pytest.raises(ValueError, match="n_kept = 4: must be from 0 to 3"):
        masks.largest(torch.ones(3), 4)


def test_rounding_moves_only_scores_that_tie_within_it():
    rng = torch.Generator().manual_seed(6)
    score = torch.randn(5000, generator=rng).double()
    score[::7] = score[0]  # among them the level at which the mask is cut
    rate = float((score < score[0]).double().mean()) + 0.05
    nudge = 1 + (2 * torch.rand(5000, generator=rng).double() - 1) * 2**-50
    changed = masks.keep_largest(score, rate) != masks.keep_largest(score * nudge, rate)
    assert changed.any()
    assert torch.all(score[changed] == score[0])


@pytest.mark.parametrize("criterion", sorted(masks.CRITERIA))
def test_rounding_of_the_weights_does_not_choose_the_mask(criterion):
    for seed in range(3):
        wanted = masks.at_initialisation(criterion, SMALL, seed, 0.6)
        nudged = masks.at_initialisation(criterion, Nudged(**vars(SMALL)), seed, 0.6)
        assert torch.equal(nudged, wanted)


def test_magnitude_is_torchs_global_pruning():
    network, spans = SMALL.untrained(0), SMALL.spans()
    found = masks.magnitude(SMALL.initial(0), 0.6)
    parts = [(network, name) for name in spans]
    prune.global_unstructured(parts, pruning_method=prune.L1Unstructured, amount=0.6)
    wanted = torch.cat([getattr(network, f"{name}_mask").flatten() for name in spans])
    assert torch.equal(found, wanted)


def test_magnitude_by_layer_keeps_the_same_share_of_each():
    mask = masks.magnitude(SMALL.initial(0), 0.6, SMALL.spans())
    assert all(
        share == pytest.approx(0.4, abs=1e-3)
        for share in masks.kept_shares(mask, SMALL.spans()).values()
    )


@pytest.mark.parametrize("criterion", sorted(masks.CRITERIA))
@pytest.mark.parametrize("rate", [0.0, 0.6])
def test_criteria_keep_the_share_they_say(criterion, rate):
    mask = masks.at_initialisation(criterion, SMALL, 0, rate)
    assert set(mask.tolist()) <= {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(1 - rate, abs=1e-3)
    assert torch.equal(mask, masks.at_initialisation(criterion, SMALL, 0, rate))


def test_synaptic_flow_is_conserved_from_layer_to_layer():
    network, weights = SMALL.untrained(0), SMALL.initial(0)
    score = masks.synaptic_flow(network, weights)
    sums = [float(score[span].sum()) for span in SMALL.spans().values()]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-10)
    matrices = [w.detach().abs().double().requires_grad_() for w in network.parameters()]
    torch.linalg.multi_dot(matrices).sum().backward()
    wanted = torch.cat([(w.grad * w).detach().flatten() for w in matrices])
    torch.testing.assert_close(score, wanted)


def test_synflow_in_rounds_never_cuts_a_layer():
    for rate in (0.9, 0.99):
        mask = masks.synflow(SMALL, 0, rate, rounds=50)
        assert min(masks.kept_shares(mask, SMALL.spans()).values()) > 0
    with pytest.raises(ValueError, match="FactoredMLP"):
        masks.synaptic_flow(torch.nn.Linear(2, 2), torch.ones(6))


def test_snip_removes_what_changes_the_loss_least():
    """First order: the loss changes by dL/dw w when a weight is removed."""
    mask = masks.snip(SMALL, 0, 0.5)
    network = SMALL.untrained(0).double()
    train, _ = SMALL.data(0)

    def loss():
        return torch.nn.functional.cross_entropy(network(train.inputs), train.labels)

    value = loss()
    value.backward()
    weight, span = network.W_in, SMALL.spans()["W_in"]
    score = (weight.grad * weight).abs().flatten().detach()
    kept = mask[span] > 0
    assert score[kept].min() >= score[~kept].max() * (1 - 1e-4)
    with torch.no_grad():
        index = int(score.argmax())
        before = weight.view(-1)[index].clone()
        weight.view(-1)[index] = before * (1 - 1e-4)
        change = float(loss() - value.detach())
    assert abs(change) == pytest.approx(1e-4 * float(score[index]), rel=1e-2)


def test_grasp_scores_by_a_difference_of_gradients():
    mask, network = masks.grasp(SMALL, 0, 0.5), SMALL.untrained(0).double()
    train, _ = SMALL.data(0)
    parameters = list(network.parameters())

    def gradient():
        logits = network(train.inputs) / masks.GRASP_TEMPERATURE
        loss = torch.nn.functional.cross_entropy(logits, train.labels)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    start = torch.cat([w.detach().flatten() for w in parameters])
    g = gradient()
    step = 1e-3 / float(g.norm())
    with torch.no_grad():
        for w, part in zip(parameters, g.split([w.numel() for w in parameters]), strict=True):
            w += step * part.view(w.shape)
    score = start * (gradient() - g) / step
    kept = mask > 0
    assert float((score[kept] > score.median()).double().mean()) > 0.98


def test_random_and_shuffled_masks():
    mask = masks.magnitude(SMALL.initial(0), 0.6)
    moved = masks.shuffled(mask, SMALL.spans(), 1)
    assert masks.kept_shares(moved, SMALL.spans()) == masks.kept_shares(mask, SMALL.spans())
    assert masks.jaccard_distance(mask, moved) > 0.3
    assert not torch.equal(masks.random(100, 0.5, 0), masks.random(100, 0.5, 1))


def test_jaccard_distance():
    one, two = torch.tensor([1.0, 1, 0, 0]), torch.tensor([1.0, 0, 1, 0])
    assert masks.jaccard_distance(one, two) == pytest.approx(2 / 3)
    assert masks.jaccard_distance(one, one) == 0
    # Independent masks that keep a share q of each: 1 - q / (2 - q).
    apart = masks.jaccard_distance(masks.random(10**5, 0.6, 0), masks.random(10**5, 0.6, 1))
    assert apart == pytest.approx(1 - 0.4 / 1.6, abs=0.01)


def test_norm_ratio():
    weights, mask = torch.tensor([3.0, 4.0]), torch.tensor([1.0, 0.0])
    assert masks.norm_ratio(weights, mask, 1) == pytest.approx(3 / 7)
    assert masks.norm_ratio(weights, mask, 2) == pytest.approx(3 / 5)


def test_agreement():
    one, two = torch.tensor([1.0, -2, 3, 9]), torch.tensor([2.0, -4, -6, 9])
    signs, sizes = masks.agreement(one, two, torch.tensor([1.0, 1, 1, 0]))
    assert signs == pytest.approx(2 / 3)
    assert sizes == pytest.approx(1)
    assert np.isnan(masks.agreement(one, two, torch.zeros(4))[0])


def test_biases_are_kept():
    network = SMALL.replace(network=TRANSFORMER).untrained(0)
    mask = masks.matrices_only(torch.zeros(sum(w.numel() for w in network.parameters())), network)
    biases = sum(w.numel() for w in network.parameters() if w.ndim < 2)
    assert biases > 0
    assert int(mask.sum()) == biases


def test_bad_input():
    weights = torch.ones(5)
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="rate"):
            masks.magnitude(weights, rate)
        with pytest.raises(ValueError, match="rate"):
            masks.keep_largest(weights, rate)
    with pytest.raises(ValueError, match="criterion = 'magic': must be one of"):
        masks.at_initialisation("magic", SMALL, 0, 0.6)
    with pytest.raises(ValueError, match="must be a finite vector"):
        masks.keep_largest(weights * float("nan"), 0.5)
    with pytest.raises(ValueError, match="second has shape"):
        masks.jaccard_distance(weights, torch.ones(4))
    with pytest.raises(ValueError, match="keep nothing"):
        masks.jaccard_distance(torch.zeros(4), torch.zeros(4))
    with pytest.raises(ValueError, match="order = 3"):
        masks.norm_ratio(weights, weights, 3)
    with pytest.raises(ValueError, match="rounds"):
        masks.synflow(SMALL, 0, 0.6, rounds=0)


def test_masks_of_another_shape_are_refused():
    weights, short, spans = SMALL.initial(0), torch.ones(3), SMALL.spans()
    with pytest.raises(ValueError, match=r"mask has shape \(3,\): must be"):
        masks.norm_ratio(weights, short, 2)
    with pytest.raises(ValueError, match="mask has shape"):
        masks.shuffled(short, spans, 0)
    with pytest.raises(ValueError, match="mask has shape"):
        masks.kept_shares(short, spans)
    with pytest.raises(ValueError, match="where has shape"):
        masks.agreement(weights, weights, short)
    with pytest.raises(ValueError, match="trained has shape"):
        masks.agreement(weights, short, short)
    with pytest.raises(ValueError, match="mask has shape"):
        masks.matrices_only(short, SMALL.untrained(0))


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("criterion", masks.CRITERIA)
def test_pruning_rates_out_of_range_are_refused(criterion, rate):
    with pytest.raises(ValueError, match="rate = "):
        masks.at_initialisation(criterion, SMALL, 0, rate)
