"""Worlds to be played are the worlds of the recordings, and what is earned in them is earned by doing the task."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.config import AtariConfig, ConfigurationError, PlayroomConfig
from sensorium.data import sources
from sensorium.data.sources import atari, playroom

TASKS = ("left", "lift", "touch", "loud")
GAME = AtariConfig(recordings=12, shards=1, frames=24, games=("breakout", "seaquest"))


def world(task: str, **changes: object) -> PlayroomConfig:
    return PlayroomConfig(task=task, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS)
def test_playing_a_playroom_recording_again_gives_the_recording(task: str) -> None:
    """Frames, sound, body and rewards, bit by bit, from the environment's own player."""
    config = world(task)
    environment = sources.module("playroom").environment(config)
    for number in (0, 3):
        recording = playroom.simulate(config, number)
        first = environment.reset(number)
        assert (first.reward, first.done) == (0, False)
        for frame in range(config.frames):
            action = environment.habit()
            np.testing.assert_array_equal(action, recording["action"][frame])
            seen = environment.step(action)
            np.testing.assert_array_equal(seen.frame, recording["video"][frame])
            np.testing.assert_array_equal(seen.sound, recording["audio"][1000 * frame : 1000 * (frame + 1)])
            np.testing.assert_array_equal(seen.body, recording["body"][frame])
            assert np.float32(seen.reward) == recording["reward"][frame]
            assert seen.done == (frame == config.frames - 1)


def test_playing_a_game_again_gives_the_recording() -> None:
    environment, recording = atari.environment(GAME), atari.simulate(GAME, 1)
    environment.reset(1)
    for frame in range(GAME.frames):
        seen = environment.step(recording["action"][frame])
        np.testing.assert_array_equal(seen.frame, recording["video"][frame])
        np.testing.assert_array_equal(seen.sound, recording["audio"][2048 * frame : 2048 * (frame + 1)])
        assert seen.reward == recording["reward"][frame]
        assert seen.done == (frame == GAME.frames - 1)


def test_other_actions_lead_elsewhere_and_an_episode_begins_anew() -> None:
    environment = playroom.environment(world("left"))
    first = environment.reset(4).frame
    ends = [[environment.step(np.array(action)) for _ in range(10)][-1].frame for action in [[-1, 0]]]
    again = environment.reset(4).frame
    ends += [[environment.step(np.array([1.0, 0.0])) for _ in range(10)][-1].frame]
    np.testing.assert_array_equal(first, again)
    assert (ends[0] != ends[1]).any()


def test_a_task_changes_nothing_but_the_reward() -> None:
    plain, wanted = playroom.simulate(PlayroomConfig(), 2), playroom.simulate(world("loud"), 2)
    assert set(wanted) - set(plain) == {"reward"}
    for field, array in plain.items():
        np.testing.assert_array_equal(array, wanted[field])


def test_rewards_are_what_the_truth_says() -> None:
    records = {task: playroom.simulate(world(task), 7) for task in TASKS}
    truth = records["left"]["truth.state"]
    np.testing.assert_array_equal(records["left"]["reward"], truth[:, 0] < 0.25)
    np.testing.assert_array_equal(records["touch"]["reward"], records["touch"]["body"][:, 8])
    np.testing.assert_allclose(records["loud"]["reward"], truth[:, 12], rtol=1e-6)
    height = 1 - np.nanmean(records["lift"]["truth.position"][:, :, 1], axis=1)
    np.testing.assert_allclose(records["lift"]["reward"], height, rtol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_who_sees_the_truth_earns_more_than_the_recorded_player(task: str) -> None:
    """So there is something to learn."""
    environment = playroom.environment(world(task, max_bodies=2))
    earned = {"habit": 0.0, "expert": 0.0}
    for player in earned:
        for number in range(12):
            environment.reset(number)
            earned[player] += sum(environment.step(getattr(environment, player)()).reward for _ in range(64))
    assert earned["expert"] > 1.2 * earned["habit"]


def test_a_playroom_without_a_task_cannot_be_played() -> None:
    with pytest.raises(ConfigurationError, match=r"data.task = 'none'"):
        playroom.environment(PlayroomConfig())
