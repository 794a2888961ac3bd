"""The numeric debugger: steps that were not finite are kept, and can be repeated under watch.

Later steps change the weights, so those of the first steps that were skipped are kept beside the checkpoints. Batch
and random numbers are functions of (seed, step): with its weights, a step is repeated exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.progress import say
from sensorium.training.checkpoint import TENSORS, Checkpoints
from sensorium.training.watch import first_bad_place, watched

KEPT = 3  # steps: the first ones show what began
LARGEST = 12  # gradients that are listed


class BadSteps:
    """The steps of a run that were not finite, with the weights that they began from.

    Args:
        run: its folder.
    """

    def __init__(self, run: Path) -> None:
        self._kept = Checkpoints(run / "bad_steps", keep=KEPT)

    def keep(self, done: int, learner: nn.Module, where: str) -> bool:
        """Keep the weights of step number `done`, counted from 1, if there is room; return whether it is kept.

        Raises:
            StorageError: if they cannot be written.
        """
        steps = self._kept.steps()
        if done not in steps and len(steps) < KEPT and all(step < done for step in steps):
            self._kept.save(done, learner.state_dict(), {"where": where})
        return done in self._kept.steps()

    def load(self, done: int, learner: nn.Module) -> None:
        """Give a learner the weights of a kept step.

        Raises:
            ConfigurationError: if it was not kept: the message names those that were.
            ArtifactError: if it does not fit.
        """
        if done not in self._kept.steps():
            known = ", ".join(map(str, self._kept.steps())) or "none"
            raise ConfigurationError(
                f"--replay {done}: {self._kept.folder} has no such step (there are: {known}); only steps that were "
                f"not finite are kept, the first {KEPT} of a run"
            )
        path = self._kept.path(done) / TENSORS
        try:
            learner.load_state_dict(load_file(path))
        except (RuntimeError, OSError) as error:
            raise ArtifactError(f"{path}: does not fit the model, whose code has changed since ({error})") from error


def report(
    learner: nn.Module, batch: dict[str, Tensor], forward: Callable[[], Tensor], step: int, seed: int, loss: Tensor
) -> str:
    """Name the first bad place of a step, and print what every module put out and every gradient was.

    Args:
        learner: with the step's weights and gradients.
        batch: of the step.
        forward: repeats the forward pass and returns its loss.
        step: its number, counted from 1.
        seed: of the training.
        loss: of the step.
    """
    outputs, _ = watched(learner, forward)
    lines = [f"step {step}, seed {seed}", "", _row("batch", "shape", "smallest", "largest", "mean size", "not finite")]
    for name, tensor in batch.items():
        numbers = tensor.float()
        lines.append(_numbers(name, numbers))
    lines += ["", _row("output of", "shape", "smallest", "largest", "mean size", "not finite")]
    for output in outputs:
        name = f"{output.name or 'the learner'} ({output.kind})"
        lines.append(_row(name, list(output.shape), output.low, output.high, output.size, output.bad))
    lines += ["", f"loss {float(loss):.6g}", ""]
    gradients = {name: p.grad.detach().float() for name, p in learner.named_parameters() if p.grad is not None}
    bad = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
    largest = sorted(set(gradients) - set(bad), key=lambda name: -float(gradients[name].norm()))[:LARGEST]
    lines.append(_row("gradient of", "shape", "smallest", "largest", "mean size", "not finite"))
    lines += [_numbers(name, gradients[name]) for name in (*bad[:LARGEST], *largest)]
    lines.append(f"({len(gradients)} gradients, {len(bad)} of them not finite; the largest are listed)")
    where = first_bad_place(learner, forward)
    say("\n".join([*lines, "", f"first bad place: {where}"]))
    return where


def _numbers(name: str, tensor: Tensor) -> str:
    finite = tensor.isfinite()
    good = tensor[finite] if bool(finite.any()) else torch.zeros(1)
    size = float(good.abs().mean())
    return _row(name, list(tensor.shape), float(good.min()), float(good.max()), size, int((~finite).sum()))


def _row(name: str, shape: Any, *numbers: Any) -> str:
    shown = [f"{number:>11.4g}" if isinstance(number, float) else f"{number!s:>11}" for number in numbers]
    return f"{name:<52} {shape!s:<22} {' '.join(shown)}"
