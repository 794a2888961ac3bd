"""A world small enough to learn in seconds, on which models are trained with its labels to test the evaluations.

Models of a line are trained in a file of the line (`toy_perception.py`, ...), when a test first asks for one.

A square or a cross moves as the actions tell it; where it stops at a wall it chirps, upwards the one, downwards the
other, and the brighter the room, the higher. Place, colour and pitch do not give the shape away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sensorium.artifacts import digest, write_manifest
from sensorium.config import PlayroomConfig, Section, canonical_json
from sensorium.data.recording import KIND, RecordingSet, write_shard
from sensorium.data.sample_formats import FULL_SCALE, LARGEST_SAMPLE, WHITE, to_images, to_sounds

if TYPE_CHECKING:
    from toy_generation import ToyGeneration
    from toy_perception import ToyPerception

SIZE, FRAMES, RATE, SAMPLES = 16, 32, 16000, 1000
RECORDINGS = 60
SPLITS = ["training"] * 36 + ["validation"] * 4 + ["test"] * 20
SHAPES = (np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool))
ENCODER_SHAPES = {"size": SIZE}
SOUND_SHAPES = {"sample_rate": RATE, "samples_per_frame": SAMPLES}


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
        "video": np.round(WHITE * video).astype(np.uint8),
        "audio": np.round(LARGEST_SAMPLE * sound).clip(-FULL_SCALE, LARGEST_SAMPLE).astype(np.int16).reshape(-1),
        "action": action,
        "body": rng.normal(size=(FRAMES, 2)).astype(np.float32),
        "reward": state[:, 0] / SIZE,
        "truth.vision_label": np.full(FRAMES, kind, np.int64),
        "truth.audio_label": labels,
        "truth.state": state,
        "truth.position": ((state[:, None, :2] + 1.5) / SIZE).astype(np.float32),
        "truth.velocity": (state[:, None, 2:4] * (16 / SIZE)).astype(np.float32),
        "truth.size": np.array([1.7 / SIZE], np.float32),
    }


DETAILS = {
    "frames_per_second": 16,
    "sample_rate": RATE,
    "samples_per_frame": SAMPLES,
    "size": SIZE,
    "action": {"kind": "continuous", "size": 2},
    "body": 2,
    "quarantine": [],
    "source": "toy",
    "licence": "MIT",
    "labels": {
        "vision": {"name": "shape", "classes": ["square", "cross"]},
        "audio": {"name": "chirp", "classes": ["down", "up"]},
    },
    "state_names": ["shape_x", "shape_y", "shape_vx", "shape_vy", "light"],
}


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
    )
    return folder / "manifest.json"


def write_model(
    folder: Path, model: nn.Module, kind: str, section: Section, shapes: dict[str, Any], **inputs: Path
) -> Path:
    """An exported model with its manifest, whose path is returned."""
    folder.mkdir(parents=True)
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    write_manifest(
        folder,
        kind=kind,
        section_json=canonical_json(section),
        inputs=digests(inputs),
        files={"model": folder / "model.safetensors"},
        details={"shapes": shapes},
    )
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
    """Manifests of recordings and of trained models under a folder.

    Attributes:
        data: manifest of the recordings.
        recordings: the recordings by name.
        training: those of the training split.
        images, sounds, actions, body, truth: of the training split, stacked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = {f"toy-{number:03d}": recording(number) for number in range(RECORDINGS)}
        self.data = write_recordings(
            folder / "data", self.recordings, PlayroomConfig(recordings=RECORDINGS, size=SIZE, frames=FRAMES)
        )
        self.training = [self.recordings[name] for name in RecordingSet.open(self.data).names("training")]
        stacked = {field: torch.from_numpy(np.stack([r[field] for r in self.training])) for field in self.training[0]}
        self.images = to_images(stacked["video"])  # [R, T, 3, H, W]
        self.sounds = to_sounds(stacked["audio"])
        self.truth = {field: stacked[f"truth.{field}"] for field in ("vision_label", "audio_label", "state")}
        self.actions, self.body = stacked["action"], stacked["body"]

    @cached_property
    def perception(self) -> ToyPerception:
        """Encoders and fusion; trained now, without a trace in the random numbers of the test that asks."""
        from toy_perception import ToyPerception

        with torch.random.fork_rng():
            return ToyPerception(self)

    @cached_property
    def generation(self) -> ToyGeneration:
        """Tokenizer, latents and dynamics; likewise."""
        from toy_generation import ToyGeneration

        with torch.random.fork_rng():
            return ToyGeneration(self)

    @property
    def vision(self) -> Path:
        """Manifest of the vision encoder."""
        return self.perception.vision

    @property
    def audio(self) -> Path:
        """Manifest of the audio encoder."""
        return self.perception.audio

    @property
    def fusion(self) -> Path:
        """Manifest of the fusion."""
        return self.perception.fusion

    @property
    def tokenizer(self) -> Path:
        """Manifest of the video tokenizer."""
        return self.generation.tokenizer

    @property
    def latents(self) -> Path:
        """Manifest of the encoded video."""
        return self.generation.latents

    @property
    def dynamics(self) -> Path:
        """Manifest of the dynamics."""
        return self.generation.dynamics

    def rows(self, rng: np.random.Generator, count: int, frames: int) -> tuple[Tensor, Tensor]:
        """Random recordings [count, 1] and the frames of a random window of each [count, frames]."""
        start = rng.integers(0, FRAMES - frames + 1, count)
        picked = rng.integers(0, len(self.training), count)
        return torch.from_numpy(picked)[:, None], torch.from_numpy(start)[:, None] + torch.arange(frames)
