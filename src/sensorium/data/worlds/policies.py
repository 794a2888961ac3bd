"""Who acts in recordings: at random, stickily, or by a function of the user's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError, GymnasiumConfig
from sensorium.data.worlds.actions import ActionMap

Policy = Callable[[Any, Any], np.ndarray]  # (environment, newest observation) -> an action of recordings


def policy_of(config: GymnasiumConfig, actions: ActionMap, random: np.random.Generator) -> Policy:
    """The policy of the recordings, for one episode.

    Args:
        config: names it.
        actions: of the environment.
        random: where it draws from.

    Raises:
        ConfigurationError: if there is no such function.
    """
    if config.policy == "random":
        return lambda environment, observation: actions.draw(random)
    if config.policy == "sticky":
        return _Sticky(actions, config.stickiness, random)
    function = named_function(config.policy)
    return lambda environment, observation: actions.encode(function(environment, observation, random))


class _Sticky:
    """Repeats its last action with some probability, else acts at random."""

    def __init__(self, actions: ActionMap, stickiness: float, random: np.random.Generator) -> None:
        self._actions, self._stickiness, self._random = actions, stickiness, random
        self._last: np.ndarray | None = None

    def __call__(self, environment: Any, observation: Any) -> np.ndarray:
        fresh, again = self._actions.draw(self._random), self._random.random() < self._stickiness
        if self._last is None or not again:
            self._last = fresh
        return self._last


def named_function(name: str) -> Callable[[Any, Any, np.random.Generator], Any]:
    """The function `module:function`; modules are looked for in the current folder, too.

    Raises:
        ConfigurationError: if there is none.
    """
    module, _, function = name.partition(":")
    look_here()
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"policy = {name!r}: {error}; the module must be installed, on PYTHONPATH, or in the folder of the run"
        ) from None
    if not callable(found):
        raise ConfigurationError(f"policy = {name!r}: {type(found).__name__} {function} cannot be called")
    return found  # type: ignore[no-any-return]


def look_here() -> None:
    """Let modules be imported from the current folder, after all others."""
    if "" not in sys.path:
        sys.path.append("")
