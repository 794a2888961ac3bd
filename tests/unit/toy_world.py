"""A world small enough to learn in seconds, and models of it trained with its labels: what evaluations are tested on.

A square or a cross moves as the actions tell it; where it stops at a wall it chirps, upwards the one, downwards the
other, and the brighter the room, the higher. Place, colour and pitch do not give the shape away.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.artifacts import digest, write_manifest
from sensorium.config import (
    AudioEncoderConfig,
    DynamicsConfig,
    FusionConfig,
    LatentsConfig,
    PlayroomConfig,
    Section,
    VideoTokenizerConfig,
    VisionEncoderConfig,
    canonical_json,
)  # fmt: skip
from sensorium.data.recording import KIND, RecordingSet, write_shard
from sensorium.models.dynamics import FINEST, Conditioning, Dynamics
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.models.fusion import Fusion
from sensorium.models.tokenizers import VideoTokenizer, to_images

SIZE, FRAMES, RATE, SAMPLES = 16, 32, 16000, 1000
RECORDINGS = 60
SPLITS = ["training"] * 36 + ["validation"] * 4 + ["test"] * 20
SHAPES = (np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool))
AUDIO = AudioEncoderConfig(width=8, dim=16, mels=24, frames=4)
VISION = VisionEncoderConfig(width=8, dim=32)
TOKENIZER = VideoTokenizerConfig(width=16, channels=16)
FUSION = FusionConfig(dim=32, layers=1, heads=2, frames=8)
DYNAMICS = DynamicsConfig(dim=64, layers=2, time_every=2, heads=2, key_heads=1, window=8, long_frames=8)
ENCODER_SHAPES = {"size": SIZE}
SOUND_SHAPES = {"sample_rate": RATE, "samples_per_frame": SAMPLES}
FUSION_SHAPES = {"vision": 256, "audio": 16, "body": 2}


def picture(place: np.ndarray, kind: int, paper: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """The shape at its place, float [SIZE, SIZE, 3] in [0, 1]."""
    drawn = np.broadcast_to(paper, (SIZE, SIZE, 3)).copy()
    x, y = np.round(place).astype(int)
    drawn[y : y + 3, x : x + 3][SHAPES[kind]] = ink
    return drawn


def recording(number: int, actions: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """One recording of the world, or what would have been recorded under other actions."""
    rng = np.random.default_rng(number)
    kind = number % 2
    place, last = rng.uniform(1, SIZE - 5, 2), np.zeros(2)
    heading = rng.uniform(-1, 1, 2)
    light = rng.uniform()
    paper, ink = 0.1 + 0.3 * light + rng.uniform(0, 0.1, 3), rng.uniform(0.6, 1.0, 3)
    video, sound = np.empty((FRAMES, SIZE, SIZE, 3)), rng.normal(0, 1e-3, (FRAMES, SAMPLES))
    action, state = np.empty((FRAMES, 2), np.float32), np.empty((FRAMES, 5), np.float32)
    labels = np.full(FRAMES, -1, np.int64)
    time = np.arange(SAMPLES) / RATE
    for frame in range(FRAMES):
        if rng.random() < 0.3:
            heading = rng.uniform(-1, 1, 2)
        heading = heading.astype(np.float32) if actions is None else actions[frame]
        wanted = place + 2.5 * heading
        new = np.clip(wanted, 1, SIZE - 4)
        if np.any(new != wanted) and np.all(last == 0):
            slope = (1 if kind else -1) * rng.uniform(15000, 25000)
            pitch = 1500 + 3500 * light + rng.uniform(-800, 800)
            sound[frame] += 0.3 * np.sin(2 * np.pi * (pitch * time + 0.5 * slope * (time - time[-1] / 2) ** 2))
            labels[frame] = kind
        last = (new != wanted).astype(float)
        action[frame], state[frame] = heading, [*new, *(new - place), light]
        place = new
        video[frame] = picture(place, kind, paper, ink)
    return {
        "video": np.round(255 * video).astype(np.uint8),
        "audio": np.round(32767 * sound).clip(-32768, 32767).astype(np.int16).reshape(-1),
        "action": action,
        "body": rng.normal(size=(FRAMES, 2)).astype(np.float32),
        "reward": state[:, 0] / SIZE,
        "truth.vision_label": np.full(FRAMES, kind, np.int64),
        "truth.audio_label": labels,
        "truth.state": state,
    }


DETAILS = {
    "frames_per_second": 16, "sample_rate": RATE, "samples_per_frame": SAMPLES, "size": SIZE,
    "action": {"kind": "continuous", "size": 2}, "body": 2, "quarantine": [], "source": "toy", "licence": "MIT",
    "labels": {
        "vision": {"name": "shape", "classes": ["square", "cross"]},
        "audio": {"name": "chirp", "classes": ["down", "up"]},
    },
    "state_names": ["shape_x", "shape_y", "shape_vx", "shape_vy", "light"],
}  # fmt: skip


def digests(inputs: dict[str, Path]) -> dict[str, str]:
    """Digest of each input manifest."""
    return {name: digest(path) for name, path in inputs.items()}


def write_recordings(
    folder: Path, recordings: dict[str, dict[str, np.ndarray]], section: Section, **inputs: str
) -> Path:
    """A set of recordings with its manifest, whose path is returned."""
    shard = folder / "shard-0000.safetensors"
    write_shard(shard, recordings)
    entries = [
        {"name": name, "number": number, "shard": "shard-0000", "split": split, "frames": FRAMES}
        for number, (name, split) in enumerate(zip(recordings, SPLITS, strict=True))
    ]
    details, files = {**DETAILS, "recordings": entries}, {"shard-0000": shard}
    write_manifest(
        folder, kind=KIND, section_json=canonical_json(section), inputs=digests(inputs), files=files, details=details
    )  # fmt: skip
    return folder / "manifest.json"


def write_model(
    folder: Path, model: nn.Module, kind: str, section: Section, shapes: dict[str, Any], **inputs: Path
) -> Path:
    """An exported model with its manifest, whose path is returned."""
    folder.mkdir(parents=True)
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    write_manifest(
        folder, kind=kind, section_json=canonical_json(section), inputs=digests(inputs),
        files={"model": folder / "model.safetensors"}, details={"shapes": shapes},
    )  # fmt: skip
    return folder / "manifest.json"


def fit(modules: list[nn.Module], steps: int, loss: Callable[[int], Tensor], lr: float = 3e-3) -> None:
    """Minimise loss(step) over the parameters of modules."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps + 1)
    for step in range(steps):
        optimiser.zero_grad()
        loss(step).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
    for module in modules:
        module.eval().requires_grad_(False)


class ToyWorld:
    """Manifests of recordings, latents and trained models under a folder."""

    def __init__(self, folder: Path) -> None:
        self._seed(0)
        names = [f"toy-{number:03d}" for number in range(RECORDINGS)]
        recordings = {name: recording(number) for number, name in enumerate(names)}
        self.data = write_recordings(
            folder / "data", recordings, PlayroomConfig(recordings=RECORDINGS, size=SIZE, frames=FRAMES)
        )
        self.training = [recordings[name] for name in RecordingSet.open(self.data).names("training")]
        stacked = {field: torch.from_numpy(np.stack([r[field] for r in self.training])) for field in self.training[0]}
        self.images = to_images(stacked["video"])  # [R, T, 3, H, W]
        self.sounds = stacked["audio"].float() / 32768
        self.truth = {field: stacked[f"truth.{field}"] for field in ("vision_label", "audio_label", "state")}
        self.actions, self.body = stacked["action"], stacked["body"]
        self.vision = write_model(folder / "vision", self._vision(), "encoder_vision", VISION, ENCODER_SHAPES)
        self.audio = write_model(folder / "audio", self._audio(), "encoder_audio", AUDIO, SOUND_SHAPES)
        self.fusion = write_model(
            folder / "fusion", self._fusion(), "fusion", FUSION, FUSION_SHAPES, vision=self.vision, audio=self.audio
        )
        self.tokenizer = write_model(
            folder / "tokenizer", self._tokenizer(), "tokenizer_video", TOKENIZER, ENCODER_SHAPES
        )
        with torch.no_grad():
            latents = {
                name: {
                    "latent": self.video_tokenizer.encode(to_images(torch.from_numpy(r["video"]))).half().numpy(),
                    "action": r["action"],
                    "reward": r["reward"],
                }
                for name, r in recordings.items()
            }
        self.latents = write_recordings(
            folder / "latents", latents, LatentsConfig(), data=self.data, tokenizer=self.tokenizer
        )
        self.tokens = torch.from_numpy(
            np.stack([latents[name]["latent"] for name in names[: len(self.training)]])
        ).float()
        shapes = {
            "video": 4, "grid": True, "audio": 0, "channels": TOKENIZER.channels, "action": DETAILS["action"]
        }  # fmt: skip
        self.dynamics = write_model(
            folder / "dynamics", self._dynamics(shapes), "dynamics", DYNAMICS, shapes, latents=self.latents
        )

    def _seed(self, part: int) -> None:
        """Draws that do not depend on how many were taken before."""
        torch.manual_seed(part)
        self.rng = np.random.default_rng(part)

    def _rows(self, count: int, frames: int) -> tuple[Tensor, Tensor]:
        """Random recordings [count, 1] and the frames of a random window of each [count, frames]."""
        start = self.rng.integers(0, FRAMES - frames + 1, count)
        picked = self.rng.integers(0, len(self.training), count)
        return torch.from_numpy(picked)[:, None], torch.from_numpy(start)[:, None] + torch.arange(frames)

    def _vision(self) -> nn.Module:
        self.encoder = VisionEncoder(VISION, ENCODER_SHAPES)
        head = nn.Linear(VISION.dim, 5)

        def loss(step: int) -> Tensor:
            rows, times = self._rows(64, 1)
            answer = head(self.encoder(self.images[rows, times][:, 0]))
            kind = F.cross_entropy(answer[:, :2], self.truth["vision_label"][rows, times][:, 0])
            place_and_light = self.truth["state"][rows, times][:, 0, [0, 1, 4]] / torch.tensor([8, 8, 0.5]) - 1
            return kind + 4 * F.mse_loss(answer[:, 2:], place_and_light)

        fit([self.encoder, head], 250, loss)
        return self.encoder

    def _audio(self) -> nn.Module:
        self.listener = AudioEncoder(AUDIO, SOUND_SHAPES)
        head = nn.Linear(AUDIO.dim, 4)

        def loss(step: int) -> Tensor:
            rows = torch.from_numpy(self.rng.integers(0, len(self.training), 4))
            answer, label = head(self.listener(self.sounds[rows])), self.truth["audio_label"][rows]
            light = (answer[..., 3] - self.truth["state"][rows, :, 4])[label >= 0]
            return F.cross_entropy(answer[..., :3].flatten(0, 1), label.flatten() + 1) + 4 * light.square().mean()

        fit([self.listener, head], 300, loss)
        return self.listener

    def _fusion(self) -> nn.Module:
        fusion, head = Fusion(FUSION, FUSION_SHAPES), nn.Linear(FUSION.dim, 4)
        with torch.no_grad():
            seen = self.encoder.grid(self.images.flatten(0, 1)).unflatten(0, self.images.shape[:2])
            heard = self.listener(self.sounds)
        for sense, values in (("vision", seen), ("audio", heard), ("body", self.body)):
            flat = values.flatten(0, 1)
            fusion.calibrate(sense, flat.mean(0), flat.T.cov())
        wanted = self.truth["state"][:, :, :4]
        wanted = (wanted - wanted.mean((0, 1))) / wanted.std((0, 1))

        def loss(step: int) -> Tensor:
            rows, times = self._rows(64, FUSION.frames)
            state = head(fusion(seen[rows, times], heard[rows, times], self.body[rows, times]))
            scores = fusion.image_embedding(seen[rows, times]) @ fusion.sound_embedding(heard[rows, times]).T / 0.2
            same = torch.arange(64)
            contrast = F.cross_entropy(scores, same) + F.cross_entropy(scores.T, same)
            return F.mse_loss(state, wanted[rows, times]) + contrast

        fit([fusion, head], 200, loss)
        return fusion

    def _tokenizer(self) -> nn.Module:
        self._seed(4)
        self.video_tokenizer = VideoTokenizer(TOKENIZER, ENCODER_SHAPES)

        def loss(step: int) -> Tensor:
            rows, times = self._rows(48, 1)
            pictures = self.images[rows, times][:, 0]
            return F.mse_loss(self.video_tokenizer(pictures)[0], pictures)

        fit([self.video_tokenizer], 1200, loss, lr=5e-3)
        return self.video_tokenizer

    def _dynamics(self, shapes: dict[str, Any]) -> nn.Module:
        self._seed(5)
        dynamics = Dynamics(DYNAMICS, shapes)
        flat = self.tokens.flatten(0, 2)
        dynamics.mean.copy_(flat.mean(0))
        dynamics.deviation.copy_(flat.std(0))
        clean = dynamics.standardise(self.tokens)

        def loss(step: int) -> Tensor:
            rows, times = self._rows(32, DYNAMICS.frames)
            target = clean[rows, times]
            kind, level = torch.rand(2, 32, DYNAMICS.frames)  # half of the frames nearly clean, most others noise
            tau = torch.where(kind < 0.5, 0.8 + 0.2 * level, torch.where(kind < 0.8, 0.0, 0.95 * level))
            noise = torch.randn(target.shape)
            noised = tau[..., None, None] * target + (1 - tau[..., None, None]) * noise
            given = Conditioning(tau, torch.full_like(tau, FINEST), self.actions[rows, times])
            # No scene: with it the model would know so few recordings by heart.
            return F.mse_loss(dynamics.denoise(noised, given).tokens, target)

        fit([dynamics], 2600, loss, lr=4e-3)
        return dynamics
