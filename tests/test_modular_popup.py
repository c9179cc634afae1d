"""Edge-popup: which edges are used, the straight-through gradient; sweeps and the paper's arm."""

import numpy as np
import pytest
import torch

from grokbook.modular import masks, ticket_arms
from grokbook.modular import ticket_sweeps as sweeps
from grokbook.modular.path import follow, schedule
from grokbook.modular.popup import edge_popup, initial_scores, popped
from grokbook.modular.tickets import QUICK

SMALL = QUICK.replace(p=7, learning_rate=1e-2)


def test_popped_keeps_the_largest_sizes_of_each_matrix():
    scores = torch.tensor([1.0, -5, 2, 3, 0.1, 0.2, -0.3, 0.4])
    mask = popped(scores, 0.5, [slice(0, 4), slice(4, 8)])
    assert mask.tolist() == [0, 1, 0, 1, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="keep"):
        popped(scores, 0.0, [slice(0, 8)])


def test_initial_scores_are_bounded_by_the_columns():
    scores, spans = initial_scores(SMALL, 0), SMALL.spans()
    for name, weight in SMALL.network(0).named_parameters():
        bound = weight.shape[-1] ** -0.5
        assert 0.9 * bound < float(scores[spans[name]].abs().max()) <= bound


def test_first_step_follows_the_straight_through_gradient():
    """Adam's first step is the sign of the gradient: dL/dw_used times weight times sign(score)."""
    weights = SMALL.initial(0)
    scores, spans = initial_scores(SMALL, 0), list(SMALL.spans().values())
    mask = popped(scores, 0.4, spans)
    trainer = SMALL.trainer(0, weights=weights * mask)
    terms = trainer.loss.terms(trainer.gradient.forward(), trainer.train.labels)
    gradient = trainer.gradient.backward((terms.gradient * trainer.scale).float())
    push = gradient * weights * torch.sign(scores)
    moved = 0.99 * scores - 1e-2 * push / (push.abs() + 1e-8)
    used = edge_popup(SMALL, 0, weights, [0, 1]).last
    assert float(((used != 0) == (popped(moved, 0.4, spans) > 0)).float().mean()) > 0.999


def test_frozen_weights_stay_and_trained_ones_move():
    weights = SMALL.initial(0)
    run = edge_popup(SMALL, 0, weights, [0, 200])
    used = run.last != 0
    torch.testing.assert_close(run.last[used], weights[used])
    assert run.curves.train_loss[-1] < run.curves.train_loss[0]
    both = edge_popup(SMALL, 0, weights, [0, 20], train_weights=True)
    used = both.last != 0
    assert not torch.allclose(both.last[used], weights[used])


def test_a_table_collects_runs_and_continues_their_curves():
    table = sweeps.Table(50)
    run = follow(SMALL.trainer(0), schedule(10))
    table.add("dense", 3, run)
    assert table.of("dense", "seed").tolist() == [3]
    curve = table.of("dense", "train_accuracy")[0]
    np.testing.assert_allclose(curve[:11], run.curves.train_accuracy)
    assert np.all(curve[11:] == curve[10])
    arrays = table.arrays()
    assert arrays["arm"].tolist() == ["dense"]
    assert arrays["step"].tolist() == table.record
    with pytest.raises(ValueError, match="arm = 'none': must be one of"):
        table.of("none")


def test_sweeps_add_their_arms():
    _, dense = sweeps.dense_run(SMALL, 0, 60)
    table = sweeps.Table(60)
    sweeps.add_controls(table, SMALL, 0, dense, 3)
    sweeps.add_rates(table, SMALL, 0, dense, 3)
    sweeps.add_criteria(table, SMALL, 0, 3)
    sweeps.add_carried(table, SMALL, 0, dense, 3)
    sweeps.add_no_decay(table, SMALL, 0, dense, 3)
    arms = {row["arm"] for row in table.rows}
    assert {"ticket", "random", "SNIP", "shuffled in its layers", "k = 0.9"} <= arms
    start = SMALL.initial(0)
    ratio = masks.norm_ratio(start, masks.magnitude(dense.last, 0.6), 2)
    before = float(torch.linalg.vector_norm(start)) * ratio
    after = table.of("dense, L2 norm of the ticket", "norm")[0, 1]
    assert after == pytest.approx(before, rel=0.1)


def test_mask_times_are_shares_of_the_generalisation_time():
    trainer = SMALL.trainer(0)
    trainer.test = trainer.train
    dense = follow(trainer, range(401), keep=range(0, 400, 10), wait=100)
    found = sweeps.mask_times(dense)
    assert found["mask at 1 t_gen"] == pytest.approx(dense.t_gen, abs=6)
    assert found["mask at 0.5 t_gen"] == pytest.approx(dense.t_gen / 2, abs=6)


def test_the_papers_arm_has_its_shapes():
    found = ticket_arms.paper_arm(
        [0], setting={"p": 7}, n_steps=2000, wait=0, graph_steps=[0], ticket_steps=20
    )
    assert found["test_accuracy"].shape == (1, found["step"].size)
    assert found["jaccard"].shape == (1, found["kept"].size, 5)
    assert np.isfinite(found["graph"][0, 0]).all()
    assert found["ticket_test_accuracy"].shape[1] == len(ticket_arms.TICKETS)
    assert found["table"].shape == (3, 7, 48)
