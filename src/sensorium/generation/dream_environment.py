"""A dream as an environment: it begins from a recording and goes on under actions.

Layouts: T frames, N tokens, C channels, H and W pixels, D width of the agent's state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.data.environment import Observation
from sensorium.generation.dream import Dreamer
from sensorium.generation.observations import ObservationDecoder

EVEN = 0.5  # probability of going on, below which an end is the likelier


@dataclass(frozen=True)
class Beginning:
    """The T true frames that a dream goes on from.

    Attributes:
        name: of the recording.
        tokens: float32 [1, T, N, C], of all streams.
        actions: [1, T, ...], actions[:, t] led to frame t; None in recordings without actions.
        pictures: uint8 [T, H, W, 3].
        sound: int16 [T * samples a frame]; None if the dynamics predict no sound.
    """

    name: str
    tokens: Tensor
    actions: Tensor | None
    pictures: np.ndarray
    sound: np.ndarray | None


@dataclass(frozen=True)
class DreamedObservation(Observation):
    """A decoded frame.

    Attributes:
        round_trip_error: how unlike the tokens of a true frame its tokens are (`observations.Decoded`).
    """

    round_trip_error: float


class DreamEnvironment:
    """A dream that can be acted in (`data.environment.Environment`); equal settings and actions give equal dreams.

    Args:
        dreamer: predicts the tokens of the next frame.
        decoder: shows them.
        beginning: the true frames that episode `number` begins with.
        frames: dreamed frames of an episode; None: episodes do not end.
        reward: reward of a frame from the state [1, D] of the dreamer's first agent token there, for example
            `Agent.reward.mean`; None: rewards are 0. It costs one more pass a frame.
        continuing: probability that the world does not end in a frame, from the same state, for example
            `Agent.continuing`; where it is below one half, the frame is a terminated one. None: dreams do not end.
    """

    def __init__(
        self,
        dreamer: Dreamer,
        decoder: ObservationDecoder,
        beginning: Callable[[int], Beginning],
        *,
        frames: int | None = None,
        reward: Callable[[Tensor], Tensor] | None = None,
        continuing: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.dreamer, self._decoder, self._beginning = dreamer, decoder, beginning
        self._frames, self._reward, self._continuing = frames, reward, continuing

    def reset(self, number: int) -> Observation:
        """Begin from the recording of that number; its last true frame."""
        self.beginning = begun = self._beginning(number)
        self.dreamer.begin(begun.tokens, begun.actions)
        self._memory, self._dreamed = self._decoder.remember(), 0
        shown = self._decoder.step(self._memory, begun.tokens)
        samples = begun.sound if begun.sound is not None else np.zeros(0, np.int16)
        last = samples[len(samples) - len(samples) // len(begun.pictures) :]
        return Observation(begun.pictures[-1], last, shown.felt[-1], 0.0, self._done())

    def step(self, action: np.ndarray | None) -> DreamedObservation:
        """Dream the next frame, which an action leads to: float32 [A], int64 [], or None to dream without."""
        move = None if action is None else torch.from_numpy(np.array(action)[None]).to(self.beginning.tokens.device)
        shown = self._decoder.step(self._memory, self.dreamer.step(move))
        self._dreamed += 1
        error = float(shown.round_trip_error[0])
        earned, over = self._earned()
        return DreamedObservation(
            shown.pictures[0], shown.sound, shown.felt[0], earned, self._done(), error, terminated=over
        )

    def _done(self) -> bool:
        return self._frames is not None and self._dreamed >= self._frames

    @torch.no_grad()
    def _earned(self) -> tuple[float, bool]:
        """Reward of the newest frame, which the dreamer then keeps, and whether the world ends in it."""
        if self._reward is None and self._continuing is None:
            return 0.0, False
        read = self.dreamer.keep()
        if read is None:
            raise ValueError("a reward is read from agent tokens: give the dreamer some")
        earned = 0.0 if self._reward is None else float(self._reward(read[:, 0]))
        return earned, self._continuing is not None and float(self._continuing(read[:, 0])) < EVEN
