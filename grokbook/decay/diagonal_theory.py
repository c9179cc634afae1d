"""What is known in closed form of the diagonal networks of paper DI, and where training ends."""

from __future__ import annotations

from math import comb

import numpy as np
from scipy.optimize import linprog

from grokbook import validate
from grokbook.decay.diagonal_setting import DiagonalSetting, Samples, patterns


def kernel_accuracy(setting: DiagonalSetting) -> float:
    """Test accuracy of w = sum_i y_i x_i on votes: 1/2 + k m^2 sqrt(n / (2 pi d)), to first order.

    m = comb(k - 1, (k - 1)/2) / 2^(k-1) is the mean of y x_1; 0.2992 sqrt(n/d) for k = 3.
    ValueError for other data.
    """
    validate.choice("data", setting.data, ("votes",))
    k = setting.n_signal
    mean = comb(k - 1, (k - 1) // 2) / 2 ** (k - 1)
    return 0.5 + k * mean**2 * (setting.n_train / (2 * np.pi * setting.d_in)) ** 0.5


def accuracy_with(setting: DiagonalSetting, n_learnt: int) -> float:
    """Test accuracy on votes when ``n_learnt`` of the k signals count equally and nothing else.

    A tie counts one half.  ValueError for other data, or more than k.
    """
    validate.choice("data", setting.data, ("votes",))
    k = setting.n_signal
    validate.number("n_learnt", validate.count("n_learnt", n_learnt, at_least=0), at_most=k)
    signs = patterns(k)
    agree = np.sign(signs.sum(axis=1)) * np.sign(signs[:, :n_learnt].sum(axis=1))
    return float(0.5 + 0.5 * agree.mean())


def normaliser(
    init_scale: float, weight_decay: float, share: float, *, depth: int = 2, printed: bool = False
) -> float:
    """Size of the margins at time ((1 - c)/lambda) ln alpha in the kernel phase (DI, Theorem 3.4).

    ln(alpha^(2(L-1)c) / lambda), times 1/gamma_ntk in the theorem; ``printed`` has alpha^c instead.
    ``share`` is c.  ValueError unless alpha > 1, lambda > 0, 0 < c < 1.
    """
    validate.number("init_scale", init_scale, above=1)
    validate.number("weight_decay", weight_decay, above=0)
    validate.number("share", share, above=0, below=1)
    power = 1 if printed else 2 * (validate.count("depth", depth, at_least=2) - 1)
    return power * share * np.log(init_scale) - np.log(weight_decay)


def l1_margin(samples: Samples) -> float:
    """The largest min_i <w, x_i> at an L1 norm of w of 1, by linear programming."""
    n, d = samples.inputs.shape
    # w = w_+ - w_-, and the margin m: maximise m with <w, x_i> >= m, sum w_+ + w_- <= 1.
    above = np.hstack([-samples.inputs, samples.inputs, np.ones((n, 1))])
    length = np.append(np.ones(2 * d), 0.0)
    found = linprog(
        -np.append(np.zeros(2 * d), 1.0),
        A_ub=np.vstack([above, length]),
        b_ub=np.append(np.zeros(n), 1.0),
        method="highs",
    )
    return -found.fun


def margin_bounds(samples: Samples, weights, pull) -> tuple[float, float]:
    """Bounds on the largest L1 margin, from any weights and any positive numbers on the samples.

    From below min_i q_i over the L1 norm of w, from above the largest entry of sum_i r_i x_i over
    sum_i r_i (weak duality).
    """
    weights = validate.array("weights", weights, shape=samples.teacher.shape)
    pull = validate.array("pull", pull, shape=samples.target.shape)
    low = np.min(samples.inputs @ weights) / np.abs(weights).sum()
    return low, np.max(np.abs(pull @ samples.inputs)) / pull.sum()
