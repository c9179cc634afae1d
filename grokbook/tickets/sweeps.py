"""Sweep of paper GT: where tickets are found, by pruning rate and by when the mask is taken."""

from __future__ import annotations

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.sweep_grid import Grid, Quantity, Sweep
from grokbook.tickets import masks
from grokbook.tickets.setting import TicketSetting

# GT's network at a rate at which it generalises within 1,000 steps.
SETTING = TicketSetting(learning_rate=1e-2)
LAST_MASK = 1600
N_STEPS, EVERY = 400, 10


def ticket(seed: int, pruning_rate: float, mask_time: int) -> dict[str, float]:
    """A dense network of GT up to ``mask_time``, and the ticket that it leaves there.

    The mask keeps the weights that are largest after ``mask_time`` steps, on the initial weights of
    the same network.  The ticket trains for 400 steps at most.

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which the ticket's train and test accuracy reach
        0.95, ``inf`` if never; ``best_accuracy``: its highest test accuracy; ``dense_accuracy``:
        test accuracy of the dense network when the mask is taken.

    Raises
    ------
    ValueError
        If the pruning rate is outside [0, 1) or the mask time outside 0 to 1600 steps.
    """
    validate.count("mask_time", mask_time, at_least=0)
    if mask_time > LAST_MASK:
        raise ValueError(f"mask_time = {mask_time}: must be at most {LAST_MASK} steps")
    validate.number("pruning_rate", pruning_rate, at_least=0, below=1)
    seed %= 2**63  # torch's generators take 63 bits
    dense = SETTING.trainer(seed)
    before = dense.run([mask_time])
    mask = masks.magnitude(dense.weights, pruning_rate)
    run = SETTING.trainer(seed, mask=mask).run(range(0, N_STEPS + 1, EVERY), stop_at=LEVEL)
    return {
        "memorised": float(run.curves.memorisation_time()),
        "generalised": float(run.curves.generalisation_time()),
        "best_accuracy": run.curves.test_accuracy.max(),
        "dense_accuracy": before.curves.test_accuracy[-1],
    }


PRUNING_RATE = [0.4, 0.6, 0.9]
MASK_TIME = [0, 400, 600, 800, 1200]

SWEEPS = (
    Sweep(
        name="tickets-mask",
        function=ticket,
        axes={
            "pruning_rate": Quantity("fraction", "k, share of the weights that is removed"),
            "mask_time": Quantity("steps", "when the dense network's mask is taken"),
        },
        outputs={
            "memorised": Quantity("steps", "the ticket's train accuracy reaches 0.95"),
            "generalised": Quantity("steps", "the ticket's test accuracy reaches 0.95"),
            "best_accuracy": Quantity("fraction", "highest test accuracy of the ticket"),
            "dense_accuracy": Quantity("fraction", "the dense network's when the mask is taken"),
        },
        grids={
            "small": Grid({"pruning_rate": [0.6], "mask_time": [0, 600]}, 1, 2.5),
            "book": Grid({"pruning_rate": PRUNING_RATE, "mask_time": MASK_TIME}, 3, 2.5),
            "paper": Grid(
                {
                    "pruning_rate": [round(0.05 * k, 2) for k in range(2, 20)],
                    "mask_time": list(range(0, LAST_MASK + 1, 50)),
                },
                20,
                2.5,
            ),
        },
        about="GT: tickets by pruning rate and by when the mask is taken, learning rate 0.01",
        packages=("torch",),
    ),
)
