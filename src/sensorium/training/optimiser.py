"""AdamW, Muon and the average of the weights. A checkpoint stores their state as tensors by name.

Parameters that are trained together are a player: the model, and the critics that are trained against it. Each player
has a rate, a clip norm and steps of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium.config import AdversarialTraining, ConfigurationError, Training
from sensorium.schedules import average_decay, learning_rate
from sensorium.training.checkpoint import check_like
from sensorium.training.learner import is_rival
from sensorium.training.muon import Muon

# The state of each parameter
KEYS = {torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"}, Muon: {"momentum_buffer"}}
NEVER_NEGATIVE = {"step", "exp_avg_sq"}


@dataclass(frozen=True)
class TrainedPlayer:
    """Parameters that are trained together: their optimisers, and when and how far these step.

    Attributes:
        parameters: by name.
        rates: optimiser -> its learning rate in units of the player's.
        clip: norm above which the gradient of these parameters is scaled down.
        peak: largest learning rate.
        warmup: steps until it is reached.
        start, every: the player makes the steps start, start + every, ...
    """

    parameters: dict[str, nn.Parameter]
    rates: dict[torch.optim.Optimizer, float]
    clip: float
    peak: float
    warmup: int
    start: int = 0
    every: int = 1

    def due(self, step: int) -> bool:
        """Whether the player makes this step. All ranks know it, and a resumed run, for it depends on nothing else."""
        return step >= self.start and (step - self.start) % self.every == 0

    def norm(self) -> Tensor:
        """Norm of the gradient of these parameters, a scalar; zero where there is none."""
        parameters = self.parameters.values()
        found = [p.grad for p in parameters if p.grad is not None]
        return torch.nn.utils.get_total_norm(found) if found else next(iter(parameters)).new_zeros(())

    def update(self, rate: float, norm: Tensor) -> None:
        """Clip the gradients, given their norm, and make a step of this learning rate."""
        torch.nn.utils.clip_grads_with_norm_(self.parameters.values(), self.clip, norm)
        for optimiser, factor in self.rates.items():
            for group in optimiser.param_groups:
                group["lr"] = factor * rate
            optimiser.step()


class Optimiser:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with weight decay on matrices and kernels only.

    With `training.muon` the matrices and kernels of blocks are trained by Muon (Jordan et al. 2024, "Muon: an optimizer
    for hidden layers in neural networks"). All singular values of its updates are about equal, so directions that are
    rare in the gradient are learned too. Its updates are scaled to the root mean square of AdamW's (Liu et al. 2025,
    arXiv:2502.16982, section 2.2), times `training.muon`.

    With `training.ema` it keeps an exponential average of the model's weights, which is evaluated and exported.

    A learner's rivals are a player of their own, trained by AdamW as `training.critic` says, without an average.

    Raises:
        ConfigurationError: if Muon is requested for a model without transformer blocks.
        TypeError: if a learner has rivals, and its section no `training.critic`.
    """

    def __init__(self, learner: nn.Module, training: Training) -> None:
        self._training = training
        self._parameters = {name: p for name, p in learner.named_parameters() if p.requires_grad}
        rival = {name: p for name, p in self._parameters.items() if is_rival(name, learner)}
        own = {name: p for name, p in self._parameters.items() if name not in rival}
        hidden = {name: p for name, p in own.items() if training.muon and for_muon(name, p)}
        if training.muon and not hidden:
            raise ConfigurationError(f"training.muon is {training.muon}: there are no transformer blocks; set it to 0")
        decay = training.weight_decay
        adamw = _adamw([p for name, p in own.items() if name not in hidden], training.lr, decay)
        rates: dict[torch.optim.Optimizer, float] = {adamw: 1.0}
        self._owners: dict[str, torch.optim.Optimizer] = dict.fromkeys(own, adamw)
        if hidden:
            muon = Muon(hidden.values(), training.lr, decay)
            rates[muon] = training.muon
            self._owners |= dict.fromkeys(hidden, muon)
        self._players = [TrainedPlayer(own, rates, training.clip, training.lr, training.warmup)]
        if rival:
            if not isinstance(training, AdversarialTraining):
                raise TypeError(f"{type(learner).__name__} has rivals, and {type(training).__name__} no critic")
            critic = training.critic
            theirs = _adamw(list(rival.values()), critic.lr, decay, critic.betas)
            self._owners |= dict.fromkeys(rival, theirs)
            terms = critic.clip, critic.lr, critic.warmup, critic.start, critic.every
            self._players.append(TrainedPlayer(rival, {theirs: 1.0}, *terms))
        self._average: dict[str, Tensor] = {}
        if training.ema:
            self._average = {name: p.detach().clone() for name, p in own.items()}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return list(self._parameters.values())

    def norms(self) -> Tensor:
        """Norms of the gradients of the model and, where there are rivals, of these: [players]."""
        return torch.stack([player.norm() for player in self._players])

    def update(self, step: int, norms: Tensor) -> list[float]:
        """Clip the gradients of each player, given their norms, and make step number `step` of those that are due.

        Returns:
            The learning rate of each player; 0 if it makes no step.
        """
        training, made = self._training, []
        for player, norm in zip(self._players, norms.unbind(), strict=True):
            rate, start = 0.0, player.start
            if player.due(step):
                steps, terms = training.steps - start, {"peak": player.peak, "final": training.final_lr}
                rate = learning_rate(step - start, steps=steps, warmup=player.warmup, **terms)
                player.update(rate, norm)
            made.append(rate)
        if self._average:
            weights = [self._parameters[name].detach() for name in self._average]
            torch._foreach_lerp_(list(self._average.values()), weights, 1 - average_decay(step, training.ema))
        return made

    def clear(self) -> None:
        """Delete all gradients."""
        for player in self._players:
            for optimiser in player.rates:
                optimiser.zero_grad(set_to_none=True)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A context in which the learner has the averaged weights, if an average is kept; rivals have their own."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        """Let parameters and averages change places; nothing is copied, so no lack of memory can stop it half-way."""
        for name, average in self._average.items():
            parameter = self._parameters[name]
            parameter.data, average.data = average.data, parameter.data

    def tensors(self) -> dict[str, Tensor]:
        """The state by name: optimiser/PARAMETER/KEY and average/PARAMETER."""
        moments = {
            f"optimiser/{name}/{key}": value
            for name, parameter in self._parameters.items()
            for key, value in self._owners[name].state.get(parameter, {}).items()
        }
        return moments | {f"average/{name}": value for name, value in self._average.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load a state that `tensors` returned.

        Raises:
            KeyError: if a tensor belongs to no parameter, or one is missing.
            ValueError: if a tensor is not one of this optimiser: the fused step would walk beyond its end.
        """
        given: dict[str, set[str]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition("/")
            if kind != "optimiser":
                continue
            parameter, _, key = rest.rpartition("/")
            owner, weights = self._owners[parameter], self._parameters[parameter].detach()
            check_like(name, value, weights.new_zeros((), dtype=torch.float32) if key == "step" else weights)
            if key in NEVER_NEGATIVE and (value < 0).any():
                raise ValueError(f"{name} is negative")
            given.setdefault(parameter, set()).add(key)
            # The fused step needs a moment to have the memory layout of its parameter.
            like = value.to(weights.device) if key == "step" else weights
            owner.state[self._parameters[parameter]][key] = torch.empty_like(like).copy_(value)
        for parameter, keys in given.items():
            if keys != KEYS[type(self._owners[parameter])]:
                raise KeyError(f"the optimiser's state of {parameter} is {sorted(keys)}")
        for name, average in self._average.items():
            check_like(f"average/{name}", tensors[f"average/{name}"], average)
            average.copy_(tensors[f"average/{name}"])


def for_muon(name: str, parameter: Tensor) -> bool:
    """Whether Muon may train a parameter of this name: a matrix or a kernel of a block, or a kernel before blocks."""
    return not {"blocks", "enter"}.isdisjoint(name.split(".")) and parameter.dim() >= 2


def _adamw(
    parameters: list[nn.Parameter], rate: float, decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and kernels only."""
    matrices, vectors = [p for p in parameters if p.dim() >= 2], [p for p in parameters if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, betas=betas, fused=True)
