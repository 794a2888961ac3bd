"""Elastic weight consolidation: a network keeps the weights that its earlier tasks need.

Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks" (2017), equation 3:
loss = loss of the new task + weight / 2 * sum_i F_i (theta_i - theta*_i)^2 for each earlier task, with the diagonal of
the Fisher information F. F is taken sample by sample, with labels drawn from the network's own distribution: the
square of a batch's mean gradient is something else, and with the labels of the data all gradients vanish once the task
is learned.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap


class DeadFisherError(ArithmeticError):
    """A Fisher information that protects nothing; the message names its largest entry."""


def fisher(network: nn.Module, inputs: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Diagonal of the Fisher information of a classifier, a tensor for each parameter.

    Args:
        network: from [B, D] to logits [B, C].
        inputs: [B, D] of the task to protect.
        generator: of the labels that are drawn from the network's own distribution.

    Raises:
        DeadFisherError: if it is zero or not finite: the network is certain of all its predictions.
    """
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    with torch.no_grad():
        chances = functional_call(network, weights, inputs).softmax(-1)
    labels = torch.multinomial(chances, 1, generator=generator)[:, 0]

    def loss(weights: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, weights, x[None]), label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, labels)
    found = {name: gradient.square().mean(0) for name, gradient in gradients.items()}
    largest = max(float(value.max()) for value in found.values())
    if not 1e-12 < largest < float("inf"):
        raise DeadFisherError(
            f"the largest entry of the Fisher information is {largest:g}: it protects nothing; stop training earlier"
        )
    return found


class Consolidation:
    """Weights after each earlier task, and the importance of each weight."""

    def __init__(self) -> None:
        self._anchors: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def remember(self, network: nn.Module, importance: dict[str, Tensor]) -> None:
        """Protect the present weights of a network, each by its importance."""
        place = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        self._anchors.append((place, importance))

    def penalty(self, network: nn.Module) -> Tensor:
        """Half the weighted squared distance to all remembered weights; 0 before the first task."""
        total = torch.zeros(())
        for place, importance in self._anchors:
            for name, parameter in network.named_parameters():
                total = total + (importance[name] * (parameter - place[name]).square()).sum()
        return total / 2
