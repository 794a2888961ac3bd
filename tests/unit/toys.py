"""Toy windows and learners that obey the protocols, for tests of the training loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.artifacts import write_json
from sensorium.config import Section, Training
from sensorium.models.load import Loadable
from sensorium.randomness import Draw
from sensorium.training.execution import Execution
from sensorium.training.learner import Audio, Batch, CoupledLearner, Gate, Image, Learner, Metrics
from sensorium.training.normalise import RunningScale
from sensorium.training.stage import train_stage

SHAPES = {"inputs": 6}


class ToyWindows:
    """Windows of noise: x [6] with y a fixed function of it."""

    def __init__(self, count: int = 40) -> None:
        self._x = torch.randn(count, 6, generator=torch.Generator().manual_seed(3))

    def __len__(self) -> int:
        return len(self._x)

    def batch(self, indices: np.ndarray, seeds: object = None) -> Batch:
        """Rows of x and y by index."""
        x = self._x[torch.from_numpy(indices)]
        return {"x": x, "y": x.sin().sum(1, keepdim=True), "index": torch.from_numpy(indices)}


class ToyConfig(Section):
    """Settings of the toy stage."""

    width: int = 8
    training: Training = Training(steps=40, batch=16, warmup=5, lr=1e-2, ema=0.9)


class ToyModel(Loadable):
    """Two layers."""

    Config = ToyConfig
    kind = "toy"

    def __init__(self, config: ToyConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.first = nn.Linear(shapes["inputs"], config.width)
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 6] -> [B, 1]."""
        return self.last(self.norm(torch.tanh(self.first(x))))


class ToyLearner(Learner):
    """Regression on noised inputs, with two terms of very different size on one scale."""

    minimum = 0.0
    observed = ("square", "absolute")

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self._model = ToyModel(config, SHAPES)
        self.scale = RunningScale({"square": 1.0, "absolute": 0.5})
        self.largest = 10**9
        self.seen: list[int] = []

    @property
    def model(self) -> nn.Module:
        """The regressor."""
        return self._model

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Squared error."""
        self.seen.append(len(batch["x"]))
        if len(batch["x"]) > self.largest:
            raise torch.OutOfMemoryError("the toy is full")
        error = self._model(batch["x"] + 0.1 * draw.normal("noise", 6)) - batch["y"]
        terms = {"square": error.square().mean(), "absolute": 100 * error.abs().mean()}
        return self.scale(terms), {name: term.detach() for name, term in terms.items()}

    def observe(self, metrics: Metrics) -> None:
        """For the scale."""
        self.scale.observe(metrics)

    def gates(self, batch: Batch) -> list[Gate]:
        """The output must vary."""
        return [Gate("deviation", float(self._model(batch["x"]).std()), self.minimum, "a higher training.lr")]

    def show(self, batch: Batch) -> dict[str, Image | Audio]:
        """One picture, one sound."""
        return {"picture": Image(torch.rand(3, 4, 4)), "sound": Audio(torch.zeros(100), 1000)}


class ToyContrast(CoupledLearner):
    """A contrast of two noised views, with a temperature that is learned."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self._model = nn.Sequential(nn.Linear(6, config.width), nn.Tanh(), nn.Linear(config.width, 4))
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.largest = 10**9

    @property
    def model(self) -> nn.Module:
        """The embedder."""
        return self._model

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Two views [rows, 2, 4]."""
        if len(batch["x"]) > self.largest and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("the toy is full")
        return self._model(batch["x"][:, None] + 0.1 * draw.normal("views", 2, 6))

    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """InfoNCE between the views."""
        assert len(embeddings) == draw.stop - draw.start
        unit = nn.functional.normalize(embeddings, dim=-1)
        scores = self.scale.exp() * unit[:, 0] @ unit[:, 1].T
        loss = nn.functional.cross_entropy(scores, torch.arange(len(scores)))
        return loss, {"correct": (scores.argmax(1) == torch.arange(len(scores))).float().mean()}

    def gates(self, batch: Batch) -> list[Gate]:
        """Nothing to watch."""
        return []


def run_toy(
    output: Path,
    config: Any = None,
    execution: Execution | None = None,
    made: Callable[[Any], Learner] | None = None,
    **changes: Any,
) -> None:
    """Train a toy stage in a folder; `changes` are attributes of the learner that is made of its section."""
    config = config or ToyConfig()
    source = output.parent / "input.json"
    if not source.exists():
        write_json(source, {"kind": "toy"})

    def build() -> tuple[Learner, ToyWindows, ToyWindows]:
        learner = (made or ToyLearner)(config)
        for name, value in changes.items():
            setattr(learner, name, value)
        return learner, ToyWindows(), ToyWindows(24)

    train_stage(
        stage="toy",
        revision=1,
        section=config,
        inputs={"data": source},
        output=output,
        build=build,  # type: ignore[arg-type]
        execution=execution or Execution(device="cpu"),
        shapes=SHAPES,
    )


def materialise(module: nn.Module) -> None:
    """Give weights and buffers without memory some numbers."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(0.02 * torch.randn(weight.shape), weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.ones(buffer.shape, dtype=buffer.dtype)


def main(made: type[Learner] = ToyLearner, config: Any = None) -> None:
    """`toys.py OUTPUT STEP_SECONDS SAVE_SECONDS`: a slow training with constant checkpoints, to be killed."""
    torch.set_num_threads(1)
    output, pause, save_pause = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    step, write = made.forward, Path.write_text

    def slow_step(self: Learner, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        time.sleep(pause)
        return step(self, batch, draw)

    def slow_write(self: Path, text: str, *args: Any, **kwargs: Any) -> int:
        if self.name == "state.json":  # the tensors are there, their digest is not yet
            time.sleep(save_pause)
        return write(self, text, *args, **kwargs)

    made.forward, Path.write_text = slow_step, slow_write  # type: ignore[method-assign, assignment]
    run_toy(output, config, Execution(device="cpu", checkpoint_minutes=1e-9), made)


if __name__ == "__main__":
    main()


def run_folder(output: Path) -> Path:
    """The only run of an artifact."""
    (folder,) = (output / "runs").iterdir()
    return folder
