"""The short training of a study: data in memory, no checkpoints, the same optimiser and randomness as the trainer's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sensorium.config import Training
from sensorium.progress import track
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.learner import Learner
from sensorium.training.optimiser import Optimiser


def fit(
    learner: Learner,
    training: Training,
    data: Mapping[str, Tensor],
    before: Callable[[int], None] = lambda step: None,
) -> None:
    """Train a learner on rows of `data` (tensors of equal length on the CPU), then freeze it.

    Args:
        learner: on the CPU.
        training: its section.
        data: name -> tensor [n, ...].
        before: called with the number of each step before the step.
    """
    optimiser = Optimiser(learner, training)
    count = len(next(iter(data.values())))
    learner.train()
    for step in track(range(training.steps), "steps"):
        before(step)
        rows = torch.from_numpy(sample_indices(training.seed, step, training.batch, count))
        draw = Draw(stable_seed(training.seed, "fit"), step, 0, training.batch, training.batch, torch.device("cpu"))
        loss, _ = learner({name: values[rows] for name, values in data.items()}, draw)
        optimiser.clear()
        loss.backward()
        optimiser.update(step, optimiser.norms())
    learner.eval().requires_grad_(False)
