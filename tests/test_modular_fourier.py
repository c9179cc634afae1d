"""Fourier space: known tables, the network that adds by construction, progress measures."""

import numpy as np
import pytest
import torch

from grokbook.modular import fourier, modular_pairs
from grokbook.modular.network import MLP

P = 23


def wave_logits(weights):
    """Logits sum_k w_k cos(2 pi k (a + b - c) / P)."""
    a, b, c = np.ogrid[:P, :P, :P]
    return sum(w * fourier.waves(P, k)[0][(a + b - c) % P] for k, w in weights.items())


def test_spectrum_of_known_waves():
    cosine, _ = fourier.waves(P, 3)
    _, sine = fourier.waves(P, 7)
    table = np.stack([cosine, 2 * sine, cosine + sine, np.zeros(P)], axis=1)
    power = fourier.power(table)
    assert power.shape == (11, 4)
    assert np.allclose(power[2], [1, 0, 0.5, 0])
    assert np.allclose(power[6], [0, 1, 0.5, 0])
    assert np.allclose(power.sum(axis=0), [1, 1, 1, 0])
    spectrum = fourier.spectrum(table)
    assert np.allclose(spectrum[[2, 6]], [2 / 7, 5 / 7])
    impulse = fourier.spectrum(np.eye(P)[:, :1])
    assert np.allclose(impulse, np.full(11, 1 / 11))


def test_entropy_counts_frequencies():
    waves = [fourier.waves(P, k)[0] for k in (1, 2, 5, 9)]
    table = np.stack([waves[0], sum(waves), np.zeros(P)], axis=1)
    assert np.allclose(fourier.entropy(table), [0, np.log(4), 0], atol=1e-10)
    impulse = np.eye(P)[:, :1]
    assert np.allclose(fourier.entropy(impulse), np.log(11))


def test_coefficients_restriction_and_exclusion():
    weights = {2: 1.5, 5: 0.5, 10: 0.1}
    rest = np.random.default_rng(0).standard_normal((P, P, 1)) * np.ones(P)
    rest -= fourier._mean_by_answer(rest, np.ones((P, P), bool)).mean()
    logits = wave_logits(weights) + rest
    found = fourier.coefficients(logits)
    # What depends on a and b alone is orthogonal to every wave in a + b - c.
    assert np.allclose(found[[1, 4, 9]], [1.5, 0.5, 0.1], atol=1e-10)
    assert np.allclose(np.delete(found, [1, 4, 9]), 0, atol=1e-10)
    assert fourier.key_frequencies(logits, 0.95) == [2, 5]
    assert fourier.key_frequencies(logits, 0.8) == [2]
    kept = fourier.restricted(logits, [2, 5])
    assert np.allclose(kept, wave_logits({2: 1.5, 5: 0.5}), atol=1e-10)
    assert np.allclose(fourier.excluded(logits, [2, 5]) + kept, logits)


def test_memorised_pairs_are_no_waves_on_the_others():
    """What stands on the training pairs alone is seen over all pairs and not over the others."""
    others = np.random.default_rng(0).random((P, P)) < 0.5
    a, b, c = np.ogrid[:P, :P, :P]
    memorised = 4.0 * ((a + b - c) % P == 0) * ~others[..., None]
    logits = wave_logits({2: 1.5}) * others[..., None] + memorised
    assert fourier.coefficients(logits)[8] > 0.1
    found = fourier.coefficients(logits, others)
    assert np.allclose(found, 1.5 * (np.arange(1, 12) == 2), atol=1e-10)
    kept = fourier.restricted(logits, [2], others)
    assert np.allclose(kept, wave_logits({2: 1.5}), atol=1e-10)
    assert np.allclose(fourier.excluded(logits, [2], others)[others], 0, atol=1e-10)


def test_rounding_decides_no_order_of_equal_waves():
    logits = wave_logits({9: 1.0, 4: 1.0, 7: 1.0, 2: 0.3})
    for seed in range(5):
        noise = 1 + 1e-14 * np.random.default_rng(seed).standard_normal(logits.shape)
        assert fourier.key_frequencies(logits * noise, 0.6) == [4, 7]
    # Three equal waves hold two thirds with two of them, whichever way that is rounded.
    equal = wave_logits({9: 1.0, 4: 1.0, 7: 1.0})
    assert fourier.key_frequencies(equal, 2 / 3) == [4, 7]


def test_all_logits_are_the_networks():
    network = MLP(5, 5, width=8)
    logits = fourier.all_logits(network, 5)
    single = network(torch.tensor([[3, 1]])).detach().numpy()[0]
    assert np.allclose(logits[3, 1], single, atol=1e-6)


@pytest.mark.parametrize("p", [23, 59])
def test_analytic_network_adds(p):
    pairs = modular_pairs(p=p)
    network = fourier.analytic_network(p, 6 * p, seed=1)
    assert torch.equal(network(pairs.inputs).argmax(dim=1), pairs.labels)
    logits = fourier.all_logits(network, p)
    # Each unit contributes p^0 cos / 1 to its wave on average: all frequencies alike.
    found = fourier.coefficients(logits)
    assert found.min() > 0.5 * found.mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fourier.n_frequencies(8), "p = 8: must be odd"),
        (lambda: fourier.waves(7, 4), "frequency = 4"),
        (lambda: fourier.waves(7, 0), "frequency = 0"),
        (lambda: fourier.power(np.ones(5)), "table"),
        (lambda: fourier.key_frequencies(np.ones((5, 5, 5)), 0), "share = 0"),
        (lambda: fourier.analytic_network(7, 0), "width = 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
