"""Actions of any space of Gymnasium as the actions of recordings: choices of a number, or numbers in [-1, 1].

A space is taken apart into entries: each is a choice among n (Discrete, MultiDiscrete, MultiBinary), or a number
between two bounds (Box). Where all entries are choices and there are at most MOST_CHOICES combinations, an action is
the number of a combination, the last entry running fastest. Otherwise an action has a number in [-1, 1] for each entry:
from the lower to the upper bound, and from the first choice to the last one, rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from gymnasium import spaces

from sensorium.config import ConfigurationError

MOST_CHOICES = 4096  # of a discrete action: twelve buttons


@dataclass(frozen=True)
class Leaf:
    """A part of a space that has no parts.

    Attributes:
        space: it.
        low, high: bounds of its entries, float64 [n]; of a choice, the first and the last.
        choices: whether its entries are choices.
    """

    space: spaces.Space
    low: np.ndarray
    high: np.ndarray
    choices: bool

    def shaped(self, entries: np.ndarray) -> Any:
        """Entries float64 [n] as the space has them."""
        values = np.clip(np.rint(entries) if self.choices else entries, self.low, self.high)
        if isinstance(self.space, spaces.Discrete):
            return self.space.dtype.type(values[0])
        if self.space.dtype.kind != "f":
            values = np.rint(values)
        array = values.reshape(self.space.shape).astype(self.space.dtype)
        # a bound may lie between two numbers of the space's own type
        return np.clip(array, self.space.low, self.space.high) if isinstance(self.space, spaces.Box) else array


def _leaf(space: spaces.Space) -> Leaf:
    if isinstance(space, spaces.Discrete):
        first = np.array([float(space.start)])
        return Leaf(space, first, first + float(space.n) - 1, True)
    if isinstance(space, spaces.MultiDiscrete):
        first = np.asarray(space.start, np.float64).ravel()
        return Leaf(space, first, first + np.asarray(space.nvec, np.float64).ravel() - 1, True)
    if isinstance(space, spaces.MultiBinary):
        return Leaf(space, np.zeros(prod(space.shape)), np.ones(prod(space.shape)), True)
    if isinstance(space, spaces.Box):
        low, high = (np.asarray(bound, np.float64).ravel() for bound in (space.low, space.high))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ConfigurationError(
                f"its actions have no bounds ({space}); wrap it in gymnasium.wrappers.TransformAction, in a "
                "module of your own that registers the result"
            )
        return Leaf(space, low, high, False)
    raise ConfigurationError(
        f"its actions are a {type(space).__name__} space; Box, Discrete, MultiDiscrete, MultiBinary, and Dict and "
        "Tuple of these can be handled: wrap it in gymnasium.wrappers.TransformAction, in a module of your own that "
        "registers the result"
    )


def _leaves(space: spaces.Space) -> Iterator[Leaf]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for part in space.values() if isinstance(space, spaces.Dict) else space:
            yield from _leaves(part)
    else:
        yield _leaf(space)


def _parts(space: spaces.Space, action: Any) -> Iterator[np.ndarray]:
    """Entries of an action of the space, leaf by leaf."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for name, part in space.items() if isinstance(space, spaces.Dict) else enumerate(space):
            yield from _parts(part, action[name])
    else:
        yield np.asarray(action, np.float64).ravel()


def _join(space: spaces.Space, values: Iterator[Any]) -> Any:
    """An action of the space from those of its leaves."""
    if isinstance(space, spaces.Dict):
        return {name: _join(part, values) for name, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_join(part, values) for part in space)
    return next(values)


class ActionMap:
    """Actions of an environment <-> actions of recordings.

    Args:
        space: of the environment's actions.

    Raises:
        ConfigurationError: if the space cannot be handled; the message lacks the environment's name.
    """

    def __init__(self, space: spaces.Space) -> None:
        self._space, self._leaves = space, list(_leaves(space))
        if not sum(len(leaf.low) for leaf in self._leaves):
            raise ConfigurationError(f"its action space is empty ({space}): there is nothing to act with")
        self._low, self._high = (
            np.concatenate([getattr(leaf, end) for leaf in self._leaves]) for end in ("low", "high")
        )
        counts = [int(count) for count in self._high - self._low + 1]
        self.discrete = all(leaf.choices for leaf in self._leaves) and prod(counts) <= MOST_CHOICES
        self._counts = tuple(counts)
        self.size = prod(counts) if self.discrete else len(counts)

    @property
    def details(self) -> dict[str, Any]:
        """{"kind", "size"}, as manifests have it."""
        return {"kind": "discrete" if self.discrete else "continuous", "size": self.size}

    def rest(self) -> np.ndarray:
        """The first choice, or zeros."""
        return np.array(0, np.int64) if self.discrete else np.zeros(self.size, np.float32)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """A uniformly random action: int64 [] or float32 [A]."""
        if self.discrete:
            return np.array(random.integers(self.size))
        return random.uniform(-1, 1, self.size).astype(np.float32)

    def decode(self, action: np.ndarray) -> Any:
        """The environment's action of one of recordings; numbers outside [-1, 1] are clipped."""
        if self.discrete:
            entries = self._low + np.array(np.unravel_index(int(action), self._counts))
        else:
            share = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
            entries = self._low + share * (self._high - self._low)
        parts = iter(np.split(entries, np.cumsum([len(leaf.low) for leaf in self._leaves])[:-1]))
        return _join(self._space, (leaf.shaped(part) for leaf, part in zip(self._leaves, parts, strict=True)))

    def encode(self, action: Any) -> np.ndarray:
        """The action of recordings of one of the environment's."""
        entries = np.concatenate(list(_parts(self._space, action)))
        if self.discrete:
            return np.array(np.ravel_multi_index(tuple((entries - self._low).astype(int)), self._counts))
        width = self._high - self._low
        scaled = 2 * (entries - self._low) / np.where(width, width, 1) - 1
        return np.where(width, scaled, 0).clip(-1, 1).astype(np.float32)
