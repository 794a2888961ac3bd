"""Loss and gradient of a global batch, computed in micro-batches on one or more ranks.

The result depends neither on the micro-batch nor on the number of ranks: a row's randomness comes from its place in
the global batch, the losses of micro-batches are weighted by their rows, and coupled losses see every row (gradient
caching).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from sensorium.config import ConfigurationError
from sensorium.models.out_of_memory import attempt
from sensorium.models.recompute import recompute_layers
from sensorium.randomness import Draw
from sensorium.training.distributed import Ranks, flat_gradients
from sensorium.training.learner import Batch, CoupledLearner, Learner, Metrics

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class _DoesNotFit(Exception):
    """A rank ran out of memory."""


class Gradients:
    """Computes gradients in micro-batches. Out of memory, it halves the micro-batch for the rest of the run.

    Where not even one row fits, the layers of transformers recompute their activations from then on, if they may.

    Args:
        learner: in training mode and without gradients, because gradients are accumulated.
        ranks: the ranks that share a batch.
        autocast: makes the context of a forward pass.
        micro_batch: rows of a pass on this rank, at first.
        recompute: "on": layers recompute from the start; "auto": where one row does not fit; "off": never.
    """

    def __init__(
        self,
        learner: Learner,
        ranks: Ranks,
        autocast: Callable[[], AbstractContextManager[object]],
        micro_batch: int,
        recompute: str = "auto",
    ) -> None:
        self._learner = learner
        self._ranks = ranks
        self._autocast = autocast
        self.micro_batch = micro_batch
        self._recompute = recompute
        if recompute == "on":
            recompute_layers(learner)

    def compute(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Accumulate the gradient of the global mean loss, summed over ranks.

        Args:
            batch: this rank's rows of the global batch, on the device.
            draw: random numbers of all rows of the global batch.

        Returns:
            This rank's part of the loss (a scalar) and of the metrics: their sums over ranks are the global means.

        Raises:
            ConfigurationError: if not even one row fits.
        """
        accumulate = self._coupled if isinstance(self._learner, CoupledLearner) else self._plain
        while True:
            try:
                loss, metrics = accumulate(batch, draw)
                if self._ranks.count > 1:
                    trained = [p for p in self._learner.parameters() if p.requires_grad]
                    self._ranks.sum_gradients(trained, self._fitting(partial(flat_gradients, trained)))
                return loss, metrics
            except _DoesNotFit:
                self._need_less()

    def forward(self, batch: Batch, draw: Draw) -> Tensor:
        """The loss of this rank's rows alone, a scalar; a forward pass without gradients, to find where it goes bad."""
        learner, mine = self._learner, draw.rows(*self._ranks.share(draw.total))
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

    def _need_less(self) -> None:
        if self.micro_batch > 1:
            smaller = (self.micro_batch + 1) // 2
            log.warning("out of memory with a micro-batch of %d: going on with %d", self.micro_batch, smaller)
            self.micro_batch = smaller
        elif self._recompute == "auto" and recompute_layers(self._learner):
            log.warning("out of memory with a single row a pass: layers recompute their activations from now on")
        else:
            raise ConfigurationError(
                "--device: out of memory with a single row a pass; use a device with more memory, or a smaller model "
                "(width, dim, layers), window (frames) or training.batch"
            )
        for parameter in self._learner.parameters():
            parameter.grad = None

    def _spans(self, mine: Draw) -> list[tuple[int, int]]:
        rows = mine.stop - mine.start
        return [(start, min(start + self.micro_batch, rows)) for start in range(0, rows, self.micro_batch)]

    def _fitting(self, work: Callable[[], Result]) -> Result:
        """The result of `work`. If one rank runs out of memory, all raise _DoesNotFit, so that all repeat the step."""
        result = attempt(work)
        if self._ranks.any(result is None):
            raise _DoesNotFit
        assert result is not None
        return result

    def _plain(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        mine = draw.rows(*self._ranks.share(draw.total))

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
        mine = draw.rows(*self._ranks.share(draw.total))
        spans = self._spans(mine)
        if self._ranks.count == 1 and len(spans) == 1:
            return self._plain(batch, draw)
        learner, ranks = self._learner, self._ranks.count
        assert isinstance(learner, CoupledLearner)

        def embed(start: int, stop: int) -> Tensor:
            # A new autocast for each pass: the weights that it cached under no_grad carry no graph.
            with self._autocast():
                return learner.embed(_rows(batch, start, stop), mine.rows(start, stop))

        def embed_all() -> Tensor:
            with torch.no_grad():
                return torch.cat([embed(*span) for span in spans])

        whole = self._ranks.gather_rows(self._fitting(embed_all), mine.start, draw.total).requires_grad_()

        def couple() -> tuple[Tensor, Metrics]:
            with self._autocast():
                loss, metrics = learner.couple(whole, draw)
            (loss / ranks).backward()  # every rank couples the same rows, and their gradients are summed
            return loss.detach(), metrics

        loss, metrics = self._fitting(couple)
        assert whole.grad is not None
        gradient = whole.grad[mine.start : mine.stop] * ranks

        def backward() -> bool:
            for start, stop in spans:
                embed(start, stop).backward(gradient[start:stop])
            return True

        self._fitting(backward)
        return loss / ranks, {name: value.detach() / ranks for name, value in metrics.items()}


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return {name: tensor[start:stop] for name, tensor in batch.items()}
