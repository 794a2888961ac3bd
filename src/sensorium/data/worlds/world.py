"""An environment of Gymnasium, made and stepped: what it returns, as recordings have it.

Nothing here is random but the environment itself: `begin(seed)` seeds it, and Python's and NumPy's global generators,
which some environments draw from.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cv2
import gymnasium
import numpy as np

from sensorium.config import ConfigurationError, GymnasiumConfig
from sensorium.data.worlds.actions import ActionMap
from sensorium.data.worlds.observations import RENDER, ObservationMap
from sensorium.data.worlds.policies import look_here

RGB = "rgb_array"
USUAL_RATE = 16  # frames a second of an environment that names no rate
LARGEST_SEED = 2**31


@dataclass(frozen=True)
class Moment:
    """What a frame of an environment is.

    Attributes:
        picture: uint8 [size, size, 3].
        body: float32 [P].
        reward: summed over the steps of the frame.
        terminated, truncated: whether its episode ended, by itself or by a time limit.
    """

    picture: np.ndarray
    body: np.ndarray
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


class World:
    """One environment, from its making to its closing.

    An episode that ends within a recording is followed by another one: the frame after its last one is a beginning, and
    the action that leads there does nothing (the "next-step" mode of Gymnasium's vector environments).

    Args:
        config: its section.

    Raises:
        ConfigurationError: if there is no such environment, or its spaces cannot be handled; the message begins with
            the key and its value.
    """

    def __init__(self, config: GymnasiumConfig) -> None:
        self._config, self._ended = config, False
        self.inner = _make(config)
        try:
            self.actions = ActionMap(self.inner.action_space)
            self._observations = ObservationMap(self.inner.observation_space, config.picture, config.leave_out)
        except ConfigurationError as error:
            self.close()
            raise ConfigurationError(f"environment = {config.environment!r}: {error}") from None
        self.observation: Any = None

    @property
    def body(self) -> int:
        """Numbers of the body sense."""
        return self._observations.size

    @property
    def frames_per_second(self) -> float:
        """Of recordings: the environment's own rate over the steps of a frame."""
        rate = self.inner.metadata.get("render_fps")
        return (float(rate) if rate else USUAL_RATE) / self._config.action_repeat

    def begin(self, seed: int) -> Moment:
        """Seed the environment and begin an episode."""
        random.seed(seed)
        np.random.seed(seed % 2**32)
        return self._begin(seed=seed % LARGEST_SEED)

    def step(self, action: np.ndarray) -> Moment:
        """The frame that an action of recordings leads to; after the end of an episode, the beginning of another."""
        if self._ended:
            return self._begin()
        earned, terminated, truncated = 0.0, False, False
        for _ in range(self._config.action_repeat):
            # made anew for each step, because an environment may keep and change it
            self.observation, reward, terminated, truncated, _ = self.inner.step(self.actions.decode(action))
            earned += float(reward)
            if terminated or truncated:
                break
        self._ended = bool(terminated or truncated)
        return self._moment(earned, bool(terminated), bool(truncated and not terminated))

    def close(self) -> None:
        """Let go of its windows and processes."""
        self.inner.close()

    def _begin(self, **how: Any) -> Moment:
        self.observation, _ = self.inner.reset(**how)
        self._ended = False
        return self._moment(0.0, False, False)

    def _moment(self, reward: float, terminated: bool, truncated: bool) -> Moment:
        picture = self._observations.picture(self.observation, self.inner.render)
        if picture.shape[:2] != (size := (self._config.size, self._config.size)):
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        else:
            picture = picture.copy()  # an environment may draw the next one into the same array
        return Moment(picture, self._observations.body(self.observation), reward, terminated, truncated)


def _make(config: GymnasiumConfig) -> Any:
    """`gymnasium.make`, with its errors as ours."""
    where = f"environment = {config.environment!r}"
    look_here()
    try:
        spec = gymnasium.spec(_imported(config.environment))
        modes = _render_modes(spec)
        if config.picture == RENDER and modes is not None and RGB not in modes:
            raise ConfigurationError(
                f"{where}: it renders {', '.join(modes) or 'nothing'}, no pictures ({RGB}); if one of its observations "
                "is a picture, name it: picture: observation, or its key"
            )
        rendering = {"render_mode": RGB} if config.picture == RENDER else {}
        return gymnasium.make(spec, disable_env_checker=True, **rendering, **dict(config.arguments))
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{where}: it needs the module {error.name}, which is not installed; install the package that brings it"
        ) from None
    except gymnasium.error.Error as error:
        raise ConfigurationError(
            f"{where}: {error} Ids of other packages are written module:id, such as minigrid:MiniGrid-Empty-5x5-v0"
        ) from None
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{where}: it cannot be made ({type(error).__name__}: {error}); see arguments = {dict(config.arguments)!r}"
        ) from error


def _imported(environment: str) -> str:
    """The id without its module, which is imported so that it registers its environments."""
    module, colon, name = environment.rpartition(":")
    if colon:
        __import__(module)
    return name


def _render_modes(spec: Any) -> list[str] | None:
    """Render modes of the class of an environment; None if it has no class that says so."""
    maker = spec.entry_point
    if isinstance(maker, str):
        maker = gymnasium.envs.registration.load_env_creator(maker)
    metadata = getattr(maker, "metadata", None)
    return [str(mode) for mode in metadata.get("render_modes", [])] if isinstance(metadata, dict) else None
