"""Regression on one-hot targets of any height.

NS App. C.1 trains with a squared loss and does not say how far the outputs have to reach: a target
of height 10 is met by larger weights than one of height 1.
"""

from __future__ import annotations

import torch

from grokbook import validate
from grokbook.modular.loss import MeanSquare, Terms


class ScaledMeanSquare(MeanSquare):
    """Mean squared distance of logits / height from the one-hot label, over classes.

    The same as a one-hot target of that height, with the loss in units of its square.

    Parameters
    ----------
    height : float
        > 0: value of the right logit at zero loss; 1 is :class:`~grokbook.modular.loss.MeanSquare`.
    dtype : str
        As in :class:`~grokbook.modular.loss.CrossEntropy`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(self, height: float = 1.0, dtype: str = "float32"):
        super().__init__(dtype)
        self.height = validate.number("height", height, above=0)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss; a scalar tensor of the loss's dtype."""
        return super().forward(logits.to(self.dtype) / self.height, labels)

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> Terms:
        """Loss and gradient of each sample; nothing collapses."""
        found = super().terms(logits.to(self.dtype) / self.height, labels)
        return Terms(found.value, found.gradient.div_(self.height), None)
