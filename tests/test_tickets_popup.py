"""Edge-popup: which edges are used, the straight-through gradient; sweeps and the paper's arm."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from grokbook.curves import Curves
from grokbook.modular import Pairs, fourier
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.run import RECORDS, Run, schedule
from grokbook.tickets import controls, graphs, masks, paper, popup, tables, tasks
from grokbook.tickets.popup import edge_popup, initial_scores, popped
from grokbook.tickets.setting import FAST, TRANSFORMER

SMALL = FAST.replace(task=Pairs(p=7, unordered=True))
EASY = SMALL.replace(task=Pairs(p=23, unordered=True), train_fraction=0.95)


def test_popped_keeps_the_largest_sizes_of_each_matrix():
    scores = torch.tensor([1.0, -5, 2, 3, 0.1, 0.2, -0.3, 0.4])
    mask = popped(scores, 0.5, [slice(0, 4), slice(4, 8)])
    assert mask.tolist() == [0, 1, 0, 1, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="keep"):
        popped(scores, 0.0, [slice(0, 8)])


def test_of_equal_scores_the_lowest_indices_are_used():
    scores = torch.tensor([1.0, -1, 1, -1, 1, 2, -2, 2, 2, -2])
    mask = popped(scores, 0.4, [slice(0, 5), slice(5, 10)])
    assert mask.tolist() == [1, 1, 0, 0, 0] * 2
    assert popped(torch.zeros(4), 0.01, [slice(0, 4)]).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_rounding_does_not_choose_what_is_used(seed):
    rate = SMALL.optimizer.learning_rate * (1 + 2**-50)
    nudged = SMALL.replace(optimizer=replace(SMALL.optimizer, learning_rate=rate))
    runs = [edge_popup(one, seed, one.initial(seed)).run(range(61)) for one in (SMALL, nudged)]
    assert torch.equal(*(run.last != 0 for run in runs))
    assert runs[0].t_mem < 60
    assert runs[1].t_mem == pytest.approx(runs[0].t_mem, abs=1)


def test_initial_scores_are_bounded_by_the_columns():
    scores, spans = initial_scores(SMALL, 0), SMALL.spans()
    for name, weight in SMALL.untrained(0).named_parameters():
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
    used = edge_popup(SMALL, 0, weights).run([0, 1]).last
    assert float(((used != 0) == (popped(moved, 0.4, spans) > 0)).float().mean()) > 0.999


def test_frozen_weights_stay_and_trained_ones_move():
    weights = SMALL.initial(0)
    run = edge_popup(SMALL, 0, weights).run([0, 200])
    used = run.last != 0
    torch.testing.assert_close(run.last[used], weights[used])
    assert run.curves.train_loss[-1] < run.curves.train_loss[0]
    both = edge_popup(SMALL, 0, weights, train_weights=True).run([0, 20])
    used = both.last != 0
    assert not torch.allclose(both.last[used], weights[used])


def test_weights_that_are_not_used_only_decay():
    """What the second step uses and the first did not has felt weight decay and no gradient."""
    weights = SMALL.initial(0)
    first = popped(initial_scores(SMALL, 0), 0.4, list(SMALL.spans().values())) > 0
    last = edge_popup(SMALL, 0, weights, train_weights=True).run([0, 1]).last
    new = (last != 0) & ~first
    assert new.any()
    torch.testing.assert_close(last[new], 0.99 * weights[new], rtol=1e-5, atol=0)


def test_a_table_collects_runs_and_continues_their_curves():
    table = controls.Table(50)
    run = SMALL.trainer(0).run(schedule(10))
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


def test_norm_arms_go_on_from_the_dense_run():
    trainer, dense = controls.dense_run(SMALL, 0, 60, keep=[0, 65])
    runs = controls.norm_arms(SMALL, 0, trainer, dense, 70, [0, 65])
    norms = controls.norms_of(runs, [0, 65])
    assert norms.shape == (4, 2, 2)
    assert norms[1, 0, 0] == pytest.approx(norms[2, 0, 0], rel=1e-4)
    assert norms[1, 0, 1] == pytest.approx(norms[3, 0, 1], rel=1e-4)
    assert norms[0, 0, 0] > norms[1, 0, 0]
    wanted = SMALL.trainer(0).run([70])
    torch.testing.assert_close(runs["dense"].last, wanted.last, rtol=0, atol=0)
    assert np.all(np.diff(runs["dense"].curves.step) > 0)


def jumps(step, memorised, generalised, n_weights=50):
    """A run whose accuracies jump from 0 to 1, with other weights at each step."""
    step = np.array(step)
    curves = [0.0 * step] * 2 + [(step >= one).astype(float) for one in (memorised, generalised)]
    rng = torch.Generator().manual_seed(1)
    rest = dict.fromkeys((*RECORDS, "alignment"), 0.0 * step)
    weights = torch.randn(len(step), n_weights, generator=rng)
    return Run(Curves(step, *curves), tensors=(), kept=step, weights=weights, **rest)


def test_mask_times_are_shares_of_the_generalisation_time():
    found = tables.mask_times(jumps(range(0, 401, 10), 20, 300), [0.5, 1], [50])
    assert found["mask at step 50"] == 50
    assert found["mask at 0.5 t_gen"] == 150
    assert found["mask at 1 t_gen"] == 300


def test_tickets_of_rates_and_of_mask_times():
    options = {"setting": EASY, "n_steps": 1500, "wait": 100, "ticket_steps": 40}
    cut = {"rates": [0.3], "early": [60], "shares": [0.5, 1.5]}
    found = tables.tickets_of([4, 2], **options, **cut)
    names = ["dense", "k = 0.3", "mask at step 60", "mask at 0.5 t_gen", "mask at 1.5 t_gen"]
    assert found["arm"].tolist() == 2 * names
    assert found["seed"].tolist() == [4] * 5 + [2] * 5
    alone = tables.tickets_of([2], **options, **cut)
    np.testing.assert_array_equal(found["test_accuracy"][5:], alone["test_accuracy"])
    dense = alone["t_gen"][0]
    assert 100 <= alone["ended"][0] - dense <= 120
    assert alone["ended"][1] == 40
    assert alone["ended"][2] > 40
    for k, step, rate, n in ((1, alone["ended"][0], 0.3, 40), (4, round(1.5 * dense), 0.6, 40)):
        mask = masks.magnitude(EASY.trainer(2).run([step]).last, rate)
        again = EASY.trainer(2, mask=mask).run(range(n + 1))
        np.testing.assert_array_equal(
            alone["test_accuracy"][k, : n + 1], again.continued("test_accuracy", range(n + 1))
        )
    never = tables.tickets_of([2], **options | {"n_steps": 20}, **cut | {"early": [10]})
    assert never["arm"].tolist() == ["dense", "k = 0.3", "mask at step 10"]


def test_masks_on_the_way_are_shares_of_the_run():
    dense = jumps([0, 100, 700, 1000], 100, 700)
    for share, step in ((1.0, 1000), (0.7, 700), (0.69, 100), (0.0, 100)):
        wanted = masks.magnitude(dense.at(step), 0.6)
        assert torch.equal(paper._mask(SMALL, 3, dense, 0.6, share), wanted)
    wanted = masks.random(50, 0.6, 1003)
    assert torch.equal(paper._mask(SMALL, 3, dense, 0.6, None), wanted)


def test_runs_of_other_tasks_end_after_generalisation():
    for run in tasks.dense_and_ticket(EASY, 0, range(1001), range(1001)):
        assert np.isfinite(run.t_gen)
        assert 148 <= run.kept[-1] - run.t_gen <= 152


def test_graph_measures_by_name():
    shapes, spans = {"a": (4, 6), "b": (6, 5)}, {"a": slice(0, 24), "b": slice(24, 54)}
    weights = torch.randn(54, generator=torch.Generator().manual_seed(0))
    mask = masks.magnitude(weights, 0.4)
    found = paper.graph_measures(weights, mask, spans, shapes)
    for k, (name, span) in enumerate(spans.items()):
        sizes, kept = (one[span].view(shapes[name]).numpy() for one in (weights.abs(), mask))
        largest, edges = [np.linalg.svd(one)[1] for one in (sizes, kept)], kept.sum()
        wanted = {
            "weighted gap": largest[0][0] - largest[0][1],
            "spectral gap": largest[1][0] - largest[1][1],
            "Ramanujan gap": (4 * edges / sum(kept.shape) - 1) ** 0.5 - largest[1][1],
            "path length": graphs.path_length(kept),
            "clustering": graphs.clustering(kept),
        }
        assert list(wanted) == list(paper.GRAPH_MEASURES)
        np.testing.assert_allclose(found[:, k], list(wanted.values()), rtol=1e-5)


def test_structure_of_the_kept_weights():
    kept, spans = [0, 100, 2000, 4000, 6000], SMALL.spans()
    dense = jumps(kept[:4], 100, 2000, n_weights=SMALL.initial(0).numel())
    shapes = {name: one.shape for name, one in SMALL.untrained(0).named_parameters()}
    found = paper._structure(SMALL, shapes, dense, kept, ())
    for k, one in enumerate(dense.weights):
        table = (one[spans[name]].view(shapes[name]).double() for name in ("W_emb", "W_in"))
        entropy = fourier.entropy(torch.matmul(*table).numpy()).mean()
        assert found["entropy"][k] == pytest.approx(entropy, rel=1e-4)
        sizes = [one.abs().sum(), one.square().sum().sqrt()]
        np.testing.assert_allclose(found["norm"][k], sizes, rtol=1e-5)
    cut = [masks.magnitude(one, 0.6) > 0 for one in dense.weights]
    for k, (one, two) in {2: (cut[0], cut[2]), 3: (cut[2], cut[3])}.items():
        for distance, part in zip(found["jaccard"][k], [slice(None), *spans.values()], strict=True):
            share = (one & two)[part].sum() / (one | two)[part].sum()
            assert distance == pytest.approx(1 - float(share), abs=1e-6)
    assert np.isnan(found["jaccard"][[0, 1, 4]]).all()
    assert np.isnan(found["norm"][4]).all()


def test_the_papers_arm_has_its_shapes():
    found = paper.paper_arm(
        [0], setting=SMALL, n_steps=2000, wait=0, graph_steps=[0], ticket_steps=20
    )
    assert found["test_accuracy"].shape == (1, found["step"].size)
    assert found["jaccard"].shape == (1, found["kept"].size, 5)
    assert np.isfinite(found["graph"][0, 0]).all()
    assert found["ticket_test_accuracy"].shape[1] == len(paper.TICKETS)
    assert found["table"].shape == (3, 7, 48)


def test_the_popup_arm_has_its_shapes():
    found = popup.popup_arm([0], starts=[0, 2], n_steps=200, every=100, graph_steps=[200])
    assert found["test_accuracy"].shape == (2, 3, 1, 3)
    assert found["started"].shape == (2, 1)
    assert found["graph"].shape == (1, 1, 5, 4)
    assert np.isfinite(found["graph"]).all()


def test_the_pairs_arm_has_its_shapes():
    found = tasks.pairs_arm(
        [0, 1],
        setting=SMALL.replace(network=partial(TRANSFORMER, d_model=8)),
        n_steps=30,
        ticket_steps=10,
    )
    assert found["train_loss"].shape == (2, 2, found["step"].size)
    assert found["ended"].tolist() == [[30, 30], [10, 10]]
    ticket = found["train_loss"][1]
    assert np.all(ticket[:, 11:] == ticket[:, 10:11])


def rows_are(found, arms, n_steps, seed=0):
    """Each row of ``found`` is the run that its setting and options of the trainer give."""
    assert found["arm"].tolist() == list(arms)
    assert set(found["seed"]) == {seed}
    ends = np.broadcast_to(n_steps, len(arms))
    np.testing.assert_array_equal(found["ended"], ends)
    for k, ((setting, options), end) in enumerate(zip(arms.values(), ends, strict=True)):
        run = setting.trainer(seed, **options).run([int(end)])
        norms = [float(torch.linalg.vector_norm(run.last, p)) for p in (1, 2)]
        np.testing.assert_allclose(found["norm"][k], norms, rtol=1e-6)
        for name in ("train_accuracy", "test_accuracy"):
            assert found[name][k, -1] == np.float32(getattr(run.curves, name)[-1])


def test_what_a_mask_carries(monkeypatch):
    monkeypatch.setattr(tables, "QUICK", SMALL)
    dense = SMALL.trainer(0).run([51], keep=[50])
    mask, early = masks.magnitude(dense.last, 0.6), masks.magnitude(dense.at(50), 0.6)
    initial, fresh = SMALL.initial(0), SMALL.initial(100)
    starts = {"dense": {}, "ticket": {"mask": mask}}
    for name, weights in controls.transplants(SMALL, initial, fresh).items():
        starts[name] = {"mask": mask, "weights": weights}
    starts["fresh initial weights"] = {"mask": mask, "weights": fresh}
    starts["shuffled in its layers"] = {"mask": masks.shuffled(mask, SMALL.spans(), 100)}
    starts["mask at step 50"] = {"mask": early}
    arms = {name: (SMALL, start) for name, start in starts.items()}
    rows_are(tables.carried([0], n_steps=51), arms, 51)


def test_tickets_without_decay_and_of_other_norms(monkeypatch):
    monkeypatch.setattr(tables, "QUICK", SMALL)
    last, initial = SMALL.trainer(0).run([15]).last, SMALL.initial(0)
    free = SMALL.replace(optimizer=replace(SMALL.optimizer, weight_decay=0.0))
    arms = {"dense": (SMALL, {}), "dense, no decay": (free, {})}
    for rate in (0.6, 0.7, 0.8, 0.9):
        arms[f"no decay, k = {rate}"] = (free, {"mask": masks.magnitude(last, rate)})
    rows_are(tables.without_decay([0], n_steps=15), arms, 15)
    mask = masks.magnitude(last, 0.6)
    arms = {"dense": (SMALL, {}), "ticket": (SMALL, {"mask": mask})}
    for p in (1, 2):
        weights = initial * masks.norm_ratio(initial, mask, p)
        arms[f"dense, L{p} norm of the ticket"] = (SMALL, {"weights": weights})
    found = tables.norm_controls([0], n_steps=15, keep=[0, 15], setting=SMALL)
    rows_are(found, arms, 15)
    np.testing.assert_allclose(found["norms"][:, 1], found["norm"], rtol=1e-6)


def test_masks_made_at_initialisation():
    made = {name: masks.at_initialisation(name, SMALL, 3, 0.6) for name in masks.CRITERIA}
    arms = {name: (SMALL, {"mask": mask}) for name, mask in made.items()}
    rows_are(tables.pruned_at_initialisation([3], setting=SMALL, n_steps=5), arms, 5, seed=3)


def test_masks_of_twice_the_generalisation_time(monkeypatch):
    fast = EASY.replace(optimizer=replace(EASY.optimizer, learning_rate=3e-2))
    monkeypatch.setattr(tables, "QUICK", fast)
    monkeypatch.setattr(tables, "dense_run", partial(controls.dense_run, wait=20))
    found = tables.late_masks([0], precisions=["float32"], n_steps=600, short=20)
    end, late = int(found["ended"][0]), round(2 * found["t_gen"][0])
    one = fast.replace(loss=CrossEntropy("float32"))
    dense = one.trainer(0).run([late], keep=[end])
    starts = [{}, {"mask": masks.magnitude(dense.at(end), 0.6)}]
    starts += [{}, {"mask": masks.magnitude(dense.last, 0.6)}]
    names = ("dense", "ticket", "dense at 2 t_gen", "mask at 2 t_gen")
    arms = {f"float32: {name}": (one, start) for name, start in zip(names, starts, strict=True)}
    rows_are(found, arms, [end, 10, late, 10])


def test_unknown_ways_and_precisions_are_refused():
    with pytest.raises(ValueError, match="way = 'nonsense': must be one of"):
        popup.run_way("nonsense", SMALL, 0, SMALL.initial(0), [0, 1])
    with pytest.raises(ValueError, match="precisions = 'float16': must be one of"):
        tables.late_masks([0], precisions=["float16"], n_steps=2, short=2)


def test_edge_popup_refuses_weights_of_another_shape():
    with pytest.raises(ValueError, match="weights has shape"):
        edge_popup(SMALL, 0, torch.ones(3))
