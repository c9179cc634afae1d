"""Modular arithmetic (paper NS, numerical stability).  Needs torch."""

from grokbook.modular.data import Dataset, modular_pairs, sparse_parity, split
from grokbook.modular.loss import CrossEntropy, MeanSquare, StableMaxCrossEntropy
from grokbook.modular.network import MLP, Transformer
from grokbook.modular.optimizer import SGD, AdamW, OrthogonalGradient
from grokbook.modular.train import Run, Trainer, train

__all__ = [
    "MLP",
    "SGD",
    "AdamW",
    "CrossEntropy",
    "Dataset",
    "MeanSquare",
    "OrthogonalGradient",
    "Run",
    "StableMaxCrossEntropy",
    "Trainer",
    "Transformer",
    "modular_pairs",
    "sparse_parity",
    "split",
    "train",
]
