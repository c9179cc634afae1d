"""How far apart a loss wants its logits: the gap at which one sample's loss is least.

The gap is the right logit minus a wrong one, with all wrong ones equal.  Cross-entropy wants an
infinite gap; label smoothing and a penalty on the logits (NS App. F and C.1) want a finite one.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from grokbook import validate


def smoothing_gap(n_classes: int, share: float) -> float:
    """Gap of the least loss under label smoothing, ln(1 + n (1 - s) / s), in nats.

    At the minimum the softmax equals the target, 1 - s + s/n for the right class and s/n elsewhere.

    Parameters
    ----------
    n_classes : int
        n, at least 2.
    share : float
        s in (0, 1).

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    validate.count("n_classes", n_classes, at_least=2)
    validate.number("share", share, above=0, below=1)
    return math.log1p(n_classes * (1 - share) / share)


def penalty_gap(n_classes: int, strength: float) -> float:
    """Gap of the least cross-entropy plus strength times the mean square of the logits, in nats.

    Stationarity in the right logit, 2 c a / n = 1 - softmax, with a = g (n - 1) / n for gap g.

    Parameters
    ----------
    n_classes : int
        n, at least 2.
    strength : float
        c > 0, as ``logit_penalty`` of :class:`~grokbook.modular.loss.CrossEntropy`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    validate.count("n_classes", n_classes, at_least=2)
    validate.number("strength", strength, above=0)
    pull = 2 * strength * (n_classes - 1) / n_classes**2

    def balance(gap):
        return pull * gap - 1 / (1 + math.exp(gap) / (n_classes - 1))

    return brentq(balance, 0.0, 1 / pull + 1 if pull > 1e-3 else 700.0)
