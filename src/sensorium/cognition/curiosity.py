"""Curiosity that is robust to noise: an online forward model and its learning progress in each region.

An agent that seeks prediction errors is caught by a noisy television, because noise stays unpredictable. An agent that
seeks *progress* of its predictions is not (Schmidhuber 1991; Oudeyer, Kaplan and Hafner 2007). Progress belongs to
regions of the world, not to exact states: noise never shows a state twice, so every state of it would be new. Progress
is measured on transitions that the lesson did not use, so that memorised noise does not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

CERTAINTY = 1.0  # standard errors by which a mean gain must exceed zero to count
NEGLIGIBLE = 1e-3  # mean gains below this count as zero, for targets of unit variance


@dataclass(frozen=True)
class Lesson:
    """The result of training on one visit.

    Attributes:
        error: mean squared error of the prediction, made before learning.
        gain: decrease of the error on held-out transitions of the same visit.
    """

    error: float
    gain: float


class ForwardModel:
    """A small network that is trained at each visit on its transitions.

    Args:
        inputs: width of its inputs (place, observation, action).
        outputs: width of its targets.
        width: hidden units.
        lr: of Adam.
        seed: of the initial weights.
    """

    def __init__(self, inputs: int, outputs: int, width: int, lr: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        last = nn.Linear(width, outputs)
        self.network = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), last)
        with torch.no_grad():
            for parameter in self.network.parameters():
                scale = parameter.shape[-1] ** -0.5 if parameter.ndim == 2 else 0.0
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
            last.weight.zero_()  # its first prediction is the mean, which is already the best one for noise
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=lr)

    def observe(
        self, before: Tensor, after: Tensor, memory: tuple[Tensor, Tensor] | None = None, steps: int = 1
    ) -> Lesson:
        """Predict, train on one half of the transitions, and measure the gain on the other half.

        Args:
            before: [B, inputs].
            after: [B, outputs].
            memory: earlier transitions, [M, inputs] and [M, outputs], that join the training half.
            steps: training steps.
        """
        half = len(before) // 2
        lesson, test = (before[:half], after[:half]), (before[half:], after[half:])
        with torch.no_grad():
            error, held_out = self._error(*lesson), self._error(*test)
        if memory is not None:
            lesson = torch.cat([memory[0], lesson[0]]), torch.cat([memory[1], lesson[1]])
        for _ in range(steps):
            loss = self._error(*lesson)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        with torch.no_grad():
            gain = held_out - self._error(*test)
        return Lesson(error.item(), gain.item())

    def _error(self, before: Tensor, after: Tensor) -> Tensor:
        return (self.network(before) - after).square().mean()


class Interest:
    """The interest in each region, from the latest lessons there.

    Args:
        window: latest visits to a region that count.
        measure: from the lessons of the last visits to an interest of 0 or more.
        region: from an observation to its region.
    """

    def __init__(
        self,
        window: int,
        measure: Callable[[Sequence[Lesson]], float],
        region: Callable[[np.ndarray], Hashable],
    ) -> None:
        self.window, self.measure, self.region = window, measure, region
        self._lessons: dict[Hashable, list[Lesson]] = defaultdict(list)

    def note(self, observation: np.ndarray, lesson: Lesson) -> None:
        """Add a lesson from the region of an observation."""
        lessons = self._lessons[self.region(observation)]
        lessons.append(lesson)
        del lessons[: -self.window]

    def of(self, observation: np.ndarray) -> float | None:
        """Interest of the region of an observation; None if it was visited too rarely."""
        lessons = self._lessons[self.region(observation)]
        return self.measure(lessons) if 4 * len(lessons) >= self.window else None

    def shares(self, observations: Sequence[np.ndarray], explore: float) -> np.ndarray:
        """Probabilities of visiting K places, [K]: by interest; unknown places first; `explore` is spread evenly."""
        found = [self.of(observation) for observation in observations]
        unknown = np.array([interest is None for interest in found])
        wanted = unknown.astype(float) if unknown.any() else np.array([interest or 0.0 for interest in found])
        if wanted.sum() == 0:
            wanted = np.ones(len(found))
        return (1 - explore) * wanted / wanted.sum() + explore / len(found)


def learning_progress(lessons: Sequence[Lesson]) -> float:
    """Mean gain of the last lessons, beyond its standard error; 0 if that is negligible, as it is for noise."""
    gains = np.array([lesson.gain for lesson in lessons])
    gain = float(gains.mean() - CERTAINTY * gains.std(ddof=1) / np.sqrt(len(gains)))
    return gain if gain > NEGLIGIBLE else 0.0


def relative_progress(lessons: Sequence[Lesson]) -> float:
    """Square root of mean gain over mean error, for regions whose errors differ in size.

    Unpredictable regions have large errors and so, by chance, large gains, but the ratio is small. The root favours
    regions that are almost learned over new ones.
    """
    gain, error = (float(np.mean([getattr(lesson, name) for lesson in lessons])) for name in ("gain", "error"))
    return (gain / error) ** 0.5 if gain > NEGLIGIBLE else 0.0


def prediction_error(lessons: Sequence[Lesson]) -> float:
    """The naive interest: the mean prediction error."""
    return float(np.mean([lesson.error for lesson in lessons]))
