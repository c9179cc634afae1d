"""Tasks and splits of modular arithmetic, against the definitions."""

import numpy as np
import pytest
import torch

from grokbook.modular import data


@pytest.mark.parametrize("operation", data.OPERATIONS)
def test_labels_follow_the_operation(operation):
    p = 7
    pairs = data.modular_pairs(operation, p)
    expected = {
        "addition": lambda a, b: a + b,
        "subtraction": lambda a, b: a - b,
        "multiplication": lambda a, b: a * b,
        "division": lambda a, b: a * pow(b, -1, p),
        "x^2+y^2": lambda a, b: a * a + b * b,
        "x^2+xy+y^2": lambda a, b: a * a + a * b + b * b,
        "x^2+xy+y^2+x": lambda a, b: a * a + a * b + b * b + a,
        "x^3+xy": lambda a, b: a**3 + a * b,
        "x^3+xy^2+y": lambda a, b: a**3 + a * b * b + b,
    }[operation]
    for (a, b), label in zip(pairs.inputs.tolist(), pairs.labels.tolist(), strict=True):
        assert label == expected(a, b) % p
    assert len(pairs) == (p * (p - 1) if operation == "division" else p * p)
    assert len({tuple(pair) for pair in pairs.inputs.tolist()}) == len(pairs)


def test_unordered_pairs_are_those_of_the_tickets_paper():
    pairs = data.modular_pairs("addition", 67, unordered=True)
    assert len(pairs) == 2278
    assert bool((pairs.inputs[:, 0] >= pairs.inputs[:, 1]).all())


def test_parity_looks_at_the_first_bits_only():
    task = data.sparse_parity(500, n_bits=10, n_parity=3, seed=1)
    assert torch.equal(task.inputs[:, :3].sum(dim=1).long() % 2, task.labels)
    assert set(task.inputs.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(task.inputs, data.sparse_parity(500, n_bits=10, seed=2).inputs)


def test_codes_are_distinct_and_shared_by_both_places():
    pairs = data.modular_pairs(p=23)
    coded = data.random_codes(pairs, n_bits=14, seed=3)
    first, second = coded.inputs.split(14, dim=1)
    by_symbol = {
        a: tuple(code) for a, code in zip(pairs.inputs[:, 0].tolist(), first.tolist(), strict=True)
    }
    assert len(set(by_symbol.values())) == 23
    for b, code in zip(pairs.inputs[:, 1].tolist(), second.tolist(), strict=True):
        assert by_symbol[b] == tuple(code)


@pytest.mark.parametrize("p", [8, 23])
def test_binary_digits_add_up_to_the_symbol_or_to_another(p):
    pairs, n_bits = data.modular_pairs(p=p), len(f"{p - 1:b}")

    def numbers(coded):
        return (coded.inputs.view(-1, 2, n_bits) @ 2.0 ** torch.arange(n_bits)).long()

    assert torch.equal(numbers(data.binary_digits(pairs)), pairs.inputs)
    dealt = numbers(data.shuffled_digits(pairs, seed=1))
    code = dict(zip(pairs.inputs.flatten().tolist(), dealt.flatten().tolist(), strict=True))
    assert sorted(code.values()) == list(range(p))
    assert any(symbol != number for symbol, number in code.items())
    assert dealt.tolist() == [[code[a], code[b]] for a, b in pairs.inputs.tolist()]


def test_digits_are_scaled_images():
    digits = data.digits()
    assert digits.inputs.shape == (1797, 64)
    assert 0 <= float(digits.inputs.min()) < float(digits.inputs.max()) <= 1


def test_split_takes_each_sample_once():
    pairs = data.modular_pairs(p=113)
    train, test = data.split(pairs, 0.4, seed=5)
    assert len(train) == 5107
    together = torch.cat([train.inputs, test.inputs]) @ torch.tensor([113, 1])
    assert torch.equal(together.sort().values, torch.arange(113**2))
    again, _ = data.split(pairs, 0.4, seed=5)
    assert torch.equal(train.inputs, again.inputs)
    other, _ = data.split(pairs, 0.4, seed=6)
    assert not torch.equal(train.inputs, other.inputs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.modular_pairs("plus"), "operation = 'plus'"),
        (lambda: data.modular_pairs("division", 9), "p = 9: must be prime"),
        (lambda: data.modular_pairs(p=1), "p = 1"),
        (lambda: data.modular_pairs("subtraction", 7, unordered=True), "does not commute"),
        (lambda: data.sparse_parity(10, n_bits=2, n_parity=3), "n_parity = 3"),
        (lambda: data.split(data.modular_pairs(p=5), 1.0), "train_fraction = 1.0"),
        (lambda: data.split(data.modular_pairs(p=5), 0.0), "train_fraction = 0.0"),
        (lambda: data.split(data.modular_pairs(p=5), 0.01), "must leave samples"),
        (lambda: data.random_codes(data.modular_pairs(p=113), n_bits=6), "n_bits = 6"),
        (lambda: data.random_codes(data.digits()), "must be pairs of symbols"),
        (lambda: data.Dataset(torch.zeros(3, 2), torch.zeros(2).long(), 0, 2), "must be"),
        (lambda: data.Dataset(torch.zeros(3, 2), torch.full((3,), 4), 0, 2), "below 2"),
        (
            lambda: data.Dataset(torch.full((3, 2), 0.5), torch.zeros(3).long(), 3, 2),
            "inputs = 0.5 to 0.5: must be whole",
        ),
        (lambda: data.Dataset(torch.tensor([[-1, 2]]), torch.zeros(1).long(), 3, 2), "= -1 to 2"),
        (
            lambda: data.Dataset(torch.full((3, 2), 5), torch.zeros(3).long(), 3, 2),
            "inputs = 5 to 5: must be whole, from 0 to 2",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_data_set_may_be_empty():
    pairs = data.modular_pairs(p=5)
    assert len(pairs[pairs.labels > 4]) == 0


def test_primes():
    assert [n for n in range(30) if data.is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert np.all([data.is_prime(p) for p in (59, 67, 97, 113)])


@pytest.mark.parametrize("fraction", [0.29, 0.29 * (1 + 2**-50), 0.29 * (1 - 2**-50)])
def test_a_whole_number_of_samples_is_not_a_matter_of_rounding(fraction):
    pairs = data.modular_pairs(p=10)
    assert len(data.split(pairs, fraction)[0]) == 29
    assert len(data.split(pairs, 0.2999)[0]) == 29
