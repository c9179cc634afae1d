"""Modular arithmetic (paper NS, numerical stability).  Needs torch."""

from grokbook.modular.data import Dataset, Pairs, Parity, modular_pairs, sparse_parity, split
from grokbook.modular.loss import CrossEntropy, MeanSquare, StableMaxCrossEntropy
from grokbook.modular.network import MLP, FactoredMLP, Transformer
from grokbook.modular.optimizer import SGD, AdamW, OrthogonalGradient, SphericalAdamW
from grokbook.modular.run import Run
from grokbook.modular.setting import Arm, Setting
from grokbook.modular.train import Trainer, train

__all__ = [
    "MLP",
    "SGD",
    "AdamW",
    "Arm",
    "CrossEntropy",
    "Dataset",
    "FactoredMLP",
    "MeanSquare",
    "OrthogonalGradient",
    "Pairs",
    "Parity",
    "Run",
    "Setting",
    "SphericalAdamW",
    "StableMaxCrossEntropy",
    "Trainer",
    "Transformer",
    "modular_pairs",
    "sparse_parity",
    "split",
    "train",
]
