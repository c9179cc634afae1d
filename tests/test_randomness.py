"""All random numbers come from one place, which the reader can shift."""

import re

import nbformat
import numpy as np
import pytest
import torch

from grokbook import randomness, source
from guards import ROOT

# Whatever makes or seeds a generator, in NumPy, torch, SciPy or the standard library.
GENERATOR = re.compile(
    r"default_rng|RandomState|SeedSequence|PCG64|manual_seed|initial_seed|torch\.Generator"
    r"|^\s*(import random|from random import)|np\.random\.(?!Generator\b)|random_state\s*="
    r"|torch\.seed\(|scipy\.stats\.\w+\.rvs"
    r"|\btorch\.(rand|randn|randint|randperm)\((?!.*generator=)",
    re.MULTILINE,
)


def made_elsewhere(code):
    """The generators in ``code`` that are not made from a shifted seed."""
    lines = (line for line in code.splitlines() if GENERATOR.search(line))
    return [line.strip() for line in lines if "randomness.shifted(" not in line]


@pytest.mark.parametrize("path", sorted(source.ROOT.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_makes_its_own_generator(path):
    if path.name != "randomness.py":
        assert made_elsewhere(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "book").rglob("*.ipynb")), ids=lambda p: p.stem)
def test_no_chapter_makes_its_own_generator(path):
    cells = nbformat.read(path, as_version=4).cells
    assert made_elsewhere("\n".join(cell.source for cell in cells)) == []


@pytest.mark.parametrize(
    "line",
    [
        "rng = np.random.default_rng(3)",
        "import random",
        "rng = torch.Generator().manual_seed(seed)",
        "np.random.SeedSequence(1)",
        "x = np.random.normal()",
        "KMeans(random_state=0)",
        "w = torch.randn(3, 3)",
        "x = np.random.rand(3)",
        "np.random.seed(0)",
        "rng = np.random.default_rng( )",
    ],
)
def test_the_guard_sees(line):
    assert made_elsewhere(line) == [line]


def test_draws_from_a_generator_pass():
    assert made_elsewhere("torch.randn(3, generator=g)") == []


def test_without_a_shift_a_seed_is_the_seed(monkeypatch):
    monkeypatch.delenv(randomness.VARIABLE, raising=False)
    assert randomness.generator(5).random() == np.random.default_rng(5).random()
    assert randomness.generator(5, 1).random() == np.random.default_rng([5, 1]).random()
    drawn = torch.rand(3, generator=randomness.torch_generator(5))
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(5)))


def test_shifts_share_no_seed(monkeypatch):
    seen = set()
    for shift in ("", "1", "2", "7"):
        monkeypatch.setenv(randomness.VARIABLE, shift)
        seen |= {randomness.shifted(seed) for seed in range(1000)}
    assert len(seen) == 4000
    assert randomness.shifted(2**64 - 1) < 2**64


@pytest.mark.parametrize("text", ["-1", "1.5", "seven", "１"])
def test_a_shift_that_is_no_whole_number(monkeypatch, text):
    monkeypatch.setenv(randomness.VARIABLE, text)
    with pytest.raises(ValueError, match=rf"{randomness.VARIABLE} = '{text}': must be a whole"):
        randomness.generator(0)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_a_seed_that_is_no_whole_number(seed):
    with pytest.raises(ValueError, match=r"seed = .*must be a whole number >= 0"):
        randomness.generator(seed)
