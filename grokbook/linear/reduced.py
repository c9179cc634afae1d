"""Training runs of paper LE without their data: the same law, a fraction of the work.

Gaussian inputs enter a run through the eigenvalues of their covariance alone: the eigenvectors are
uniformly distributed and independent of them, and so are teacher and student.  The eigenvalues of
a d x d covariance are those of a bidiagonal matrix of chi variables, drawn in O(d^2) (Silverstein
1985; Dumitriu and Edelman 2002).  Each run has the law of one of ``simulate.trajectory`` exactly;
it is not the same run, because other random numbers are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.linear.samples import covariance_root
from grokbook.linear.setting import LinearSetting

N_TEST = 10_000
_BLOCK = 500_000  # array entries (4 MB) that one block of errors may hold


def covariance_eigenvalues(d_in: int, n_train: int, rng: np.random.Generator) -> np.ndarray:
    """Eigenvalues of X^T X / n_train for an (n_train, d_in) Gaussian X; (d_in,), increasing.

    Exact in law at any size; n_train < d_in gives d_in - n_train zeros.
    """
    validate.count("d_in", d_in)
    validate.count("n_train", n_train)
    small, large = sorted((d_in, n_train))
    diagonal = np.sqrt(rng.chisquare(large - np.arange(small)))
    below = np.sqrt(rng.chisquare(np.arange(small - 1, 0, -1)))
    # B B^T is tridiagonal for the lower bidiagonal B.
    squares = diagonal**2
    squares[1:] += below**2
    values = eigvalsh_tridiagonal(squares, diagonal[:-1] * below) / n_train
    return np.concatenate([np.zeros(d_in - small), np.maximum(values, 0.0)])


def trajectory(
    setting: LinearSetting, step, seeds: Iterable[int], *, n_test: int = N_TEST
) -> Curves:
    """Training runs by gradient flow, one a seed; arguments and record of ``simulate.trajectory``.

    Accuracies are counted over the run's own ``n_train`` training samples and ``n_test`` fresh
    ones, which have the right joint law at all steps.  With few steps and outputs only the samples'
    errors are drawn, so that another choice of steps makes other samples of the same run.
    ValueError if an argument is out of range, or the setting has label noise.
    """
    step = validate.steps("step", step)
    validate.count("n_test", n_test)
    validate.zero(setting, "label_noise")
    runs = [_run(setting, step, seed, n_test) for seed in validate.seeds("seeds", seeds)]
    return Curves(step, *(np.stack(records) for records in zip(*runs, strict=True)))


def _run(setting, step, seed, n_test):
    """Train and test loss, train and test accuracy of one run; each (n_steps,)."""
    rng = randomness.generator(seed, 2)
    eigenvalue = covariance_eigenvalues(setting.d_in, setting.n_train, rng)
    spread = (2 * setting.d_in * setting.d_out) ** -0.5
    teacher, student = spread * rng.standard_normal((2, setting.d_in, setting.d_out))
    shift = setting.weight_decay / 2
    rate = 2 * setting.learning_rate / setting.d_out * (eigenvalue + shift)
    kept = np.exp(-np.multiply.outer(step, rate))
    left = shift / (eigenvalue + shift) if shift else np.zeros_like(eigenvalue)
    bias = left[:, None] * teacher
    start = setting.init_scale * student - teacher + bias
    # (n_steps, d_in, d_out): small for one output, the largest array here for many.
    difference = [one[:, None] * start - bias for one in kept]
    power = np.array([np.sum(one**2, axis=1) for one in difference])
    seen = eigenvalue > 0
    scaled = np.sqrt(setting.n_train * eigenvalue[seen])[:, None]
    outputs = [scaled * one[seen] for one in difference]
    return (
        power @ eigenvalue / setting.d_out,
        power.sum(axis=1) / setting.d_out,
        _correct(setting, outputs, setting.n_train, rng, haar=True),
        _correct(setting, difference, n_test, rng, haar=False),
    )


def _correct(setting, vectors, n_samples, rng, *, haar):
    """Fraction of samples whose squared error per output is below the threshold; (n_steps,).

    The errors are G v with G (n_samples, n_modes) Gaussian, or for ``haar`` uniformly distributed
    with orthonormal columns.  Only G's action on the span of all v matters, which has few
    dimensions for one output: a sample's random numbers then belong to the recorded steps, and to
    the modes otherwise.
    """
    n_modes, d_out = vectors[0].shape
    stacked = np.concatenate(vectors, axis=1)
    if 2 * stacked.shape[1] < n_modes:
        stacked = covariance_root(stacked)
    directions = rng.standard_normal((n_samples, len(stacked)))
    if haar:
        directions, triangle = np.linalg.qr(directions)
        directions *= np.sign(np.diag(triangle))
    bound = setting.accuracy_threshold * d_out
    correct = np.zeros(len(vectors))
    height = max(1, _BLOCK // stacked.shape[1])
    for row in range(0, n_samples, height):
        errors = (directions[row : row + height] @ stacked).reshape(-1, len(vectors), d_out)
        correct += np.count_nonzero(np.einsum("iso,iso->is", errors, errors) < bound, axis=0)
    return correct / n_samples
