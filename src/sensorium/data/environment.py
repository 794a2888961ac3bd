"""What a policy can live in: the worlds that recordings come from, played step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Observation:
    """What one frame brings.

    Attributes:
        frame: uint8 [H, W, 3].
        sound: int16 [samples a frame].
        body: float32 [P], what the body feels of itself; P is 0 where there is none.
        reward: of this frame.
        done: the episode ends with this frame.
    """

    frame: np.ndarray
    sound: np.ndarray
    body: np.ndarray
    reward: float
    done: bool


class Environment(Protocol):
    """A world with rewards. What happens is a function of its settings, the episode's number and the actions."""

    def reset(self, number: int) -> Observation:
        """Begin episode `number`: the scene of the recording of that number, before anything is done in it."""

    def step(self, action: np.ndarray) -> Observation:
        """One frame under an action, float32 [A] or int64 [], as recordings hold them."""

    def rest(self) -> np.ndarray:
        """The action that does nothing."""

    def habit(self) -> np.ndarray:
        """What the policy behind the recordings would do now."""

    def expert(self) -> np.ndarray | None:
        """What a scripted player who knows the truth would do now; None if nobody wrote one."""
