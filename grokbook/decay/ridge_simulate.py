"""Gradient descent of ridge regression on drawn features, any step at once (paper RR).

In the eigenvectors of Phi Phi^T each mode of the weights is a geometric sequence, so that a step
costs O(n^2) however late it is.  Nothing here uses the law of the spectrum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.decay.ridge_setting import HORIZON, RidgeSetting


@dataclass(frozen=True)
class Run:
    """One run on given features, solved.

    Attributes
    ----------
    setting : RidgeSetting
        Its rates and threshold are used.
    spread : (n,) array
        Eigenvalues of Phi^T Phi / n, increasing.
    start, target : (n,) arrays
        Initial weights, and the interpolating ones of least norm, along these eigenvectors.
    gram : (n + 2, n + 2) array
        The test error is quadratic in the n modes, the part of the start that no sample touches,
        and minus the teacher: this is its matrix.
    samples, probe : (n, n) and (n_test, n + 2) arrays
        Errors on the training and on test samples are linear in the same: these are their matrices.
    """

    setting: RidgeSetting
    spread: np.ndarray
    start: np.ndarray
    target: np.ndarray
    gram: np.ndarray
    samples: np.ndarray
    probe: np.ndarray

    def _modes(self, step):
        """Errors along the modes (n_steps, n), and the (n + 2) parts of the test error."""
        eta, decay = self.setting.learning_rate, self.setting.weight_decay
        step = validate.whole_steps("step", step)[:, None]
        largest = float(2 / (self.spread[-1] + decay))
        if eta > largest:
            raise ValueError(f"learning_rate = {eta}: must be at most {largest} here")
        kept = (1 - eta * (self.spread + decay)) ** step
        reached = self.spread / (self.spread + decay)
        theta = kept * self.start + (1 - kept) * reached * self.target
        rest = (1 - eta * decay) ** step
        return theta - self.target, np.concatenate([theta, rest, -np.ones_like(step)], axis=1)

    def losses(self, step) -> tuple[np.ndarray, np.ndarray]:
        """Train and test loss at whole, increasing steps, (n_steps,); ValueError otherwise.

        Also where the learning rate is so large that the loss diverges.
        """
        residual, parts = self._modes(step)
        test = np.einsum("ti,ti->t", parts @ self.gram, parts)
        return 0.5 * residual**2 @ self.spread, np.maximum(test, 0.0)

    def accuracies(self, step) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the training and of the test samples with a squared error below c."""
        errors = zip(self._modes(step), (self.samples, self.probe), strict=True)
        level = self.setting.threshold
        return tuple(np.mean((modes @ one.T) ** 2 < level, axis=1) for modes, one in errors)

    def times(self) -> tuple[float, float]:
        """t_1 = max{t: L_n >= epsilon} and t_2 = min{t: L <= c} in whole steps (RR, Section 3).

        t_1 is 0 without such a step.  Losses are looked at on 600 steps in a geometric row up to
        10^9, then between two of these; ``inf`` if a level is not reached there.
        """
        grid = np.unique(np.round(np.append(0, np.geomspace(1, HORIZON, 600))))
        train, test = self.losses(grid)
        high, low = train >= self.setting.threshold, test <= self.setting.threshold
        last = len(grid) - 1 - int(np.argmax(high[::-1])) if high.any() else -1
        first = int(np.argmax(low)) if low.any() else len(grid)

        def between(index, which):
            """The last step above the level, between two records."""
            above, below = grid[index : index + 2]
            while below - above > 1:
                middle = (above + below) // 2
                is_above = self.losses([middle])[which][0] >= self.setting.threshold
                above, below = (middle, below) if is_above else (above, middle)
            return float(above)

        fits = np.inf if last == len(grid) - 1 else between(last, 0) if last >= 0 else 0.0
        learns = np.inf if first == len(grid) else between(first - 1, 1) + 1 if first else 0.0
        return fits, learns


def solve(setting: RidgeSetting, features, labels, start, test_features, test_labels, metric=None):
    """The :class:`Run` on given features (n, m), labels (n,) and start (m,).

    The test loss is the mean over ``test_features`` (n_test, m) with ``test_labels``; or, with
    ``metric``, two (m,) arrays, over the whole population of independent features of these
    variances labelled by this teacher.  ValueError if an array does not fit or is not finite, or
    there are more samples than features.
    """
    features = validate.array("features", features, ndim=2)
    n, m = features.shape
    if n > m:
        raise ValueError(f"features has shape {(n, m)}: must have no more rows than columns")
    labels = validate.array("labels", labels, shape=(n,))
    start = validate.array("start", start, shape=(m,))
    test_features = validate.array("test_features", test_features, shape=(None, m))
    test_labels = validate.array("test_labels", test_labels, shape=test_features.shape[:1])
    squares, vectors = np.linalg.eigh(features @ features.T)
    roots = np.sqrt(squares)
    rows = features.T @ (vectors / roots)
    along = rows.T @ start
    parts = np.column_stack([rows, start - rows @ along])
    probe = np.column_stack([test_features @ parts, test_labels])
    if metric is None:
        gram = probe.T @ probe / len(probe)
    else:
        parts = np.column_stack([parts, metric[1]])
        gram = parts.T @ (metric[0][:, None] * parts)
    target = vectors.T @ labels / roots
    return Run(setting, squares / n, along, target, gram, vectors * roots, probe)


def draw(setting: RidgeSetting, seed: int, n_test: int = 0) -> Run:
    """One run of RR, Section 5.1: features, teacher, start and noise of ``seed``.

    The test loss is that of the population; ``n_test`` samples serve to count accuracies.
    """
    n, m, k = setting.n_train, setting.n_features, setting.n_spikes
    size = np.where(np.arange(m) < k, 1.0, m**-0.5)
    features, tested = (
        size * randomness.generator(seed, 10 + stream).standard_normal((rows, m))
        for stream, rows in enumerate((n, n_test))
    )
    start, teacher = randomness.generator(seed, 12).standard_normal((2, m))
    teacher[k or m :] = 0.0
    teacher *= setting.teacher_norm / np.linalg.norm(teacher)
    noise = setting.label_noise * randomness.generator(seed, 13).standard_normal(n)
    start = setting.init_variance**0.5 * start
    metric = size**2, teacher
    labels = features @ teacher + noise
    return solve(setting, features, labels, start, tested, tested @ teacher, metric)


def trajectory(setting: RidgeSetting, step, seeds: Iterable[int], *, n_test: int = 1000) -> Curves:
    """Runs of RR, Section 5.1, one a seed: losses of the population, counted accuracies.

    ``step`` are whole numbers; records are (n_seeds, n_steps).  Arguments and record otherwise as
    ``ridge_theory.curves``.
    """
    validate.count("n_test", n_test)
    step = validate.whole_steps("step", step)
    runs = [draw(setting, seed, n_test) for seed in validate.seeds("seeds", seeds)]
    records = [(*run.losses(step), *run.accuracies(step)) for run in runs]
    return Curves(step, *(np.stack(one) for one in zip(*records, strict=True)))


def times(setting: RidgeSetting, seeds: Iterable[int]) -> np.ndarray:
    """t_1 and t_2 of one run a seed; (n_seeds, 2), errors and conventions as :meth:`Run.times`."""
    return np.array([draw(setting, seed).times() for seed in validate.seeds("seeds", seeds)])
