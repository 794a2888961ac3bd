"""The validation of a run: one fixed batch, its loss, the gates, and what is shown of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import torch

from sensorium.config import ConfigurationError, Training
from sensorium.data.windows import WindowSource
from sensorium.models.out_of_memory import attempt
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.health import Verdict
from sensorium.training.learner import Audio, Image, Learner

log = logging.getLogger(__name__)
VALIDATION_ROWS = 64  # at least: with 8 rows, sampling noise alone failed the gates of healthy models
Judged = tuple[Verdict, dict[str, Image | Audio]]


class Validation:
    """Validates the weights that would be exported.

    Args:
        learner: to be judged.
        training: its optimisation.
        windows: of validation recordings.
        device: of the learner.
        contexts: that the pass runs in: autocast, the averaged weights.
    """

    def __init__(
        self,
        learner: Learner,
        training: Training,
        windows: WindowSource,
        device: torch.device,
        contexts: Callable[[], list[AbstractContextManager[object]]],
    ) -> None:
        self._learner, self._windows, self._device, self._contexts = learner, windows, device, contexts
        self._seed = stable_seed(training.seed, "validation")
        self._draw_seed = stable_seed(training.seed, type(learner).__name__, "validation")
        self._rows = min(max(training.batch, VALIDATION_ROWS), len(windows))

    def run(self) -> Judged:
        """Metrics and gates on a fixed batch, with as many rows as fit into memory, and exhibits.

        Raises:
            ConfigurationError: if not even four rows fit.
        """
        rows = self._rows
        while (judged := attempt(partial(self._on, rows))) is None:
            if rows < 4:
                raise ConfigurationError(
                    f"--device: out of memory at the validation with {rows} rows; use a device with more memory, or a "
                    "smaller model (width, dim, layers) or window (frames)"
                )
            rows //= 2
            log.warning("out of memory at the validation: going on with %d rows", rows)
        return judged

    def _on(self, rows: int) -> Judged:
        indices = sample_indices(self._seed, 0, rows, len(self._windows))
        scenes = [stable_seed(self._seed, "scene", row) for row in range(rows)]
        batch = {
            name: tensor.to(self._device, non_blocking=True)
            for name, tensor in self._windows.batch(indices, scenes).items()
        }
        self._learner.eval()
        with torch.no_grad(), ExitStack() as contexts:
            for context in self._contexts():
                contexts.enter_context(context)
            loss, metrics = self._learner(batch, Draw(self._draw_seed, 0, 0, rows, rows, self._device))
            gates, exhibits = self._learner.gates(batch), self._learner.show(batch)
        values = {f"val/{name}": float(value) for name, value in metrics.items()} | {"val/loss": float(loss)}
        return Verdict(values | {f"health/{gate.name}": gate.value for gate in gates}, gates), exhibits
