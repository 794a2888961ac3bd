"""Settings of the agent, which learns to act first from recordings, then from its own dreams."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config import Depth, FileSource, PlainTraining, Section, Training
from sensorium.generation.config import GenerationSettings


class CloningConfig(Section):
    """Behaviour cloning: agent tokens in the dynamics predict recorded actions and rewards."""

    distances: Depth = Field(8, ge=1, description="frames ahead for which actions and rewards are predicted")
    action_weight: float = Field(
        1.0, gt=0, description="weight of the action loss relative to the loss of the dynamics"
    )
    reward_weight: float = Field(
        1.0, gt=0, description="weight of the reward loss relative to the loss of the dynamics"
    )
    training: Training = Training(steps=800, batch=8, lr=1e-3, ema=0.99)


class ImaginationConfig(Section):
    """Policy and value, trained in dreams; the cloned policy is the frozen prior."""

    context: int = Field(6, ge=1, description="recorded frames before a dream begins")
    horizon: int = Field(12, ge=2, description="dreamed frames")
    denoising_steps: int = Field(2, ge=1, description="Euler steps for each dreamed frame: 1, 2, 4, ... 64")
    context_noise: float = Field(
        0.1, ge=0, lt=1, description="share of noise mixed into the frames that the dynamics see"
    )
    discount: float = Field(0.95, gt=0, le=1, description="discount factor of rewards, for each frame")
    mixing: float = Field(
        0.95, ge=0, le=1, description="lambda of the returns; 1: all dreamed rewards, 0: one reward, then the value"
    )
    balance: float = Field(
        0.5, ge=0, le=1, description="weight of actions with a positive advantage; the others get 1 - balance"
    )
    prior_weight: float = Field(0.3, ge=0, description="weight of the KL divergence from the cloned policy")
    training: PlainTraining = Training(steps=300, batch=64, lr=1e-3, weight_decay=0.0)

    @model_validator(mode="after")
    def _steps_halve(self) -> ImaginationConfig:
        if 64 % self.denoising_steps:
            raise ValueError(f"denoising_steps is {self.denoising_steps}: it must be a power of two, 64 at most")
        return self


class AgentConfig(Section):
    """The agent: cloned from recordings, then trained in dreams."""

    cloning: CloningConfig = CloningConfig()
    imagination: ImaginationConfig = ImaginationConfig()


class AgentReturnConfig(Section):
    """Returns of policies in the real environment, in scenes that no recording shows."""

    episodes: int = Field(64, ge=8, description="episodes for each policy; all policies play the same ones")
    rooms: int = Field(
        16, ge=1, description="training recordings in whose scenes the best constant action is chosen, at most"
    )
    windows: int = Field(256, ge=20, description="windows from test recordings whose rewards are predicted")
    context_noise: float = Field(
        0.1, ge=0, lt=1, description="share of noise mixed into the frames that the agent sees"
    )
    seed: int = Field(0, ge=0, description="seed of scenes, of sampled actions and of the bootstrap")


class AgentEvaluations(Section):
    """Evaluations of the agent."""

    agent_return: AgentReturnConfig = AgentReturnConfig()


class AgentSettings(GenerationSettings):
    """The section of the agent, and its requirements on the world and on the dynamics."""

    agent: AgentConfig = AgentConfig()

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        return [*super().evaluations_on(), *(["agent_return"] if self.lines.agent else [])]

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        return [*super().trained(), *(["clone", "agent"] if self.lines.agent else [])]

    def windows(self) -> dict[str, int]:
        """Frames that each setting requires of a recording."""
        if not self.lines.agent:
            return super().windows()
        return super().windows() | {
            "dynamics.long_frames + agent.cloning.distances": self.dynamics.long_frames + self.agent.cloning.distances,
            "agent.imagination.context": self.agent.imagination.context,
        }

    @model_validator(mode="after")
    def _agent_can_learn(self) -> AgentSettings:
        if self.lines.agent and isinstance(self.data, FileSource):
            raise ValueError(
                f"lines.agent is on, and data.source is {self.data.source}: agents play in their world, and nobody can "
                "play in files; set it to false"
            )
        if self.lines.agent and not self.data.has_rewards():
            raise ValueError("lines.agent is on, but the recordings have no rewards: set data.task, or record a game")
        if self.lines.agent and self.dreamed_body:
            raise ValueError(
                "lines.agent is on, and dynamics.fine.body is true: agents do not feel in their dreams yet; "
                "set one of them to false"
            )
        return self
