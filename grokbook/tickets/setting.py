"""GT's settings.  A ticket is a mask on the initial weights: ``setting.trainer(seed, mask=mask)``.

All masks and weights are flat vectors in the order of ``network.named_parameters()``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from grokbook.modular.data import Pairs
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.network import FactoredMLP, Transformer
from grokbook.modular.optimizer import AdamW
from grokbook.modular.setting import Setting

# GT's optimiser, with alpha = 1.
ADAMW = AdamW(1e-3, beta2=0.98, epsilon=1e-8, weight_decay=1.0)
# GT's own configuration: 40 % of the 2,278 unordered pairs modulo 67.
PAPER = Setting(
    task=Pairs(p=67, unordered=True),
    train_fraction=0.4,
    network=FactoredMLP.on,
    loss=CrossEntropy("float64"),
    optimizer=ADAMW,
)
# Ours, which generalises within a minute.
QUICK = PAPER.replace(train_fraction=0.5, optimizer=replace(ADAMW, learning_rate=3e-3))
# With a step three times as long: edge-popup and maps.
FAST = QUICK.replace(optimizer=replace(ADAMW, learning_rate=1e-2))
# Share of the weights that a ticket loses, where nothing else is said.
RATE = 0.6
# GT's transformer, with one head.
TRANSFORMER = partial(Transformer.on, n_heads=1, d_mlp=128)
