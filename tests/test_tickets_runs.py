"""The stored runs of GT: their shapes, and a slice of each computed again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grokbook import results
from grokbook.curves import LEVEL, crossing_time
from grokbook.modular.setting import Setting
from grokbook.tickets import controls, experiments, masks, popup, remedies, tables
from grokbook.tickets.setting import FAST, PAPER, QUICK

DECLARED = {run.name: dict(run.parameters) for run in experiments.RUNS}


def same_start(kept, curve, run, n_steps, atol=0.01):
    """Curves of accuracy, up to a few samples, over the first steps."""
    early = kept["step"] <= n_steps
    again = run.continued("train_accuracy", kept["step"][early])
    np.testing.assert_allclose(curve[early], again, atol=atol)


def of(kept, arm, name):
    return kept[name][kept["arm"] == arm]


def test_the_papers_configuration():
    kept = results.load("tickets-paper")
    assert kept["test_accuracy"].shape == (6, kept["step"].size)
    same_start(kept, kept["train_accuracy"][0], PAPER.trainer(0).run(range(61)), 60)


@pytest.mark.parametrize("seed", range(3))
def test_rounding_leaves_the_times_of_a_ticket(seed):
    """Learning rate off by 2**-50 and initial weights by a float32 rounding; the stored mask."""
    kept, n_weights = results.load("tickets-paper"), PAPER.initial(0).numel()
    mask = torch.from_numpy(np.unpackbits(kept["mask"][seed])[:n_weights].astype(np.float32))
    rng = torch.Generator().manual_seed(seed)
    nudge = 1 + (torch.randint(3, (n_weights,), generator=rng) - 1) * 2.0**-23
    rate = PAPER.optimizer.learning_rate * (1 + 2**-50)
    nudged = PAPER.replace(optimizer=replace(PAPER.optimizer, learning_rate=rate))
    record = range(60, 131)
    runs = [
        PAPER.trainer(seed, mask=mask).run(record),
        nudged.trainer(seed, mask=mask, weights=PAPER.initial(seed) * nudge).run(record),
    ]
    for part, level in {"train": LEVEL, "test": 0.2}.items():
        curves = [getattr(run.curves, f"{part}_accuracy") for run in runs]
        curves.append(kept[f"ticket_{part}_accuracy"][seed, 0, record])
        times = crossing_time(record, np.array(curves), level)
        assert times[0] < record[-1] - 3
        np.testing.assert_allclose(times, times[0], atol=1)


def test_late_masks():
    kept = results.load("tickets-late-masks")
    for precision in DECLARED["tickets-late-masks"]["precisions"]:
        assert of(kept, f"{precision}: dense", "seed").tolist() == [0, 1, 2, 3, 4]
        run = QUICK.replace(loss=tables.PRECISIONS[precision]).trainer(0).run(range(31))
        curve = of(kept, f"{precision}: dense", "train_accuracy")[0]
        same_start(kept, curve, run, 30)


def test_norm_controls():
    kept, keep = results.load("tickets-norms"), DECLARED["tickets-norms"]["keep"]
    assert kept["norms"].shape == (10 * len(controls.NORM_ARMS), len(keep), 2)
    assert kept["arm"].tolist() == list(controls.NORM_ARMS) * 10
    run = QUICK.trainer(0).run(range(51), keep=keep[:6])
    again = controls.norms_of({"dense": run}, [0, 10, 20, 50])
    np.testing.assert_allclose(kept["norms"][:1, :4], again, rtol=1e-3)
    # Controls start with their ticket's norm.
    norms = kept["norms"].reshape(10, 4, len(keep), 2)[:, :, 0]
    np.testing.assert_allclose(norms[:, 2, 0], norms[:, 1, 0], rtol=1e-4)
    np.testing.assert_allclose(norms[:, 3, 1], norms[:, 1, 1], rtol=1e-4)


@pytest.mark.parametrize("criterion", ["SNIP", "random"])
def test_pruned_at_initialisation(criterion):
    kept = results.load("tickets-paper-criteria")
    assert of(kept, criterion, "seed").tolist() == [0, 1, 2, 3, 4]
    mask = masks.at_initialisation(criterion, PAPER, 1, controls.RATE)
    run = PAPER.trainer(1, mask=mask).run(range(61))
    same_start(kept, of(kept, criterion, "train_accuracy")[1], run, 60)


def test_the_papers_rates_and_mask_times():
    kept = {name: results.load(f"tickets-paper-{name}") for name in ("rates", "masks")}
    dense = PAPER.trainer(1).run(range(101), keep=[100])
    for name, run in kept.items():
        seeds = DECLARED[f"tickets-paper-{name}"]["seeds"]
        assert of(run, "dense", "seed").tolist() == seeds
        same_start(run, of(run, "dense", "train_accuracy")[1], dense, 100)
    early = PAPER.trainer(1, mask=masks.magnitude(dense.last, controls.RATE)).run(range(121))
    curve = of(kept["masks"], "mask at step 100", "train_accuracy")[1]
    # Processors round dense networks apart, and their masks keep a few other weights.
    same_start(kept["masks"], curve, early, 120, atol=0.03)
    # Tickets end soon after they generalise; the mask of step 100 as its dense network.
    ends, times = (of(kept["rates"], "k = 0.5", name) for name in ("ended", "t_gen"))
    assert np.all((ends - times >= 99) & (ends - times <= 120))
    ends = of(kept["masks"], "dense", "ended")
    assert np.all(of(kept["masks"], "mask at step 100", "ended") <= ends)


def test_the_papers_norms():
    kept = results.load("tickets-paper-norms")
    assert kept["arm"].tolist() == list(controls.NORM_ARMS) * 5
    dense = of(kept, "dense", "train_accuracy")
    same_start(kept, dense[2], PAPER.trainer(2).run(range(91)), 90)
    start = kept["norms"].reshape(5, 4, -1, 2)[:, :, 0]
    np.testing.assert_allclose(start[:, 2, 0], start[:, 1, 0], rtol=1e-4)
    np.testing.assert_allclose(start[:, 3, 1], start[:, 1, 1], rtol=1e-4)


def test_without_decay():
    kept = results.load("tickets-no-decay")
    assert of(kept, "dense, no decay", "seed").tolist() == DECLARED["tickets-no-decay"]["seeds"]
    table = controls.Table(40)
    controls.add_no_decay(table, QUICK, 0, QUICK.trainer(0).run([40]), 40)
    again = table.of("dense, no decay", "train_accuracy")[0]
    np.testing.assert_allclose(
        of(kept, "dense, no decay", "train_accuracy")[0][:41], again, atol=0.01
    )


def test_edge_popup():
    kept, parameters = results.load("tickets-popup"), DECLARED["tickets-popup"]
    starts, n_seeds = parameters["starts"], len(parameters["seeds"])
    shape = (len(starts), len(popup.WAYS), n_seeds, kept["step"].size)
    assert kept["test_accuracy"].shape == shape
    assert kept["graph"].shape == (n_seeds, len(parameters["graph_steps"]), 5, 4)
    memory = FAST.trainer(0).run([starts[1]])
    for k, way in enumerate(popup.WAYS):
        run = popup.run_way(way, FAST, 0, memory.last, [0, 50])
        again = run.continued("train_accuracy", [0, 50])
        np.testing.assert_allclose(kept["train_accuracy"][1, k, 0, :2], again, atol=0.02)


def test_what_a_mask_carries():
    kept, seeds = results.load("tickets-carried"), DECLARED["tickets-carried"]["seeds"]
    dense, ended = of(kept, "dense", "t_gen"), of(kept, "dense", "ended")
    assert np.all(ended >= dense + controls.WAIT)
    for arm in ("ticket", "initial signs, equal sizes", "fresh initial weights"):
        assert of(kept, arm, "seed").tolist() == seeds
        assert np.all(of(kept, arm, "ended") <= ended)
    # The mask of step 50 can be made again without a dense run to its end.
    early = masks.magnitude(QUICK.trainer(0).run([50]).last, controls.RATE)
    run = QUICK.trainer(0, mask=early).run(range(41))
    same_start(kept, of(kept, "mask at step 50", "train_accuracy")[0], run, 40)


def test_transplants_exchange_signs_or_sizes():
    initial, fresh = QUICK.initial(0), QUICK.initial(1)
    found = controls.transplants(QUICK, initial, fresh)
    other, equal, sizes = found.values()
    for weights in (other, equal):
        assert torch.equal(torch.sign(weights), torch.sign(initial))
    assert torch.equal(other.abs(), fresh.abs())
    assert torch.equal(sizes.abs(), initial.abs())
    assert torch.equal(torch.sign(sizes), torch.sign(fresh))
    for span in QUICK.spans().values():
        assert equal[span].abs().unique().numel() == 1
        assert float(equal[span].norm()) == pytest.approx(float(initial[span].norm()), rel=1e-3)
    with pytest.raises(ValueError, match="fresh has shape"):
        controls.transplants(QUICK, initial, fresh[1:])


def test_transformer():
    kept = results.load("tickets-transformer")
    assert kept["test_accuracy"].shape == (2, 10, kept["step"].size)
    trainer = DECLARED["tickets-transformer"]["setting"].trainer(0)
    same_start(kept, kept["train_accuracy"][0, 0], trainer.run(range(41)), 40)


def test_remedies_on_addition(monkeypatch):
    """Every remedy, one seed, as far as it takes few steps; times to a record of 10 steps."""
    kept, seed, made, trainer = results.load("tickets-remedies"), 2, [], Setting.trainer

    def noted(setting, *arguments, **options):
        made.append((setting, trainer(setting, *arguments, **options), options))
        return made[-1][1]

    monkeypatch.setattr(remedies, "LAST", {"NS": 50, "GT": 130})
    monkeypatch.setattr(Setting, "trainer", noted)
    found = remedies.modular_remedies([seed])
    assert found.keys() == kept.arrays.keys()
    for name, (time,) in found.items():
        stored = kept[name][seed]
        wanted = stored if stored < remedies.LAST[name[:2]] else np.inf
        assert time == pytest.approx(wanted, abs=10)
    # The ticket is trained last, without decay, under the mask of the control with decay.
    decayed = [one for setting, one, _ in made if setting == remedies.remedied(1.0)["control"]][-1]
    setting, _, options = made[-1]
    assert torch.equal(options["mask"], masks.magnitude(decayed.weights, 0.6))
    assert setting == remedies.remedied(0.0)["control"]
