"""Matrix completion with W = U U^T - V V^T and weight decay (DI, Theorem 3.11 and Figure 3).

With S = G + G^T and G the gradient of the mean squared error over the observed entries, the flow
is dU/dt = -S U - lambda U and dV/dt = S V - lambda V.  So U^T V = s^2 I with s = alpha
exp(-lambda t), U = s P, V = s P^-T, dP/dt = -S P: decay enters through s alone here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grokbook import randomness, validate


@dataclass(frozen=True)
class CompletionSetting:
    """U = V = alpha I at the start; the target is X_ij = i j / d^2, of rank 1 (DI, Figure 3).

    Attributes
    ----------
    d : int
        Rows and columns.
    n_train : int
        Observed entries.
    init_scale, weight_decay, learning_rate : float
        alpha, lambda, eta, all > 0.
    """

    d: int = 97
    n_train: int = 470
    init_scale: float = 10.0
    weight_decay: float = 1e-4
    learning_rate: float = 0.1

    def __post_init__(self):
        validate.count("d", self.d, at_least=2)
        validate.count("n_train", self.n_train)
        for name in ("init_scale", "weight_decay", "learning_rate"):
            validate.number(name, getattr(self, name), above=0)
        if self.n_train >= self.d**2:
            raise ValueError(f"n_train = {self.n_train}: must be below d^2 = {self.d**2}")

    @property
    def target(self) -> np.ndarray:
        """X, (d, d)."""
        along = np.arange(1, self.d + 1) / self.d
        return np.outer(along, along)


@dataclass(frozen=True)
class CompletionRun:
    """What is seen at each recorded time.

    Attributes
    ----------
    clock, scale : (n_times,) arrays
        tau = lambda t and s = alpha exp(-tau).
    train_loss, test_loss : (n_times,) arrays
        Mean squared error over the observed and over the other entries.
    unseen : (n_times,) array
        Largest size of the entries with neither (i, j) nor (j, i) observed.
    norm : (n_times,) array
        Length of (U, V).
    balance : (n_times,) array
        Largest entry of U^T V / s^2 - I.
    """

    clock: np.ndarray
    scale: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    unseen: np.ndarray
    norm: np.ndarray
    balance: np.ndarray


def observed(setting: CompletionSetting, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the observed entries, drawn without replacement."""
    order = np.argsort(randomness.generator(seed).random(setting.d**2))
    return np.divmod(np.sort(order[: setting.n_train]), setting.d)


# Far above any weight of a run that converges, and so low that nothing overflows.
_DIVERGED = 1e60


def gradient_descent(setting: CompletionSetting, seed: int, step) -> CompletionRun:
    """The plain loop, recorded at ``step``.

    ValueError unless they are whole and increasing, or if the run diverges.
    """
    step = validate.whole_steps("step", step)
    seen, (u, v) = (
        observed(setting, seed),
        setting.init_scale * np.eye(setting.d)[None].repeat(2, 0),
    )
    rows, shrink = [], 1 - setting.learning_rate * setting.weight_decay
    for k in range(int(step[-1]) + 1):
        weights = u @ u.T - v @ v.T
        if not np.max(np.abs(weights)) < _DIVERGED:
            raise ValueError(f"learning_rate = {setting.learning_rate:g}: must be smaller here")
        if k in step:
            tau = k * setting.learning_rate * setting.weight_decay
            rows.append(_record(setting, seen, tau, u, v))
        pull = setting.learning_rate * _pull(setting, seen, weights[seen])
        u, v = shrink * u - pull @ u, shrink * v + pull @ v
    return _run(rows)


def flow(setting: CompletionSetting, seed: int, clock) -> CompletionRun:
    """The gradient flow, at the times tau of ``clock`` (> 0), which are the integrator's too.

    P = exp(-h S) P with S at the end of the step: S has as many unknowns as there are observed
    entries, found by Newton's method with a matrix that takes P and S to commute.  ValueError
    if the times do not increase from above 0, or Newton's method fails at one of them.
    """
    clock = validate.steps("clock", clock)
    validate.number("clock[0]", clock[0], above=0)
    seen, p, q = observed(setting, seed), np.eye(setting.d), np.eye(setting.d)
    rows, error = [], -setting.target[seen]
    for tau, width in zip(clock, np.diff(clock, prepend=0.0), strict=True):
        s, long = setting.init_scale * np.exp(-tau), width / setting.weight_decay
        for _ in range(60):
            value, turn = np.linalg.eigh(_pull(setting, seen, error + setting.target[seen]))
            grow = np.exp(np.clip(long * value, -30, 30))
            p_next, q_next = (turn / grow) @ (turn.T @ p), (turn * grow) @ (turn.T @ q)
            plus, minus = p_next @ p_next.T, q_next @ q_next.T
            miss = error - (s**2 * (plus - minus) - setting.target)[seen]
            if np.max(np.abs(miss)) < 1e-9:
                break
            slope = 2 / setting.n_train * long * s**2 * _coupling(plus + minus, seen)
            slope[np.diag_indices_from(slope)] += 1
            error = error - np.linalg.solve(slope, miss)
        else:
            raise ValueError(f"clock reaches {tau:g}: Newton's method fails, take finer steps")
        p, q = p_next, q_next
        rows.append(_record(setting, seen, tau, s * p, s * q))
    return _run(rows)


def _pull(setting, seen, value):
    """S = G + G^T, from W on the observed entries."""
    gradient = np.zeros((setting.d, setting.d))
    gradient[seen] = 2 / setting.n_train * (value - setting.target[seen])
    return gradient + gradient.T


def _coupling(y, seen):
    """-d W_e / (long s^2 (2/n)) by error f, for symmetric Y, (n, n)."""
    i, j = seen
    # An index that two entries share, times Y at their other indices.
    ends = ((i, j), (j, i))
    return sum(np.equal.outer(a, b) * y[np.ix_(c, d)] for a, c in ends for b, d in ends)


def _record(setting, seen, tau, u, v):
    weights, s = u @ u.T - v @ v.T, setting.init_scale * np.exp(-tau)
    mask = np.zeros((setting.d, setting.d), dtype=bool)
    mask[seen] = True
    error = (weights - setting.target) ** 2
    balance = np.max(np.abs(u.T @ v / s**2 - np.eye(setting.d)))
    unseen = np.max(np.abs(weights[~(mask | mask.T)]))
    norm = np.hypot(np.linalg.norm(u), np.linalg.norm(v))
    return tau, s, error[mask].mean(), error[~mask].mean(), unseen, norm, balance


def _run(rows):
    return CompletionRun(*np.transpose(rows))
