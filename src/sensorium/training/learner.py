"""The interface between the trainer and a stage: a learner is a model and its objective in one module.

Batches come from `data.windows.Windows.batch` (uint8 video, int16 audio), on the device, and learners convert them
there. All randomness comes from the `Draw`, and modules keep no batch statistics, so neither the micro-batch nor the
number of ranks changes what is learned.
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
    """A condition for the export of a model: `value >= minimum`.

    `advice` completes the sentence "try ..." in the message of a run that failed.
    """

    name: str
    value: float
    minimum: float
    advice: str

    @property
    def passed(self) -> bool:
        """Whether the condition is met; NaN never meets it."""
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
        observed: names of the metrics that `observe` receives, of steps that have them; each adds one scalar to the
            all-reduce of every step.
        rivals: names of submodules that are trained against the rest, such as a critic: with an optimiser of their own
            (`training.critic`), without an average, and exported beside the model, of which they are no part. The loss
            serves both players by one backward pass (`training/adversarial.py`).
    """

    observed: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()

    @property
    @abstractmethod
    def model(self) -> nn.Module:
        """The module that is exported."""

    @abstractmethod
    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean loss over the rows of a (micro-)batch, a scalar, and detached scalar metrics."""

    @abstractmethod
    def gates(self, batch: Batch) -> list[Gate]:
        """Checks for collapse on a validation batch, in eval mode without gradients; all must pass."""

    def observe(self, metrics: Metrics) -> None:
        """Receive the means of the `observed` metrics over the global batch, after each step that was not skipped.

        Keep them in buffers only, so that a resumed run has them too.
        """

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """Pictures and sounds for TensorBoard, from a validation batch, in eval mode without gradients."""
        return {}

    def compiled(self) -> list[nn.Module]:
        """Modules whose `forward` torch.compile may replace; calls of their other methods stay uncompiled."""
        return [self.model]


class CoupledLearner(Learner):
    """A learner whose loss couples the samples of a batch, as contrastive losses do.

    The trainer embeds every micro-batch, computes the loss of the global batch over all ranks, and propagates its
    gradient back through each micro-batch (GradCache: Gao et al. 2021, arXiv:2101.06983, section 3), so the loss
    does not depend on the micro-batch. Losses of single samples are passed on as columns of the embedding.
    """

    @abstractmethod
    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Embeddings [rows, ...] with their graph; row i depends only on row i of batch and draw."""

    @abstractmethod
    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Loss of the global batch, a scalar, from its embeddings [global rows, ...], and metrics.

        Args:
            embeddings: of all rows, in order.
            draw: random numbers of all rows.
        """

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Loss of a batch that is embedded in one pass."""
        return self.couple(self.embed(batch, draw), draw)


def is_rival(name: str, learner: nn.Module) -> bool:
    """Whether a parameter or buffer of this name belongs to one of the learner's rivals."""
    return any(name.startswith(f"{rival}.") for rival in getattr(learner, "rivals", ()))


def check_rivals(learner: Learner) -> None:
    """Refuse rivals that cannot be trained apart from the model, or whose judgement of a sample depends on others.

    Raises:
        ValueError: if a rival is unknown, is part of what is exported, or has batch norm or dropout.
    """
    exported = {id(parameter) for parameter in learner.model.parameters()}
    for name in learner.rivals:
        modules = [part for path, part in learner.named_modules() if path == name or path.startswith(f"{name}.")]
        parameters = [parameter for part in modules for parameter in part.parameters(recurse=False)]
        if not parameters:
            raise ValueError(f"{type(learner).__name__} names a rival {name!r}, which has no weights")
        if exported & set(map(id, parameters)):
            raise ValueError(f"the rival {name!r} is part of the exported model; keep it beside the model")
        for part in modules:
            if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
                raise ValueError(f"the rival {name!r} has a {type(part).__name__}; a critic must judge rows one by one")
