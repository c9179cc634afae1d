"""Binary codes of numbers, and the arms that compare them."""

import numpy as np
import pytest
import torch

from grokbook import store
from grokbook.modular import codes, data

PAIRS = data.modular_pairs(p=11)


def values(vectors, n_bits):
    weights = 2 ** torch.arange(n_bits)
    return vectors.inputs.long().unflatten(1, (2, n_bits)) @ weights


def test_binary_digits_read_back_as_the_numbers():
    vectors = codes.binary_digits(PAIRS)
    assert vectors.inputs.shape == (121, 8)
    assert torch.equal(values(vectors, 4), PAIRS.inputs)
    assert torch.equal(vectors.labels, PAIRS.labels)


def test_the_papers_numbers_have_seven_digits_each():
    assert codes.binary_digits(data.modular_pairs(p=113)).inputs.shape[1] == 14


def test_shuffled_digits_are_the_same_codes_in_another_order():
    one, other = (values(codes.binary_digits(PAIRS, seed=s), 4) for s in (0, 1))
    dealt = torch.stack([one[PAIRS.inputs[:, 0] == a][0, 0] for a in range(11)])
    assert sorted(dealt.tolist()) == list(range(11))
    assert not torch.equal(dealt, torch.arange(11))
    assert torch.equal(one, dealt[PAIRS.inputs])
    assert not torch.equal(one, other)


def test_vectors_and_unknown_codes_are_refused():
    with pytest.raises(ValueError, match="pairs = vectors"):
        codes.binary_digits(codes.binary_digits(PAIRS))
    with pytest.raises(ValueError, match="code = 'gray'"):
        codes.run_code(0, code="gray", n_steps=1)


def test_only_digits_that_mean_something_carry_to_new_pairs():
    """The learnt rule passes to the test set for binary digits, not for the same codes shuffled."""
    options = {"p": 31, "width": 64, "train_fraction": 0.6, "n_steps": 150, "every": 50}
    binary, shuffled = (
        codes.run_code(0, code=one, **options).curves for one in ("binary", "shuffled")
    )
    assert min(binary.train_accuracy[-1], shuffled.train_accuracy[-1]) > 0.95
    assert binary.test_accuracy[-1] > shuffled.test_accuracy[-1] + 0.5


def test_an_arm_holds_each_seeds_own_run():
    options = {"code": "random", "p": 7, "width": 8, "n_steps": 4, "every": 2}
    arrays = codes.arm([0, 1], **options)
    alone = codes.run_code(1, **options)
    assert arrays["train_loss"].shape == (2, 3)
    assert np.allclose(arrays["train_loss"][1], alone.curves.train_loss)
    assert not np.allclose(arrays["train_loss"][0], arrays["train_loss"][1])


@pytest.mark.parametrize("code", ["binary", "random"])
def test_a_slice_of_one_stored_seed(code):
    kept = store.load(f"modular-codes-{code}")
    declared = store.find(f"modular-codes-{code}")
    every = declared.parameters["every"]
    again = codes.arm(**declared.parameters | {"seeds": [0], "n_steps": every})
    assert declared.parameters["code"] == code
    for record in ("train_loss", "test_loss"):
        np.testing.assert_allclose(again[record][0], kept[record][0, :2], rtol=1e-2)
