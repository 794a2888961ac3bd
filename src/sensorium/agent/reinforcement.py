"""The equations of learning to act: returns of imagined rewards, and a policy loss on the sign of advantages.

After Dreamer 4 (Hafner et al. 2025, arXiv:2509.24527), equations 10 and 11. Layouts: B rollouts, H imagined frames.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lambda_returns(rewards: Tensor, values: Tensor, continuation: Tensor, discount: float, mixing: float) -> Tensor:
    """Lambda-returns of states 0 to H - 1 (Sutton and Barto 2018, section 12.8), computed recursively.

        R_t = r_{t+1} + discount c_{t+1} ((1 - mixing) v_{t+1} + mixing R_{t+1}),    R_H = v_H

    A reward belongs to the state in which it is received, so the value in the bracket is that of the next state.
    (Dreamer 4 prints v_t there; a state's return would then depend on its own value instead of the next one's.)

    Args:
        rewards: [B, H], of states 1 to H.
        values: [B, H + 1], of states 0 to H.
        continuation: [B, H], probability that the episode continues from states 1 to H.
        discount: of one frame, in [0, 1].
        mixing: lambda; 0: one reward and the next value; 1: all rewards and the last value.

    Returns:
        [B, H].
    """
    following, returns = values[:, -1], []
    for step in reversed(range(rewards.shape[1])):
        mixed = (1 - mixing) * values[:, step + 1] + mixing * following
        following = rewards[:, step] + discount * continuation[:, step] * mixed
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


def preference_loss(
    log_chance: Tensor, advantage: Tensor, divergence: Tensor, balance: float, prior_weight: float
) -> Tensor:
    """PMPO (Abdolmaleki et al. 2024; Dreamer 4, eq. 11): raises good actions and lowers bad ones, by sign alone.

        L = (1 - balance) mean_{A < 0} ln pi(a) - balance mean_{A >= 0} ln pi(a) + prior_weight mean KL[pi || prior]

    Each mean is over its own set, so neither the scale of rewards nor the share of good actions matters. An empty set
    contributes nothing.

    Args:
        log_chance: ln pi(a | s) of the actions taken, any shape.
        advantage: return minus value, same shape; only its sign matters.
        divergence: KL of the policy from the frozen prior, same shape.
        balance: weight of the good actions, in [0, 1].
        prior_weight: weight of the prior.

    Returns:
        a scalar.
    """
    good = advantage >= 0
    loss = (1 - balance) * _mean_where(log_chance, ~good) - balance * _mean_where(log_chance, good)
    return loss + prior_weight * divergence.mean()


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp_min(1)
