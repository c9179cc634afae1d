"""Paper XC: a run in 402 dimensions against 40,000, and sparse against dense updates."""

from __future__ import annotations

from itertools import count

import numpy as np

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.xor import XorSetting, simulate

SETTING = XorSetting()
SLOW = XorSetting(step_size=1e-16)
STEP, SLOW_STEP = [0, 1, 15], [0, 100, 500, 1500]
_seeds = {"reduced": count(), "full": count()}


def self_averaging(draw, run):
    """What hardly depends on the draw: sizes of all inner products, and the fit after one step.

    That the two ways share their whole law is tested in ``tests`` and in the chapter.
    """
    gram = draw.data.gram[: SETTING.n_train]
    off = gram - np.diag(np.diag(gram))
    sizes = np.trace(gram), np.sqrt(np.mean(off**2)), draw.initial.std()
    return [*sizes, run.train_correct[1].mean()]


def reduced_run():
    """Draw and train by inner products, another seed each time."""
    draw = simulate.draw(SETTING, next(_seeds["reduced"]))
    return self_averaging(draw, simulate.train(draw, STEP))


def full_run():
    """Draw and train vectors of 40,000 entries, another seed each time."""
    full = simulate.draw_directly(SETTING, next(_seeds["full"]))
    return self_averaging(full.reduced, simulate.train_directly(full, STEP))


def product_seconds():
    """One step's product of 1000 neurons with the Gram matrix."""
    rng = np.random.default_rng(0)
    change, gram = rng.standard_normal((1000, 200)), rng.standard_normal((200, 200))
    return shortest_seconds(lambda: [change @ gram for _ in range(20)]) / 20


def reduced_limit(seconds):
    """Share of the draw, and of the products that the steps cannot do without."""
    drawn = shortest_seconds(lambda: simulate.draw(SETTING, 0))
    product = product_seconds()
    return (
        f"The draw takes {drawn / seconds:.0%} of the reduced run, the 15 products with the Gram "
        f"matrix {15 * product / seconds:.0%} ({0.08 / product:.0f} GFLOP/s)."
    )


def run_by(loss):
    """Size of the outputs and both accuracies of one slow run."""
    run = simulate.descend(SLOW, SLOW_STEP, 0, loss=loss)
    accuracies = 1 + run.train_correct.mean(axis=1), 1 + run.test_correct.mean(axis=1)
    return [np.sqrt(np.mean(run.output**2, axis=1)), *accuracies]


def sparse_limit(seconds):
    """Time a step against one dense product."""
    step = seconds / SLOW_STEP[-1]
    return f"A step takes {1e3 * step:.2f} ms, {step / product_seconds():.1f} dense products."


BENCHMARKS = [
    Benchmark(
        name="the paper's run at p = 40,000, 15 steps, draw included",
        fast=reduced_run,
        obvious=full_run,
        what_is_timed="Both draw data and network, train in double precision and record steps 0, 1 "
        "and 15; other draws each time, so the numbers compared are self-averaging ones.",
        tolerance=0.1,
        floor=15,
        aim=20,
        limit=reduced_limit,
    ),
    Benchmark(
        name="1500 small steps, linear loss against logistic",
        fast=lambda: run_by("linear"),
        obvious=lambda: run_by("logistic"),
        what_is_timed="The same draw; only the activations that changed against all of them.",
        tolerance=1e-8,
        floor=2,
        aim=4,
        limit=sparse_limit,
    ),
]
