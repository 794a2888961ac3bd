"""The toy world under somebody's hand, and a clone and an agent for it that were trained with the right answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from toy_generation import DYNAMICS, TOKENIZER
from toy_world import DETAILS, FRAMES, SAMPLES, SIZE, ToyWorld, fit, picture, write_model

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.cloning_learner import CloningLearner
from sensorium.agent.config import CloningConfig, ImaginationConfig
from sensorium.data.environment import Observation
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import WHITE
from sensorium.data.windows import Windows
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.randomness import Draw

CLONING, IMAGINATION = CloningConfig(distances=2), ImaginationConfig()


class ToyEnvironment:
    """The world of `toy_world.recording`; what is earned is how far to the right the shape is."""

    def reset(self, number: int) -> Observation:
        """A new scene."""
        self._rng, self._frame = np.random.default_rng(number), 0
        self._kind, self._place = number % 2, self._rng.uniform(1, SIZE - 5, 2)
        light = self._rng.uniform()
        self._paper, self._ink = 0.1 + 0.3 * light + self._rng.uniform(0, 0.1, 3), self._rng.uniform(0.6, 1.0, 3)
        return self._observe()

    def step(self, action: np.ndarray) -> Observation:
        """Move the shape."""
        self._frame += 1
        self._place = np.clip(self._place + 2.5 * np.asarray(action), 1, SIZE - 4)
        return self._observe()

    def rest(self) -> np.ndarray:
        """No move."""
        return np.zeros(2, np.float32)

    def habit(self) -> np.ndarray:
        """Some move."""
        return self._rng.uniform(-1, 1, 2).astype(np.float32)

    def expert(self) -> np.ndarray:
        """To the right."""
        return np.array([1, 0], np.float32)

    def _observe(self) -> Observation:
        frame = np.round(WHITE * picture(self._place, self._kind, self._paper, self._ink)).astype(np.uint8)
        sound, body = np.zeros(SAMPLES, np.int16), np.zeros(2, np.float32)
        return Observation(frame, sound, body, float(self._place[0] / SIZE), self._frame == FRAMES)


def add_agent(world: ToyWorld, folder: Path) -> None:
    """Manifests of a clone (trained by its own learner) and of an agent that goes right more often, in `world`."""
    torch.manual_seed(0)
    shapes = {
        "video": 4,
        "grid": True,
        "audio": 0,
        "channels": TOKENIZER.channels,
        "action": DETAILS["action"],
    }
    shapes = {"dynamics": {"config": DYNAMICS.model_dump(mode="json"), "shapes": shapes}}
    agent = Agent(CLONING, shapes)
    agent.dynamics.load_state_dict(load(Dynamics, world.dynamics).state_dict())
    learner = CloningLearner(agent, CLONING, DYNAMICS, load(VideoTokenizer, world.tokenizer))
    latents, frames = RecordingSet.open(world.latents), DYNAMICS.long_frames + CLONING.distances
    windows = Windows(latents, "training", ("latent", "action", "reward"), frames, scene="latent")
    rng = np.random.default_rng(0)

    def loss(step: int) -> torch.Tensor:
        batch = windows.batch(rng.integers(0, len(windows), 16), rng.integers(0, 2**31, 16).tolist())
        return learner(batch, Draw(0, step, 0, 16, 16, torch.device("cpu")))[0]

    fit([agent], 200, loss)
    world.clone = write_model(
        folder / "clone", agent, "clone", CLONING, shapes, latents=world.latents, tokenizer=world.tokenizer
    )
    actor_shapes = {"dim": DYNAMICS.dim, "distances": CLONING.distances, "action": DETAILS["action"]}
    actor = Actor(IMAGINATION, actor_shapes)
    actor.policy.load_state_dict(agent.policy.state_dict())
    with torch.no_grad():
        actor.policy.distances[0].bias[agent.code.bins - 1] += 3.0  # the right-most command
    world.agent = write_model(
        folder / "agent", actor, "agent", IMAGINATION, actor_shapes, latents=world.latents, clone=world.clone
    )
