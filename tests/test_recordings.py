"""The recorded run of the explorer *Neurons turning*: what is in it, and that it is kept."""

import base64
import json

import numpy as np
import pytest

import recorded_neurons
import recordings
from grokbook.xor import simulate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run, and the file that a build writes of it."""
    (written,) = recordings.write(tmp_path_factory.mktemp("extra"), [recorded_neurons])
    return recorded_neurons.record(), written


def numbers(text):
    """What the page unpacks: shares of the largest."""
    return np.frombuffer(base64.b64decode(text), "<i2") / recordings.FULL


def test_the_recording_is_the_run(made):
    run, path = made
    kept = json.loads(path.read_text("utf-8"))
    setting = run.data.setting
    scale = setting.signal_norm**2 / np.sqrt(setting.width)
    place = numbers(kept["neurons"]).reshape(len(run.step), setting.width, 2)
    place = np.swapaxes(place * np.array(kept["unit"])[:, None, None], 1, 2)
    error = np.abs(place - run.projection / scale).max(axis=(1, 2))
    assert np.all(error <= np.array(kept["unit"]) * (0.51 / recordings.FULL + 1e-5))
    points = numbers(kept["points"]).reshape(-1, 2) * kept["reach"]
    wanted = run.data.gram[-2:, : setting.n_train].T / setting.signal_norm**2
    assert np.abs(points - wanted).max() < 1e-4
    assert kept["step"] == list(run.step)
    assert kept["sign"] == list(run.data.sign)
    assert kept["label"] == list(run.data.labels)
    curves = simulate.curves([run])
    assert kept["train"] == pytest.approx(curves.train_accuracy[0], abs=1e-4)
    assert kept["test"] == pytest.approx(curves.test_accuracy[0], abs=1e-4)
    assert np.array(kept["clusters"]) == pytest.approx(run.cluster_accuracy, abs=1e-4)


def test_it_shows_what_the_chapter_says(made):
    """Every label fitted early and the test set late; 61 records in 100 kB."""
    _, path = made
    kept = json.loads(path.read_text("utf-8"))
    assert len(kept["step"]) == 61
    assert path.stat().st_size <= 100_000
    fitted = next(t for t, one in zip(kept["step"], kept["train"], strict=True) if one == 1)
    learnt = next(t for t, one in zip(kept["step"], kept["test"], strict=True) if one >= 0.95)
    assert learnt > 5 * fitted
    assert kept["test"][-1] > 0.98


def test_a_rebuild_runs_nothing(made, tmp_path, monkeypatch):
    def refuse():
        raise AssertionError("ran again")

    monkeypatch.setattr(recorded_neurons, "record", refuse)
    (again,) = recordings.write(tmp_path, [recorded_neurons])
    assert again.read_bytes() == made[1].read_bytes()
    monkeypatch.setattr(recorded_neurons, "SEED", 1)
    with pytest.raises(AssertionError, match="ran again"):
        recordings.write(tmp_path, [recorded_neurons])
    assert list(recordings.KEPT.glob("neurons-*.json"))
