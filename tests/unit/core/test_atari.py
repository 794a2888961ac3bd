"""The Atari source: shapes, clock, determinism, and real sound and play."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.config import AtariConfig, ConfigurationError
from sensorium.data.quarantine import check
from sensorium.data.sources import atari

CONFIG = AtariConfig(recordings=12, shards=1, frames=32, games=("breakout", "seaquest"))


@pytest.fixture(scope="module")
def seaquest() -> dict[str, np.ndarray]:
    return atari.simulate(CONFIG, 1)


def test_shapes_are_those_of_the_details(seaquest: dict[str, np.ndarray]) -> None:
    details = atari.details(CONFIG)
    assert check(seaquest, details, CONFIG.frames) is None
    assert details["sample_rate"] == details["frames_per_second"] * details["samples_per_frame"] == 30_720
    assert seaquest["truth.state"].shape == (32, len(details["state_names"]))
    assert seaquest["reward"].shape == (32,)


def test_same_number_same_recording_whatever_was_played_before(seaquest: dict[str, np.ndarray]) -> None:
    atari.simulate(CONFIG, 0)
    again = atari.simulate(CONFIG, 1)
    for field, array in seaquest.items():
        np.testing.assert_array_equal(again[field], array)


def test_numbers_and_seeds_differ(seaquest: dict[str, np.ndarray]) -> None:
    for other in (atari.simulate(CONFIG, 3), atari.simulate(CONFIG.model_copy(update={"seed": 1}), 1)):
        assert (other["action"] != seaquest["action"]).any()
        assert (other["video"] != seaquest["video"]).any()


def test_sound_is_heard_and_rests_at_zero() -> None:
    sounds = [atari.simulate(CONFIG, number)["audio"] for number in (1, 3, 5)]
    assert max(np.abs(sound.astype(int)).max() for sound in sounds) > 4000
    assert any((sound == 0).mean() > 0.1 for sound in sounds)


def test_games_take_turns() -> None:
    breakout, seaquest = (atari.simulate(CONFIG, number)["video"].mean(axis=(0, 1, 2)) for number in (2, 3))
    assert seaquest[2] > breakout[2] + 20  # the sea is blue


def test_keys_are_held_as_often_as_asked() -> None:
    actions = atari._hold_keys(np.random.default_rng(0), 20_000, 0.75)
    assert set(actions) == set(range(18))
    held = (actions[1:] == actions[:-1]).mean()
    assert held == pytest.approx(0.75 + 0.25 / 18, abs=0.015)


def test_unknown_game_is_told_before_the_console_exits() -> None:
    with pytest.raises(
        ConfigurationError, match=r"data.games = 'snake': no such game; ale-py ships adventure, .*zaxxon"
    ):
        atari.simulate(CONFIG.model_copy(update={"games": ("snake",)}), 0)
