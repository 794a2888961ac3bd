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


def frames_of(*levels: int) -> list[np.ndarray]:
    """A second of each level."""
    return [np.full(2048, level, np.uint8) for level in levels for _ in range(atari.REST_FRAMES)]


def rested(sound: list[np.ndarray], level: int = 128) -> np.ndarray:
    rest = atari.RestLevel(level)
    return np.stack([rest.subtract(frame) for frame in sound]) // 256


def test_a_level_that_is_held_for_a_second_is_silence() -> None:
    heard = rested(frames_of(188, 188, 160))[:, 0]
    assert (heard[: atari.REST_FRAMES - 1] == 60).all(), "an effect may hold a level for less than a second"
    assert (heard[atari.REST_FRAMES - 1 : 2 * atari.REST_FRAMES] == 0).all()
    assert (heard[2 * atari.REST_FRAMES : -1] == -28).all()
    assert heard[-1] == 0
    assert (rested(frames_of(188), level=188) == 0).all()


def test_sound_around_a_rest_is_kept() -> None:
    wave = np.tile(np.array([188, 216], np.uint8), 1024)
    heard = rested([*frames_of(188), wave, *frames_of(188)])
    assert set(heard[atari.REST_FRAMES]) == {0, 28}
    assert (heard[atari.REST_FRAMES + 1 :] == 0).all()


def test_a_rest_that_occurs_no_more_is_forgotten() -> None:
    """A title screen rests at a level of its own; the game's music never reaches it."""
    music = [np.tile(np.array([128, 136], np.uint8), 1024)] * (atari.REST_FRAMES + 1)
    heard = rested([*frames_of(160), *music], level=160)
    assert set(heard[atari.REST_FRAMES]) == {-32, -24}
    assert set(heard[-1]) == {0, 8}


def test_games_that_rest_at_128_keep_their_samples(seaquest: dict[str, np.ndarray]) -> None:
    console = atari._console("seaquest", seed=0)
    sound = [atari._play_frame(console, action)[1] for action in (1, 5, 10, 17) * 12]
    assert (rested(sound) == np.stack(sound).astype(int) - 128).all()
    assert atari._rest_level("seaquest") == 128
    assert atari._rest_level("boxing") == 188
