"""Losses of a model and of a critic that is trained against it.

One backward pass serves both players. The model's loss goes through the critic with detached weights, and the critic's
loss takes the made samples detached, so each gradient is that of a backward pass of its own. To the trainer it is one
loss like any other: micro-batches, ranks, skipped steps and exact resume hold for it, too. Whether a player makes a
step is a function of the step, decided by the optimiser: a gradient that is missing on one rank is zero on several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from sensorium.config.critic import RivalryConfig
from sensorium.models.critics import Critic, Opinion
from sensorium.models.precision import in_float32
from sensorium.schedules import ramp
from sensorium.training.learner import Gate, Metrics

LEAST_ACCURACY, LEAST_ERROR = 0.55, 0.05  # of a critic that neither sleeps nor wins
Scores = Sequence[Tensor]  # [B, ...] each
Loss = Callable[[Tensor, Tensor], Tensor]
Combine = Callable[[Tensor, Callable[[Tensor], Mapping[str, Tensor]]], tuple[Tensor, Metrics]]


class Objective(NamedTuple):
    """Losses of scores of real and of made samples, element by element.

    Attributes:
        critic: its loss.
        model: the model's loss, of its made samples' scores and the real ones'.
        middle: score between the two kinds; None: a real sample is compared with the made one of its row.
    """

    critic: Loss
    model: Loss
    middle: float | None


# Least squares: Mao et al. 2017, arXiv:1611.04076, equation 9; hinge: Lim and Ye 2017, arXiv:1705.02894;
# relativistic: Huang et al. 2024, arXiv:2501.05441.
OBJECTIVES = {
    "least_squares": Objective(
        lambda real, made: (real - 1).square() + made.square(), lambda made, real: (made - 1).square(), 0.5
    ),
    "hinge": Objective(lambda real, made: F.relu(1 - real) + F.relu(1 + made), lambda made, real: -made, 0.0),
    "relativistic": Objective(
        lambda real, made: F.softplus(made - real), lambda made, real: F.softplus(real - made), None
    ),
}


class Hearing(NamedTuple):
    """What a critic says before the model is judged.

    Attributes:
        loss: the critic's, float32 [B]; its gradient reaches the critic alone.
        real, made: shares of real and of made samples that the critic takes for what they are, without a gradient.
        truth: the critic's opinion of the real samples, without a gradient.
    """

    loss: Tensor
    real: Tensor
    made: Tensor
    truth: Opinion


def hear(critic: Critic, real: Tensor, made: Tensor, objective: str) -> Hearing:
    """Let a critic tell real samples from made ones, [B, ...] each."""
    losses = OBJECTIVES[objective]
    seen, tried = critic(real.detach()), critic(made.detach())
    truth = Opinion(*(tuple(part.detach() for part in parts) for parts in seen))
    right = accuracies(truth.scores, [score.detach() for score in tried.scores], losses.middle)
    return Hearing(_mean(losses.critic, seen.scores, tried.scores), *right, truth)


def model_losses(critic: Critic, made: Tensor, truth: Opinion, objective: str) -> dict[str, Tensor]:
    """The model's losses by name, float32 [B] each, whose gradient reaches the made samples alone.

    adversarial: what the critic says of them. feature_matching: the distance of its features to those of real samples.
    """
    weights = {name: weight.detach() for name, weight in critic.named_parameters()}
    judged: Opinion = functional_call(critic, weights, (made,))
    adversarial = _mean(OBJECTIVES[objective].model, judged.scores, truth.scores)
    matching = feature_distance(judged.features, truth.features) if truth.features else torch.zeros_like(adversarial)
    return {"adversarial": adversarial, "feature_matching": matching}


def _mean(loss: Loss, first: Scores, second: Scores) -> Tensor:
    """Of each row: the mean over the parts of a critic, each of them over its scores."""
    pairs = zip(first, second, strict=True)
    return torch.stack([in_float32(loss)(*pair).flatten(1).mean(1) for pair in pairs]).mean(0)


@in_float32
def _relative_distance(made: Tensor, real: Tensor) -> Tensor:
    """L1 distance of features [B, ...], in units of the real ones' mean size in their own row: [B]."""
    rows = tuple(range(1, real.dim()))  # a mean over the batch would change with the micro-batch
    return (made - real).abs().mean(rows) / (real.abs().mean(rows) + 1e-4)


def feature_distance(made: Scores, real: Scores) -> Tensor:
    """Feature matching (Kumar et al. 2019, arXiv:1910.06711): mean over layers of their distances, [B]."""
    return torch.stack([_relative_distance(one, other) for one, other in zip(made, real, strict=True)]).mean(0)


def accuracies(real: Scores, made: Scores, middle: float | None) -> tuple[Tensor, Tensor]:
    """Shares of the scores of real and of made samples that lie on their side; mean over the parts of a critic."""
    if middle is None:
        right = torch.stack([(one > other).float().mean() for one, other in zip(real, made, strict=True)]).mean()
        return right, right
    above = torch.stack([(scores > middle).float().mean() for scores in real]).mean()
    below = torch.stack([(scores < middle).float().mean() for scores in made]).mean()
    return above, below


def squared_slope(critic: Critic, samples: Tensor) -> Tensor:
    """Mean over rows of the squared norm of the gradient of the mean score, a scalar whose gradient reaches the critic.

    At real samples it is R1, at made ones R2 (Mescheder et al. 2018, arXiv:1801.04406, equations 9 and 10). It is
    differentiated twice, so it is computed in float32 and outside of autocast; validation has no gradients, and this
    makes its own.
    """
    device = samples.device.type
    with torch.enable_grad(), torch.autocast(device, enabled=False):
        samples = samples.detach().float().requires_grad_()
        total = torch.stack([score.flatten(1).mean(1).sum() for score in critic(samples).scores]).mean()
        (slope,) = torch.autograd.grad(total, samples, create_graph=True)
        return slope.square().flatten(1).sum(1).mean()


def slopes(critic: Critic, real: Tensor, made: Tensor, config: RivalryConfig, step: int) -> Tensor | None:
    """The loss of the critic's slope at real and at made samples, a scalar, in the steps in which it is taken."""
    if not config.penalty or step % config.penalty_every:
        return None
    slope = squared_slope(critic, real) + squared_slope(critic, made)
    return config.penalty / 2 * config.penalty_every * slope


def attention(config: RivalryConfig, step: int | None) -> float:
    """How much the model listens to the critic at a step, 0 to 1; None: at a validation, where it listens in full."""
    return 1.0 if step is None else ramp(step, config.start, config.ramp)


def rivalry(
    critic: Critic,
    real: Tensor,
    made: Tensor,
    config: RivalryConfig,
    step: int | None,
    combine: Combine | None = None,
) -> tuple[Tensor, Metrics]:
    """What a critic adds to the loss of a learner, a scalar, and its metrics.

    Args:
        critic: one of the learner's rivals.
        real: samples [B, ...].
        made: by the model, with their graph, as many.
        config: of both players.
        step: decides how much the model listens, and whether the slope is taken; None: at a validation.
        combine: makes one loss of the model's, as `GradientShares.combine`; without it they are weighted and added.
    """
    heard = hear(critic, real, made, config.objective)
    weights = {"adversarial": config.weight, "feature_matching": config.matching}
    judge = partial(model_losses, critic, truth=heard.truth, objective=config.objective)
    if combine is None:
        metrics = {name: value.mean() for name, value in judge(made).items()}
        model = torch.stack([weight * metrics[name] for name, weight in weights.items()]).sum()
    else:
        model, metrics = combine(made, judge)
        model = sum(weights.values()) * model
    loss = attention(config, step) * model + heard.loss.mean()
    metrics |= {"critic_loss": heard.loss.mean(), "critic_real": heard.real, "critic_made": heard.made}
    slope = None if step is None else slopes(critic, real, made, config, step)
    if slope is not None:
        loss, metrics["critic_slope"] = loss + slope, slope
    return loss, {name: value.detach() for name, value in metrics.items()}


def critic_gates(heard: Hearing) -> list[Gate]:
    """The critic must neither sleep nor win: of either the model learns nothing."""
    accuracy = float(heard.real + heard.made) / 2
    return [
        Gate(
            "critic_accuracy",
            accuracy,
            LEAST_ACCURACY,
            "a critic that learns faster: raise training.critic.lr, or lower training.critic.every or start",
        ),
        Gate(
            "critic_error",
            1 - accuracy,
            LEAST_ERROR,
            "a critic that learns more slowly: lower training.critic.lr, raise training.critic.every, or raise the "
            "critic's penalty",
        ),
    ]
