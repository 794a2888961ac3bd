"""Tokenizer, latents and dynamics of the toy world."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy_store import shared
from toy_world import DETAILS, ENCODER_SHAPES, ToyWorld, fit, write_model, write_recordings

from sensorium.config import LatentsConfig
from sensorium.data.sample_formats import to_images
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import DynamicsConfig, FineConfig, RefinerConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer

PARTS = ("tokenizer", "latents", "dynamics")
TOKENIZER = VideoTokenizerConfig(width=16, channels=16)
DYNAMICS = DynamicsConfig(dim=64, layers=2, time_every=2, heads=2, key_heads=1, window=8, long_frames=8)
FINE_ROWS, FINE_FRAMES = 6, 8
NO_REFINER = RefinerConfig()


class ToyGeneration:
    """Manifests: tokenizer, latents, dynamics."""

    def __init__(self, world: ToyWorld) -> None:
        self.world = world
        self.tokenizer, self.latents, self.dynamics = (world.folder / part / "manifest.json" for part in PARTS)
        shared((__name__, "toy_world"), PARTS, world.folder, self._train)

    def _train(self) -> None:
        world, folder = self.world, self.world.folder
        tokenizer = self._tokenizer()
        write_model(folder / "tokenizer", tokenizer, "tokenizer_video", TOKENIZER, ENCODER_SHAPES)
        with torch.no_grad():
            latents = {
                name: {
                    "latent": tokenizer.encode(to_images(torch.from_numpy(r["video"]))).half().numpy(),
                    "action": r["action"],
                    "reward": r["reward"],
                }
                for name, r in world.recordings.items()
            }
        write_recordings(folder / "latents", latents, LatentsConfig(), data=world.data, tokenizer=self.tokenizer)
        training = list(latents)[: len(world.training)]
        self.tokens = torch.from_numpy(np.stack([latents[name]["latent"] for name in training])).float()
        shapes = {"video": 4, "grid": True, "audio": 0, "channels": TOKENIZER.channels, "action": DETAILS["action"]}
        write_model(
            folder / "dynamics",
            self._dynamics(shapes),
            "dynamics",
            DYNAMICS,
            shapes,
            latents=self.latents,
            tokenizer=self.tokenizer,
        )

    def _seed(self, part: int) -> None:
        """Draws that do not depend on how many were taken before."""
        torch.manual_seed(part)
        self.rng = np.random.default_rng(part)

    def _tokenizer(self) -> VideoTokenizer:
        self._seed(4)
        tokenizer = VideoTokenizer(TOKENIZER, ENCODER_SHAPES)

        def loss(step: int) -> Tensor:
            rows, times = self.world.rows(self.rng, 32, 1)
            pictures = self.world.images[rows, times][:, 0]
            return F.mse_loss(tokenizer(pictures)[0], pictures)

        fit([tokenizer], 600, loss, lr=5e-3)
        return tokenizer

    def _dynamics(self, shapes: dict[str, Any]) -> nn.Module:
        self._seed(5)
        dynamics = Dynamics(DYNAMICS, shapes)
        flat = self.tokens.flatten(0, 2)
        dynamics.mean.copy_(flat.mean(0))
        dynamics.deviation.copy_(flat.std(0))
        clean = dynamics.standardise(self.tokens)

        def loss(step: int) -> Tensor:
            rows, times = self.world.rows(self.rng, 32, DYNAMICS.frames)
            target = clean[rows, times]
            kind, level = torch.rand(2, 32, DYNAMICS.frames)  # half of the frames nearly clean, most others noise
            tau = torch.where(kind < 0.5, 0.8 + 0.2 * level, torch.where(kind < 0.8, 0.0, 0.95 * level))
            noise = torch.randn(target.shape)
            noised = tau[..., None, None] * target + (1 - tau[..., None, None]) * noise
            given = Conditioning(tau, torch.full_like(tau, FINEST), self.world.actions[rows, times])
            # No scene: with it the model would know so few recordings by heart.
            return F.mse_loss(dynamics.denoise(noised, given).tokens, target)

        fit([dynamics], 1400, loss, lr=4e-3)
        return dynamics


def awake(model: nn.Module) -> nn.Module:
    """With weights in the layers that start at zero, which would hide all differences."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.2)
    return model.eval()


def fine_dynamics(
    crops: float, body: int = 0, refiner: RefinerConfig = NO_REFINER, flag: int = 0
) -> tuple[DynamicsLearner, dict[str, Tensor]]:
    """Untrained dynamics with a path of the video tokens' own, and a batch.

    Args:
        crops: share of the steps on crops: 1, or 0 for steps after dreams.
        body: numbers of a body sense that they dream.
        refiner: of a second pass.
        flag: channel of the onset flag of sound tokens whose onsets are drawn; 0: none is.
    """
    fine = FineConfig(
        width=8, blocks=2, pool=2, reach=1, crop=2, crops=crops, body=body > 0, refiner=refiner, onsets=flag > 0
    )
    config = DynamicsConfig(
        dim=32, heads=2, key_heads=1, layers=2, time_every=2, registers=1, frames=8, long_frames=8, window=6,
        bootstrap=0.5, dreamed=0.6, images=0.3, path="fine", fine=fine,
    )  # fmt: skip
    action = {"kind": "continuous", "size": 2}
    shapes = {"video": 16, "grid": True, "audio": 2, "channels": 12, "pixels": 2, "action": action, "body": body}
    shapes["flag"] = flag
    patches = VideoTokenizer(VideoTokenizerConfig(kind="patches", channels=12), {"size": 8})
    model = Dynamics(config, shapes)
    model.describe_pixels(patches.network.colour, patches.network.mean)
    batch = {
        "latent": torch.randn(FINE_ROWS, FINE_FRAMES, 16, 12).half(),
        "sound": torch.randn(FINE_ROWS, FINE_FRAMES, 2, 12).half(),
        "scene": torch.randn(FINE_ROWS, 16, 12).half(),
        "action": torch.rand(FINE_ROWS, FINE_FRAMES, 2) * 2 - 1,
    }
    if body:
        batch["body"] = torch.randn(FINE_ROWS, FINE_FRAMES, body)
    if flag:
        batch["sound"][..., flag] = (batch["sound"][..., :1, flag] > 0).half()
        batch["sound"][..., flag + 1 :] = 0
    return DynamicsLearner(model, config, patches), batch
