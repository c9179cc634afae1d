"""Argument checks: what passes, and what the message says when it does not."""

import re

import numpy as np
import pytest

from grokbook import validate


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.25), np.int64(1)])
def test_number_returns_a_float(value):
    out = validate.number("x", value, above=0, at_most=1)
    assert type(out) is float
    assert out == value


@pytest.mark.parametrize(
    ("value", "bounds", "allowed"),
    [
        (0, {"above": 0}, "> 0"),
        (-0.5, {"at_least": 0}, ">= 0"),
        (1, {"above": 0, "below": 1}, "> 0 and < 1"),
        (2.5, {"at_most": 2}, "<= 2"),
        (float("nan"), {"at_least": 0}, ">= 0"),
        (float("inf"), {"above": 0}, "> 0"),
        (True, {}, ""),
        ("1", {}, ""),
        (None, {}, ""),
        (1j, {}, ""),
    ],
)
def test_number_names_argument_value_and_bounds(value, bounds, allowed):
    with pytest.raises(ValueError, match="must be a finite number") as caught:
        validate.number("gamma", value, **bounds)
    assert str(caught.value) == f"gamma = {value!r}: must be a finite number {allowed}".rstrip()


def test_count():
    assert validate.count("n", np.int32(3)) == 3
    assert validate.count("n", 0, at_least=0) == 0
    for bad in (0, -1, 1.0, True, "2", None):
        with pytest.raises(ValueError, match=r"n = .*must be a whole number >= 1"):
            validate.count("n", bad)


def test_choice():
    assert validate.choice("method", "flow", ("flow", "steps")) == "flow"
    with pytest.raises(ValueError, match="method = 'sgd': must be one of 'flow', 'steps'"):
        validate.choice("method", "sgd", ("flow", "steps"))


def test_array_returns_floats_of_the_shape_asked_for():
    out = validate.array("x", [[1, 2, 3]], ndim=2, shape=(None, 3))
    assert out.dtype == float
    assert out.shape == (1, 3)


@pytest.mark.parametrize(
    ("value", "kwargs", "message"),
    [
        ([1, 2], {"ndim": 2}, r"x has shape \(2,\): must have 2 axes"),
        ([1, 2], {"shape": (3,)}, r"x has shape \(2,\): must have shape \(3,\)"),
        ([1, 2], {"shape": (2, None)}, r"must have shape \(2, None\)"),
        ([1, np.nan, np.inf], {}, "x has 2 non-finite entries: must be finite"),
    ],
)
def test_array_rejects(value, kwargs, message):
    with pytest.raises(ValueError, match=message):
        validate.array("x", value, **kwargs)


def test_steps():
    assert validate.steps("step", 3).tolist() == [3.0]
    assert validate.steps("step", range(3)).tolist() == [0.0, 1.0, 2.0]
    for bad in ([], [-1, 0], [0, 0], [2, 1]):
        with pytest.raises(ValueError, match=r"step = .*non-empty, non-negative and increasing"):
            validate.steps("step", bad)
    with pytest.raises(ValueError, match="must have 1 axes"):
        validate.steps("step", [[1, 2]])
    with pytest.raises(ValueError, match="non-finite"):
        validate.steps("step", [0, np.inf])


def test_whole_steps():
    assert validate.whole_steps("step", [0, 3]).tolist() == [0.0, 3.0]
    with pytest.raises(ValueError, match=r"step holds 1\.5: must be whole numbers"):
        validate.whole_steps("step", [1, 1.5])


def test_seeds():
    assert validate.seeds("seeds", range(2)) == [0, 1]
    for bad, message in {
        3: "seeds = 3: must be an iterable",
        "12": "seeds = '12': must be an iterable",
        (): "seeds = []: must hold at least one",
        (1, 0.5): "seeds = 0.5: must be a whole number",
    }.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            validate.seeds("seeds", bad)


def test_samples():
    inputs, labels = validate.samples("train", ([[1, 2], [3, 4]], [0, 1]))
    assert inputs.dtype == labels.dtype == float
    for bad, message in (
        (inputs, "train is of type ndarray: must be (inputs, labels)"),
        ((inputs,), "train is of type tuple: must be (inputs, labels)"),
        ((inputs, ["a", "b"]), "train must hold arrays of numbers: could not convert"),
        ((inputs, [0]), "train has inputs of shape (2, 2) and labels of shape (1,): must have"),
        ((inputs[0], labels), "train inputs has shape (2,): must have 2 axes"),
        ((inputs, [0, np.inf]), "train labels has 1 non-finite entries"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            validate.samples("train", bad)


def test_a_loss_must_return_itself_and_its_derivative():
    point = np.array([[0.3, -0.2], [1.0, 0.0], [2.0, -3.0]])
    validate.loss("loss", lambda z: (z**2, 2 * z), point)
    validate.loss("loss", lambda z: (np.sum(z**2, axis=1), 2 * z), point)
    validate.loss("loss", lambda z: (1e9 + z**2, 2 * z), point)
    for bad in (
        lambda z: z**2,
        lambda z: (z**2,),
        lambda z: (np.sum(z**2), 2 * z),
        lambda z: (z**2, 2 * z[0]),
        lambda z: (z**2, z),
        lambda z: (np.sum(z**2, axis=1) / len(z), 2 * z),
        lambda z: (z**2, 2 * z * np.inf),
    ):
        with pytest.raises(ValueError, match=r"^loss returns"), np.errstate(invalid="ignore"):
            validate.loss("loss", bad, point)
