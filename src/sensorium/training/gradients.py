"""Loss and gradient of a global batch, made of as many micro-batches and ranks as it takes.

The result does not depend on how many those are: a row's randomness comes from its place in the global
batch, losses of micro-batches are weighted by their rows, coupled losses see every row (gradient caching).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

import torch
from torch import Tensor

from sensorium.config import ConfigurationError
from sensorium.randomness import Draw
from sensorium.training.distributed import World
from sensorium.training.learner import Batch, CoupledLearner, Learner, Metrics

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class _DoesNotFit(Exception):
    """A rank ran out of memory."""


class Gradients:
    """Computes gradients with the largest micro-batch that fits: on out-of-memory it is halved for good.

    Args:
        learner: in training mode; its gradients are accumulated, so they must be clear before.
        world: the ranks that share a batch.
        autocast: makes the context of a forward pass.
        micro_batch: rows a pass on this rank, to begin with.
    """

    def __init__(
        self, learner: Learner, world: World, autocast: Callable[[], AbstractContextManager[object]], micro_batch: int
    ) -> None:
        self._learner = learner
        self._world = world
        self._autocast = autocast
        self.micro_batch = micro_batch

    def compute(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Accumulate the gradient of the global mean loss, summed over ranks.

        Args:
            batch: this rank's rows of the global batch, on the device.
            draw: random numbers of all rows of the global batch.

        Returns:
            The loss (a scalar) and the metrics, this rank's part: their sums over ranks are the global means.

        Raises:
            ConfigurationError: if not even one row fits.
        """
        share = self._coupled if isinstance(self._learner, CoupledLearner) else self._plain
        while True:
            try:
                loss, metrics = share(batch, draw)
                self._world.sum_gradients(p for p in self._learner.parameters() if p.requires_grad)
                return loss, metrics
            except _DoesNotFit:
                self._halve()

    def forward(self, batch: Batch, draw: Draw) -> Tensor:
        """The loss of this rank's rows alone, a scalar: repeats a forward pass, to look into it."""
        learner, mine = self._learner, draw.rows(*self._world.share(draw.total))
        parts = []
        for start, stop in self._spans(mine):
            pair = _rows(batch, start, stop), mine.rows(start, stop)
            with self._autocast():
                parts.append(learner.embed(*pair) if isinstance(learner, CoupledLearner) else learner(*pair)[0][None])
        with self._autocast():
            return (
                learner.couple(torch.cat(parts), mine)[0]
                if isinstance(learner, CoupledLearner)
                else torch.cat(parts).sum()
            )

    def _halve(self) -> None:
        if self.micro_batch == 1:
            raise ConfigurationError(
                "--device: out of memory with a single row a pass; use a device with more memory, or a smaller model "
                "(width, dim, layers), window (frames) or training.batch"
            )
        smaller = (self.micro_batch + 1) // 2
        log.warning("out of memory with a micro-batch of %d: going on with %d", self.micro_batch, smaller)
        self.micro_batch = smaller
        for parameter in self._learner.parameters():
            parameter.grad = None
        if self._world.device.type == "cuda":
            torch.cuda.empty_cache()

    def _spans(self, mine: Draw) -> list[tuple[int, int]]:
        rows = mine.stop - mine.start
        return [(start, min(start + self.micro_batch, rows)) for start in range(0, rows, self.micro_batch)]

    def _fitting(self, work: Callable[[], Result]) -> Result:
        """Run work that may exhaust the memory; all ranks learn of it if it does on one, so all repeat the step."""
        result: Result | None = None
        with suppress(torch.OutOfMemoryError):  # once suppressed, it frees the frames, and tensors, that it held
            result = work()
        if self._world.any(result is None):
            raise _DoesNotFit
        assert result is not None
        return result

    def _plain(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        mine = draw.rows(*self._world.share(draw.total))

        def work() -> list[tuple[float, Tensor, Metrics]]:
            parts = []
            for start, stop in self._spans(mine):
                weight = (stop - start) / draw.total
                with self._autocast():
                    loss, metrics = self._learner(_rows(batch, start, stop), mine.rows(start, stop))
                (loss * weight).backward()
                parts.append((weight, loss.detach(), metrics))
            return parts

        parts = self._fitting(work)
        total = torch.stack([loss * weight for weight, loss, _ in parts]).sum()
        names = parts[0][2]
        return total, {name: torch.stack([m[name].detach() * weight for weight, _, m in parts]).sum() for name in names}

    def _coupled(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        mine = draw.rows(*self._world.share(draw.total))
        spans = self._spans(mine)
        if self._world.size == 1 and len(spans) == 1:
            return self._plain(batch, draw)
        learner, size = self._learner, self._world.size
        assert isinstance(learner, CoupledLearner)

        def embed(start: int, stop: int) -> Tensor:
            # Autocast is entered anew for each pass: its cache of cast weights would carry no graph from no_grad.
            with self._autocast():
                return learner.embed(_rows(batch, start, stop), mine.rows(start, stop))

        def embed_all() -> Tensor:
            with torch.no_grad():
                return torch.cat([embed(*span) for span in spans])

        whole = self._world.gather_rows(self._fitting(embed_all), mine.start, draw.total).requires_grad_()

        def couple() -> tuple[Tensor, Metrics]:
            with self._autocast():
                loss, metrics = learner.couple(whole, draw)
            (loss / size).backward()  # every rank couples the same rows, and gradients are summed
            return loss.detach(), metrics

        loss, metrics = self._fitting(couple)
        assert whole.grad is not None
        carried = whole.grad[mine.start : mine.stop] * size

        def carry() -> bool:
            for start, stop in spans:
                embed(start, stop).backward(carried[start:stop])
            return True

        self._fitting(carry)
        return loss / size, {name: value.detach() / size for name, value in metrics.items()}


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return {name: tensor[start:stop] for name, tensor in batch.items()}
