"""Adam's steady state, against Adam itself on one weight with a power law for its gradient."""

import math

import numpy as np
import pytest
import torch

from grokbook.modular import AdamW
from grokbook.modular.steady import adam_ratio, fastest_fall, steady_fall


def measured_fall(rate, beta2, degree, n_steps):
    """Rate of fall of the gradient w^-degree under a relative step, over the second half."""
    optimizer = AdamW(rate, beta2=beta2, epsilon=0, relative=True)
    weight = torch.ones(1, dtype=torch.float64)
    state, size = optimizer.start(weight), []
    for _ in range(n_steps):
        gradient = -(weight**-degree)
        size.append(float(gradient.abs()))
        optimizer.step(state, weight, gradient, [slice(0, 1)])
    half = np.log(size[n_steps // 2 :])
    return -np.polyfit(np.arange(half.size), half, 1)[0]


@pytest.mark.parametrize(("rate", "beta2"), [(0.1, 0.95), (0.01, 0.99), (0.002, 0.9)])
def test_one_weight_settles_at_the_predicted_rate(rate, beta2):
    wanted = steady_fall(rate, 7, beta2=beta2)
    assert measured_fall(rate, beta2, 7, 1500) == pytest.approx(wanted, rel=0.02)


def test_a_large_step_reaches_the_limit_and_a_small_one_is_linear():
    assert steady_fall(0.2, 7) == pytest.approx(fastest_fall(0.95), rel=0.01)
    assert steady_fall(1e-5, 7) == pytest.approx(7e-5, rel=0.02)
    assert fastest_fall(0.95) == pytest.approx(-math.log(0.95) / 2)


def test_the_ratio_is_one_at_rest_and_zero_at_the_limit():
    assert adam_ratio(0.0) == 1
    assert adam_ratio(fastest_fall(0.95)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fastest_fall(1.0), "beta2 = 1.0"),
        (lambda: adam_ratio(1.0), "fall = 1.0"),
        (lambda: adam_ratio(0.05, 0.99, 0.9), "must be below"),
        (lambda: adam_ratio(0.01, beta1=-0.1), "beta1 = -0.1"),
        (lambda: steady_fall(0.0, 7), "speed = 0.0"),
        (lambda: steady_fall(0.1, 0), "degree = 0"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
