"""Environments of Gymnasium: any id whose pictures are rendered or observed.

Recording k is a function of (seed, k) wherever the environment is one of its seed and actions: it is made for the
recording, seeded and played by the policy. All recordings have the same number of frames. An episode that ends earlier
is followed by another one in the same recording, and `continue` is 0 in the last frame of one that terminated; one that
goes on is cut.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError, GymnasiumConfig
from sensorium.data.environment import Observation
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.worlds.policies import policy_of
from sensorium.data.worlds.world import Moment, World
from sensorium.randomness import stable_seed

SILENCE = np.zeros(0, np.int16)


def simulate(config: GymnasiumConfig, number: int) -> dict[str, np.ndarray]:
    """Play one recording.

    Returns:
        video uint8 [T, size, size, 3]; action float32 [T, A] in [-1, 1] or int64 [T]; body float32 [T, P], if anything
        is observed besides the picture; reward float32 [T]; continue float32 [T], 0 where an episode terminated, 1
        elsewhere; truth.truncated bool [T], whether a time limit ended an episode.

    Raises:
        ConfigurationError: if there is no such environment or policy.
        BadRecordingError: if the environment or the policy fails while it is played.
    """
    played = GymnasiumEnvironment(config)
    try:
        played.reset(number)
        actions, seen = [], []
        for _ in range(config.frames):
            actions.append(played.habit())
            seen.append(played.step(actions[-1]))
    except ConfigurationError:
        raise
    except Exception as error:
        raise BadRecordingError(f"{config.environment} failed: {type(error).__name__}: {error}") from error
    finally:
        played.close()
    fields = {
        "video": np.stack([each.frame for each in seen]),
        "action": np.stack(actions),
        "reward": np.array([each.reward for each in seen], np.float32),
        "continue": np.array([not each.terminated for each in seen], np.float32),
        "truth.truncated": np.array([each.truncated for each in seen]),
    }
    return fields | ({"body": np.stack([each.body for each in seen])} if seen[0].body.size else {})


class GymnasiumEnvironment:
    """An environment as a data.environment.Simulator; an episode that is played lasts config.frames frames.

    What ends earlier begins again within it, as in the recordings.
    """

    def __init__(self, config: GymnasiumConfig) -> None:
        self._config, self._world = config, World(config)

    def reset(self, number: int) -> Observation:
        """Begin the episode of recording `number` and play it up to the recording's first frame."""
        config = self._config
        self.close()
        self._world = World(config)  # a new one, so that earlier episodes have no influence
        random = np.random.default_rng(stable_seed(config.seed, "gymnasium", number))
        self._policy = policy_of(config, self._world.actions, random)
        moment = self._world.begin(int(random.integers(2**31)))
        for _ in range(int(random.integers(config.warm_up + 1))):
            moment = self._world.step(self.habit())
        self._frame = 0
        return self._observe(moment)

    def step(self, action: np.ndarray) -> Observation:
        """The next frame, under an action as in recordings: int64 [], or float32 [A], clipped to [-1, 1]."""
        moment = self._world.step(action)
        self._frame += 1
        return self._observe(moment)

    @property
    def action(self) -> dict[str, Any]:
        """{"kind", "size"} of its actions, as in manifests."""
        return self._world.actions.details

    def rest(self) -> np.ndarray:
        """The first choice, or zeros: Gymnasium does not say which action does nothing."""
        return self._world.actions.rest()

    def habit(self) -> np.ndarray:
        """The next action of the policy of the recordings; called once a frame."""
        return self._policy(self._world.inner, self._world.observation)

    def expert(self) -> None:
        """None: there is no scripted player."""

    def close(self) -> None:
        """Let go of windows and processes."""
        self._world.close()

    def _observe(self, moment: Moment) -> Observation:
        done = self._frame >= self._config.frames
        return Observation(
            moment.picture,
            SILENCE,
            moment.body,
            moment.reward,
            done,
            terminated=moment.terminated,
            truncated=moment.truncated,
        )


def environment(config: GymnasiumConfig) -> GymnasiumEnvironment:
    """The environment of the recordings."""
    return GymnasiumEnvironment(config)


@lru_cache
def details(config: GymnasiumConfig) -> dict[str, Any]:
    """Details of all recordings. There are no labels, no sound and no true state."""
    world = World(config)
    try:
        return {
            "source": "gymnasium",
            "licence": "of the environment's package: not known here",
            "environment": config.environment,
            "gymnasium": version("gymnasium"),
            "frames_per_second": world.frames_per_second,
            "sample_rate": 0,
            "samples_per_frame": 0,
            "size": config.size,
            "action": world.actions.details,
            "body": world.body,
            "state_names": [],
            "may_be_silent": True,
        }
    finally:
        world.close()
