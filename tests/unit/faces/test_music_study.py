"""The study of popular numbers: both objectives begin alike, its own numbers judge nothing, the cross-fade is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sensorium.config import ConfigurationError, Training
from sensorium.settings import validate
from sensorium.studies.config import Studies
from sensorium.studies.music_config import MusicNumbersConfig
from sensorium.studies.music_numbers import both_objectives, curve, fade, judged_at, numbers, run
from sensorium.studies.paired_songs import pairs_of, stems_of, training_pairs

SHORT = Training(steps=4, batch=4, lr=5e-4, warmup=1)
CONFIG = MusicNumbersConfig(seeds=2, songs=4, tested=4, seconds=0.5, points=2, training=SHORT)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_songs_of_training_and_test_are_others_and_a_function_of_the_seed() -> None:
    stems = stems_of(4, 4, 3)
    assert stems.shape == (8, 2, 96_000)
    assert np.array_equal(stems, stems_of(4, 4, 3))
    assert len({stem.tobytes() for song in stems for stem in song}) == 16
    assert not np.array_equal(stems, stems_of(4, 4, 4))
    tested = pairs_of(stems[4:])
    assert tested.shape == (2, 4, 96_000)
    windows = training_pairs(stems[:4], 0.5, 0)
    assert windows.shape == (16, 4, 12_000)
    assert torch.equal(windows, training_pairs(stems[:4], 0.5, 0))
    for row in windows:
        assert not torch.equal(row[:2], row[2:])


def test_a_cross_fade_is_one_and_noise_is_none() -> None:
    rng = np.random.default_rng(0)
    stems = rng.standard_normal((3, 4, 48_000)).astype(np.float32)
    pair = stems[:, 0::2] + stems[:, 1::2]
    assert fade(0.3 * pair[:, 0] + 0.6 * pair[:, 1], pair) == pytest.approx(1)
    assert fade(rng.standard_normal((3, 48_000)), pair) == pytest.approx(0, abs=0.001)
    assert fade(stems[:, 0] + stems[:, 3], pair) == pytest.approx(0.5, abs=0.01)
    halves = np.full((1, 2, 1, 2), 0.5)
    mean, truth = (numbers(each, stems, halves).right for each in (pair.mean(1), stems[:, 0] + stems[:, 3]))
    assert mean["preference"] == pytest.approx(0, abs=1e-4)
    assert truth["preference"] == pytest.approx(1, abs=1e-4)
    assert truth["transfer"] == pytest.approx(1)


def test_both_objectives_begin_with_the_same_weights_and_part() -> None:
    learned = both_objectives(CONFIG, 0)
    first, second = learned.curves["both songs"], learned.curves["the answer"]
    assert first[0] == second[0]
    assert first[-1] != second[-1]
    assert learned.truth.right["si_sdr"] > 10 > learned.cross_fade.right["si_sdr"]
    table = curve(CONFIG, "the answer", [second, second])
    assert [row["step"] for row in table.rows] == judged_at(CONFIG) == [0, 4]


def test_the_study_has_metrics_controls_and_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = both_objectives(CONFIG, 0)
    monkeypatch.setattr("sensorium.studies.music_numbers.both_objectives", lambda config, seed: found)
    findings = run(CONFIG)
    assert set(findings.metrics) == {"preference", "si_sdr", "transfer"}
    assert set(findings.controls) == {"both_songs_preference", "both_songs_si_sdr", "both_songs_transfer"}
    assert [len(table.rows) for table in findings.tables] == [2, 2]
    assert findings.metrics["preference"]["ceiling"] == pytest.approx(1, abs=0.1)


def test_more_points_than_steps_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="points is 9"):
        validate({"studies": {"music_numbers": {"points": 9, "training": {"steps": 4, "warmup": 1}}}})
    assert "music_numbers" in Studies.model_fields
