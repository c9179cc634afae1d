"""Event times of every simulator, small: run as a script, it prints them as JSON.

``test_processors`` runs it as other processors would and compares.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np

SEEDS = (0, 1, 2)


def _times(curves):
    return {"mem": curves.memorisation_time(), "gen": curves.generalisation_time()}


def linear():
    """Exact runs of LE: one and several outputs, decay, noise, more dimensions than samples."""
    from grokbook.linear import LinearSetting, reduced, simulate

    step = np.append(0, np.geomspace(1, 1e7, 60))
    settings = {
        "one output": LinearSetting(0.8, d_in=120),
        "several outputs": LinearSetting(0.8, d_in=120, d_out=4),
        "decay": LinearSetting(0.7, d_in=120, weight_decay=1e-4),
        "noise": LinearSetting(0.5, d_in=120, label_noise=0.01),
        "few samples": LinearSetting(1.2, d_in=120, accuracy_threshold=0.1),
    }
    found = {
        name: _times(simulate.trajectory(setting, step, SEEDS, n_test=2000))
        for name, setting in settings.items()
    }
    whole = np.unique(np.round(step))
    found["steps"] = _times(
        simulate.trajectory(settings["decay"], whole, SEEDS, method="steps", n_test=2000)
    )
    loop = simulate.gradient_descent(settings["several outputs"], whole[whole < 3000], 0)
    found["plain loop"] = {"loss": np.array([loop.train_loss[-1], loop.test_loss[-1]])}
    for name in ("one output", "several outputs", "decay", "few samples"):
        runs = reduced.trajectory(settings[name], step, SEEDS, n_test=2000)
        found[f"without data, {name}"] = _times(runs)
    return found


def two_layer():
    """Two-layer networks of LE."""
    from grokbook.linear import TwoLayerSetting, two_layer_simulate

    step = np.append(0, np.geomspace(10, 3e4, 30))
    sizes = {"d_in": 60, "d_hidden": 12, "d_out": 3, "learning_rate": 0.05}
    found = {}
    for activation in ("linear", "tanh"):
        setting = TwoLayerSetting(0.8, activation=activation, **sizes)
        runs = two_layer_simulate.trajectory(setting, step, SEEDS, n_test=2000)
        found[activation] = _times(runs)
    return found


def logistic():
    """Flows, the plain loop and Adam of LS, and its variants."""
    from grokbook.logistic import LogisticSetting, TwoGaussianSetting, simulate, variants

    step = np.append(0, np.geomspace(0.1, 1e8, 60))
    setting = LogisticSetting(0.44, n_train=100)
    law = variants.anisotropic(setting.d_in, setting.noise_scale)
    found = {
        "flow": simulate.flow(setting, step, SEEDS),
        "two Gaussians": variants.two_gaussians(TwoGaussianSetting(0.44, 100), step, SEEDS),
        "other features": variants.other_features(setting, law, step, SEEDS),
        "plain loop": simulate.gradient_descent(setting, np.arange(0, 3000, 20), SEEDS),
        "Adam": simulate.adam(setting, np.arange(0, 3000, 20), SEEDS),
    }
    return {name: _times(runs.curves) for name, runs in found.items()}


def xor():
    """Gradient descent of XC by inner products and on full vectors."""
    from grokbook.xor import XorSetting, simulate

    step = np.arange(0, 31)
    setting = XorSetting(d_in=4000, n_train=60, n_test=60, width=100, signal_norm=26.0)
    runs = {
        loss: [simulate.descend(setting, step, seed, loss=loss) for seed in SEEDS]
        for loss in ("logistic", "linear")
    }
    runs["full vectors"] = [simulate.descend_directly(setting, step, seed) for seed in SEEDS]
    return {name: _times(simulate.curves(one)) for name, one in runs.items()}


def ridge():
    """Ridge regression with decay, noise and spikes, and a ReLU network, of RR."""
    from grokbook.decay import deep_clock, ridge_simulate
    from grokbook.decay.ridge_setting import NetSetting, RidgeSetting

    setting = RidgeSetting(40, 200, weight_decay=1e-3)
    settings = {
        "plain": setting,
        "noise": replace(setting, label_noise=0.1),
        "spikes": replace(setting, n_spikes=5, learning_rate=0.4),
    }
    found = {}
    for name, one in settings.items():
        fits, learns = ridge_simulate.times(one, SEEDS).T
        found[name] = {"mem": fits, "gen": learns}
    step = np.unique(np.round(np.append(0, np.geomspace(1, 3000, 60))))
    net = NetSetting(d_in=20, n_train=15, width=50, weight_decay=0.1)
    return found | {"network": _times(deep_clock.trajectory(net, step, SEEDS))}


def _trained(runs):
    times = [_times(run.curves) for run in runs]
    return {event: np.array([one[event] for one in times]) for event in times[0]}


def modular():
    """Networks of NS: weight decay, ⊥Grad, StableMax, a transformer, a fixed norm."""
    from grokbook.modular import MLP, AdamW, Arm, Pairs, Setting, Transformer
    from grokbook.modular.maps import MAP_ARMS
    from grokbook.modular.setting import on_sphere

    task, mlp = {"task": Pairs(p=31), "train_fraction": 0.8}, partial(MLP.on, width=64)
    rates = {"plain": (0.03, 3.0), "⊥Grad": (0.03, 0.0), "StableMax": (0.01, 1.0)}
    found = {}
    for name, (learning_rate, weight_decay) in rates.items():
        optimizer = replace(
            MAP_ARMS[name].optimizer, learning_rate=learning_rate, weight_decay=weight_decay
        )
        setting = MAP_ARMS[name].replace(**task, network=mlp, optimizer=optimizer)
        found[name] = Arm(setting, 400, stop_at=0.95).runs(SEEDS)
    transformer = Setting(
        **task,
        network=partial(Transformer.on, d_model=32, d_mlp=64),
        optimizer=AdamW(0.01, weight_decay=2.0),
    )
    found["transformer"] = Arm(transformer, 130, stop_at=0.95).runs(SEEDS[:2])
    out = {name: _trained(runs) for name, runs in found.items()}
    small = Arm(on_sphere(Setting(**task, network=mlp), 0.25), 200)
    return out | {"sphere": _times(small.run(0).curves)}


def tickets():
    """Dense networks of GT and their tickets."""
    from grokbook.modular import Pairs
    from grokbook.tickets import QUICK, masks

    optimizer = replace(QUICK.optimizer, learning_rate=0.01, weight_decay=2.0)
    task = Pairs(p=31, unordered=True)
    setting = QUICK.replace(task=task, train_fraction=0.9, optimizer=optimizer)
    record, dense, under_mask = range(0, 251, 10), [], []
    for seed in SEEDS:
        trainer = setting.trainer(seed)
        dense.append(trainer.run(record, stop_at=0.95))
        mask = masks.magnitude(trainer.weights, 0.6, setting.spans())
        under_mask.append(setting.trainer(seed, mask=mask).run(record, stop_at=0.95))
    return {"dense": _trained(dense), "ticket": _trained(under_mask)}


def diagonal():
    """Diagonal networks and matrix completion of DI."""
    from grokbook.curves import crossing_time
    from grokbook.decay import completion, diagonal_simulate
    from grokbook.decay.diagonal_setting import DiagonalSetting, draw

    found, clock = {}, diagonal_simulate.grid(7.0, 0.1)
    setting = DiagonalSetting(96, 600, init_scale=2.0)
    for data in ("votes", "gap"):
        one = replace(setting, data=data)
        samples = draw(one, 0)
        path = diagonal_simulate.flow(one, samples, clock)
        found[data] = _times(diagonal_simulate.curves(one, samples, path))
    small = completion.CompletionSetting(12, 60, 3.0, weight_decay=1e-3)
    run = completion.flow(small, 0, diagonal_simulate.grid(4.0, 0.1, 1e-4))
    return found | {"matrices": {"gen": crossing_time(run.clock, -run.test_loss, -0.05)}}


PARTS = (linear, two_layer, logistic, xor, ridge, modular, tickets, diagonal)

if __name__ == "__main__":
    found = {part.__name__: part() for part in PARTS}
    print(json.dumps(found, default=np.ndarray.tolist))
