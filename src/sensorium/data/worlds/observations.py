"""Observations of any space of Gymnasium as a picture and a body sense.

Observations have names: their keys, joined by dots where Dict and Tuple spaces are nested, or "observation" where there
are no keys. The body sense joins all of them that are neither the picture nor left out, in the order of the space: a
Box as numbers, scaled to [-1, 1] where it has bounds; a choice among n as n numbers, one of them 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from sensorium.config import ConfigurationError

RENDER, WHOLE = "render", "observation"
MOST_NUMBERS = 4096  # of a body sense: more is a picture
LARGEST_BOUND = 1e6  # of a range that numbers are scaled from: a larger one means "no bounds"
Numbers = Callable[[Any], np.ndarray]


def named(space: spaces.Space, value: Any = None, prefix: str = "") -> Iterator[tuple[str, spaces.Space, Any]]:
    """Name, space and value of each observation; without a value, names and spaces."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        yield prefix or WHOLE, space, value
        return
    for key, part in space.items() if isinstance(space, spaces.Dict) else enumerate(space):
        yield from named(part, None if value is None else value[key], f"{prefix}.{key}" if prefix else str(key))


def picture_of(array: Any) -> np.ndarray:
    """A picture as uint8 [H, W, 3], of one with 1, 3 or 4 channels (the fourth is left out) or none.

    Raises:
        ValueError: if it is no such array.
    """
    picture = np.asarray(array)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or not picture.size:
        found = f"{picture.dtype} {list(np.shape(array))}"
        raise ValueError(f"a picture is {found}: uint8 [height, width] with 1, 3 or 4 channels is needed")
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[..., :3]


def _numbers(name: str, space: spaces.Space) -> tuple[int, Numbers]:
    """How many numbers an observation is, and the function that makes them, float32 [n].

    Raises:
        ConfigurationError: if its space cannot be handled.
    """
    if isinstance(space, spaces.Box):
        low, high = np.asarray(space.low, np.float64).ravel(), np.asarray(space.high, np.float64).ravel()
        bounded = (np.abs(low) <= LARGEST_BOUND) & (np.abs(high) <= LARGEST_BOUND) & (high > low)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)  # without bounds as they are
        middle, half = (low + high) / 2, (high - low) / 2
        return len(low), lambda value: ((np.asarray(value, np.float64).ravel() - middle) / half).astype(np.float32)
    if isinstance(space, spaces.MultiBinary):
        return int(np.prod(space.shape)), lambda value: np.asarray(value, np.float32).ravel()
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts = np.atleast_1d(space.n if isinstance(space, spaces.Discrete) else space.nvec).ravel().astype(int)
        start = np.atleast_1d(space.start).ravel().astype(int)
        places = np.cumsum(counts) - counts
        total = int(counts.sum())

        def one_hot(value: Any) -> np.ndarray:
            numbers = np.zeros(total, np.float32)
            numbers[places + np.atleast_1d(value).ravel().astype(int) - start] = 1
            return numbers

        return total, one_hot
    raise ConfigurationError(
        f"its observation {name!r} is a {type(space).__name__} space, which is no picture and has no fixed number of "
        f"numbers; name it in leave_out: [{name}]"
    )


def _refuse_no_picture(name: str, space: spaces.Space) -> None:
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or len(space.shape) not in (2, 3):
        raise ConfigurationError(
            f"picture names {name!r}, which is {space}: a Box of uint8 [height, width, channels] is one; name that, or "
            "set picture to render"
        )


class ObservationMap:
    """What recordings keep of observations.

    Args:
        space: of the observations.
        picture: RENDER, or the name of the observation that is the picture.
        leave_out: names of observations that are not kept.

    Raises:
        ConfigurationError: if a name is none, or a space cannot be handled; the message lacks the environment's name.
    """

    def __init__(self, space: spaces.Space, picture: str, leave_out: tuple[str, ...]) -> None:
        self._space, self._picture = space, picture
        names = [name for name, _, _ in named(space)]
        for name in (*leave_out, *(() if picture == RENDER else (picture,))):
            if name not in names:
                key = "leave_out" if name in leave_out else "picture"
                raise ConfigurationError(f"{key} names {name!r}: its observations are {', '.join(names)}")
        self._parts: dict[str, Numbers] = {}
        self.size = 0
        for name, part, _ in named(space):
            if name == picture:
                _refuse_no_picture(name, part)
            if name == picture or name in leave_out:
                continue
            count, self._parts[name] = _numbers(name, part)
            self.size += count
            if self.size > MOST_NUMBERS:
                raise ConfigurationError(
                    f"its observation {name!r} is {count} numbers: more than {MOST_NUMBERS} are no body sense; make it "
                    f"the picture (picture: {name}) or name it in leave_out: [{name}]"
                )

    def body(self, observation: Any) -> np.ndarray:
        """The body sense, float32 [size]."""
        values = {name: value for name, _, value in named(self._space, observation)}
        parts = [numbers(values[name]) for name, numbers in self._parts.items()]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def picture(self, observation: Any, render: Callable[[], Any]) -> np.ndarray:
        """The picture, uint8 [H, W, 3].

        Raises:
            ValueError: if it is none.
        """
        if self._picture == RENDER:
            return picture_of(render())
        values = {name: value for name, _, value in named(self._space, observation)}
        return picture_of(values[self._picture])
