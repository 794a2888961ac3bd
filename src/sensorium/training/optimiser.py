"""AdamW, Muon and the average of the weights. A checkpoint stores their state as tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sensorium.config import ConfigurationError, Training
from sensorium.schedules import average_decay, learning_rate
from sensorium.training.checkpoint import check_like
from sensorium.training.muon import Muon

# The state of each parameter
KEYS = {torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"}, Muon: {"momentum_buffer"}}
NEVER_NEGATIVE = {"step", "exp_avg_sq"}


class Optimiser:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with weight decay on matrices and kernels only.

    With `training.muon` the matrices and kernels of blocks are trained by Muon (Jordan et al. 2024, "Muon: an optimizer
    for hidden layers in neural networks"). All singular values of its updates are about equal, so directions that are
    rare in the gradient are learned too. Its updates are scaled to the root mean square of AdamW's (Liu et al. 2025,
    arXiv:2502.16982, section 2.2), times `training.muon`.

    With `training.ema` it keeps an exponential average of the weights, which is evaluated and exported.

    Raises:
        ConfigurationError: if Muon is requested for a model without transformer blocks.
    """

    def __init__(self, learner: nn.Module, training: Training) -> None:
        self._training = training
        self._parameters = {name: p for name, p in learner.named_parameters() if p.requires_grad}
        hidden = {name: p for name, p in self._parameters.items() if training.muon and for_muon(name, p)}
        if training.muon and not hidden:
            raise ConfigurationError(f"training.muon is {training.muon}: there are no transformer blocks; set it to 0")
        others = [p for name, p in self._parameters.items() if name not in hidden]
        matrices, vectors = [p for p in others if p.dim() >= 2], [p for p in others if p.dim() < 2]
        groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW([group for group in groups if group["params"]], lr=training.lr, fused=True)
        self._rates: dict[torch.optim.Optimizer, float] = {adamw: 1.0}  # in units of the learning rate
        self._owners: dict[str, torch.optim.Optimizer] = dict.fromkeys(self._parameters, adamw)
        if hidden:
            decay = training.weight_decay
            muon = Muon(hidden.values(), training.lr, decay)
            self._rates[muon] = training.muon
            self._owners |= dict.fromkeys(hidden, muon)
        self._average: dict[str, Tensor] = {}
        if training.ema:
            self._average = {name: p.detach().clone() for name, p in self._parameters.items()}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return list(self._parameters.values())

    def norm(self) -> Tensor:
        """Norm of the gradient of all parameters, a scalar."""
        return torch.nn.utils.get_total_norm([p.grad for p in self._parameters.values() if p.grad is not None])

    def update(self, step: int, norm: Tensor) -> float:
        """Clip the gradients, given their norm, and make step number `step`; return its learning rate."""
        training = self._training
        rate = learning_rate(
            step, steps=training.steps, warmup=training.warmup, peak=training.lr, final=training.final_lr
        )
        torch.nn.utils.clip_grads_with_norm_(self.parameters, training.clip, norm)
        for optimiser, factor in self._rates.items():
            for group in optimiser.param_groups:
                group["lr"] = factor * rate
            optimiser.step()
        if self._average:
            weights = [p.detach() for p in self._parameters.values()]
            torch._foreach_lerp_(list(self._average.values()), weights, 1 - average_decay(step, training.ema))
        return rate

    def clear(self) -> None:
        """Delete all gradients."""
        for optimiser in self._rates:
            optimiser.zero_grad(set_to_none=True)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A context in which the learner has the averaged weights, if an average is kept."""
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
