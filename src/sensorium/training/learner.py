"""What the trainer knows of a stage: a learner is a model and its objective in one module.

Batches come as `data.windows.Windows.batch` gives them (uint8 video, int16 audio), moved to the device;
learners normalise them there. Randomness comes from the `Draw` alone, and modules keep no batch
statistics, so neither the micro-batch nor the number of ranks changes what is learned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from sensorium.randomness import Draw

Batch = dict[str, Tensor]
Metrics = dict[str, Tensor]


@dataclass(frozen=True)
class Gate:
    """A condition that a model must meet to be exported: `value >= minimum`.

    `advice` completes the sentence "try ..." for the person whose run failed.
    """

    name: str
    value: float
    minimum: float
    advice: str

    @property
    def passed(self) -> bool:
        """False for NaN too."""
        return self.value >= self.minimum


@dataclass(frozen=True)
class Image:
    """A picture for TensorBoard: float [3, H, W] in [0, 1]."""

    pixels: Tensor


@dataclass(frozen=True)
class Audio:
    """A sound for TensorBoard: float [S] in [-1, 1] at `rate` samples a second."""

    samples: Tensor
    rate: int


class Learner(nn.Module, ABC):
    """A model and its objective, when the loss of a batch is the mean of the losses of its rows.

    Attributes:
        observed: names of the metrics that `observe` is told; each costs a word between ranks in every step.
    """

    observed: tuple[str, ...] = ()

    @property
    @abstractmethod
    def model(self) -> nn.Module:
        """The module that is exported."""

    @abstractmethod
    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean loss over the rows of a (micro-)batch, a scalar, and detached scalar metrics."""

    @abstractmethod
    def gates(self, batch: Batch) -> list[Gate]:
        """Collapse watch on a validation batch (called in eval mode, without gradients); all must pass."""

    def observe(self, metrics: Metrics) -> None:
        """Take in the means of the `observed` metrics over the global batch; called once after each step that was made.

        What is kept of them must lie in buffers, so that a resumed run goes on with it.
        """

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """What a person would rather see than a number (called in eval mode, without gradients)."""
        return {}

    def compiled(self) -> list[nn.Module]:
        """Modules whose `forward` torch.compile may replace on CUDA; those called by other methods gain nothing."""
        return [self.model]


class CoupledLearner(Learner):
    """A learner whose loss couples the samples of a batch, as contrastive losses do.

    The trainer embeds every micro-batch, couples the whole global batch over all ranks, and carries the
    gradient back through each micro-batch (GradCache: Gao et al. 2021, arXiv:2101.06983, section 3), so the
    loss never depends on the micro-batch. Losses of single samples travel as columns of the embedding.
    """

    @abstractmethod
    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Embeddings [rows, ...] with their graph: row i depends on nothing but row i of batch and draw."""

    @abstractmethod
    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Loss of the global batch, a scalar, from its embeddings [global rows, ...] and the draw of all its rows."""

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Loss of a batch that is coupled as a whole."""
        return self.couple(self.embed(batch, draw), draw)
