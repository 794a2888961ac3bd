"""Sizes of the agent by arithmetic: numbers of its networks, and bytes that its programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.agent.config import AgentSettings
from sensorium.config.counts import FLOAT, Counts, linear, recorded, vectors
from sensorium.generation.sizes import dynamics, frame_tokens

_ACTION_BINS, _REWARD_BINS = 11, 255


def head(dim: int, distances: int, outputs: int) -> Counts:
    """`Head`."""
    total = vectors(dim) + linear(dim, 2 * dim)
    for _ in range(distances):
        total += linear(2 * dim, outputs)
    return total


def policy(settings: AgentSettings) -> Counts:
    """`Policy`."""
    action = recorded(settings.data).action or {"kind": "continuous", "size": 0}
    outputs = action["size"] * (_ACTION_BINS if action["kind"] == "continuous" else 1)
    return head(settings.dynamics.dim, settings.agent.cloning.distances, outputs)


def models(settings: AgentSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    dim, distances = settings.dynamics.dim, settings.agent.cloning.distances
    clone = dynamics(settings) + vectors(dim) + policy(settings) + head(dim, distances, _REWARD_BINS)
    if settings.data.has_ends():
        clone += head(dim, distances, 1)
    return {"clone": clone, "agent": policy(settings) + head(dim, 1, _REWARD_BINS)}


def learners(settings: AgentSettings) -> dict[str, Counts]:
    """Folder of each trained model -> numbers of its learner: those of the model, and running scales of the losses."""
    known = models(settings)
    terms = 4 if settings.data.has_ends() else 3
    return {"clone": known["clone"] + Counts(buffers=2 * terms), "agent": known["agent"]}


def held(settings: AgentSettings) -> dict[str, int]:
    """Rule -> bytes that it holds on the host beyond its own state: frozen networks, and windows."""
    token = FLOAT * sum(frame_tokens(settings).values()) * settings.tokenizers.video.channels
    cloning, imagination, known = settings.agent.cloning, settings.agent.imagination, models(settings)
    frames = settings.dynamics.long_frames + cloning.distances
    return {
        "train_clone": dynamics(settings).model() + 4 * cloning.training.batch * frames * token,
        "train_agent": known["clone"].model() + 4 * imagination.training.batch * imagination.context * token,
        "agent_return": 2 * known["clone"].model(),
    }
