"""The parts of a dream, from their artifacts: recordings to begin with, the dynamics, tokenizers that show it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import MANIFEST, ArtifactError, digest, read_manifest
from sensorium.config import ConfigurationError
from sensorium.data.recording import KIND, RecordingSet
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.body_sense import to_tokens
from sensorium.generation.dream_config import ControlConfig, RolloutConfig
from sensorium.generation.dream_environment import Beginning
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.observations import ObservationDecoder
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.interactive.actions import Action
from sensorium.models.kernels import lay_by_columns
from sensorium.models.parts import Parts
from sensorium.training.execution import Execution

RESULTS = Path("results")
SHARPEST = 100  # of a dream: the weights of copies to that power are 0 or 1


@dataclass(frozen=True)
class DreamParts:
    """Recordings and the models that were trained on them, ready to dream.

    Attributes:
        recordings: what the models were trained on.
        latents: their encoded video.
        sound: their encoded sound; None if the dynamics predict no sound.
        dynamics: what dreams.
        tokenizer: what shows it.
        hearing: what plays it; None if the dynamics predict no sound.
        device: where the models are.
    """

    recordings: RecordingSet
    latents: RecordingSet
    sound: RecordingSet | None
    dynamics: Dynamics
    tokenizer: VideoTokenizer
    hearing: AudioTokenizer | None
    device: torch.device

    @classmethod
    def open(cls, args: argparse.Namespace) -> DreamParts:
        """From parsed arguments (`add_arguments`).

        Raises:
            ArtifactError: if something is missing, changed, or was not made from the other things.
        """
        execution = Execution(device=args.device, threads=args.threads, compile="on" if args.compile else "off")
        device = execution.prepare()
        given = {
            "latents/video": args.latents,
            "data": args.data or recordings_of(args.latents),
            "tokenizers/video": args.tokenizer,
            "dynamics": args.dynamics,
            "latents/audio": args.sound,
            "tokenizers/audio": args.sound_tokenizer,
        }
        parts = Parts(given, device)
        latents, recordings = parts.recordings("latents/video"), parts.recordings()
        tokenizer, dynamics = parts.load(VideoTokenizer), parts.load(Dynamics)
        sound, hearing = None, None
        if "audio" in dynamics.streams:
            sound, hearing = parts.recordings("latents/audio"), parts.load(AudioTokenizer)
        if device.type == "cpu":
            lay_by_columns(dynamics)
        execution.compile_modules([dynamics], device)
        return cls(recordings, latents, sound, dynamics, tokenizer, hearing, device)

    @property
    def action(self) -> Action | None:
        """The kind and size of actions; None in recordings without actions."""
        return self.latents.details["action"]

    @property
    def rates(self) -> tuple[int, int]:
        """Frames a second and samples a second (0 if the dynamics predict no sound)."""
        details = self.recordings.details
        return int(details["frames_per_second"]), int(details["sample_rate"]) if self.hearing else 0

    def names(self) -> list[str]:
        """Recordings to begin with: those of the test split, which no model was trained on."""
        return self.latents.names("test")

    def begin(self, name: str, frames: int) -> Beginning:
        """The first frames of a recording of any split.

        Raises:
            ConfigurationError: if there is no such recording, or it is too short.
        """
        names = [entry["name"] for entry in self.latents.details["recordings"]]
        if name not in names:
            raise ConfigurationError(
                f"recording {name!r}: there is none of that name in {self.recordings.manifest}; "
                f"it has {names[0]} to {names[-1]}, for example {self.names()[0]} (test)"
            )
        length = self.latents.frames(name)
        if frames > length:
            raise ConfigurationError(f"--context {frames}: recording {name} has {length} frames")
        actions = None
        if self.action is not None:
            actions = torch.from_numpy(self.latents.field(name, "action")[None, :frames].copy()).to(self.device)
        streams = [latents.field(name, "latent")[None, :frames] for latents in (self.latents, self.sound) if latents]
        tokens = torch.from_numpy(np.concatenate(streams, axis=2)).float()
        if self.dynamics.body:
            felt = torch.from_numpy(self.recordings.field(name, "body")[None, :frames].copy())
            tokens = torch.cat([tokens, to_tokens(felt, tokens.shape[-1])], dim=2)
        sound = None
        if self.hearing is not None:
            sound = self.recordings.field(name, "audio")[: frames * self.hearing.samples_per_frame]
        return Beginning(
            name=name,
            tokens=tokens.to(self.device),
            actions=actions,
            pictures=self.recordings.field(name, "video")[:frames],
            sound=sound,
        )

    def decoder(self) -> ObservationDecoder:
        """Shows the tokens of a dream."""
        std = self.dynamics.split(self.dynamics.deviation)["video"]
        return ObservationDecoder(self.tokenizer, std, self.hearing, self.dynamics.body)


def recordings_of(latents: Path) -> Path:
    """Manifest of the recordings that latents were made from, among the results.

    Raises:
        ArtifactError: if it is not there.
    """
    wanted = read_manifest(latents, KIND)["inputs"].get("data")
    for manifest in sorted((RESULTS / "data").glob(f"*/{MANIFEST}")):
        if digest(manifest) == wanted:
            return manifest
    raise ArtifactError(f"{RESULTS / 'data'}: the recordings of {latents} are not there; name them with --data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `dream` and `play` share."""
    add = parser.add_argument_group("artifacts").add_argument
    for name, folder, purpose in (
        ("dynamics", "dynamics", "what dreams"),
        ("tokenizer", "tokenizers/video", "what shows it"),
        ("latents", "latents/video", "encoded video"),
        ("sound", "latents/audio", "encoded sound, for dynamics that dream it"),
        ("sound-tokenizer", "tokenizers/audio", "what plays it"),
    ):
        add(
            f"--{name}",
            type=Path,
            default=RESULTS / folder / MANIFEST,
            metavar="MANIFEST",
            help=f"{purpose} (%(default)s)",
        )
    add("--data", type=Path, metavar="MANIFEST", help="recordings; default: those of the latents, below results/data")
    default = RolloutConfig()
    add = parser.add_argument_group("dream").add_argument
    add("--context", type=positive, default=default.context, metavar="N", help="true frames before (%(default)s)")
    add(
        "--denoising-steps",
        type=int,
        choices=(1, 2, 4, 8, 16, 32, 64),
        default=default.denoising_steps,
        metavar="K",
        help="Euler steps a frame, a power of two up to 64 (%(default)s)",
    )
    add(
        "--stillness",
        type=_not_negative,
        default=default.stillness,
        metavar="X",
        help="video tokens that change by less than X usual changes stay (%(default)s)",
    )
    add(
        "--sharpness",
        type=_sharpness,
        default=ControlConfig().sharpness,
        metavar="X",
        help="of dynamics that copy: 1 the mean of what may come, 4 about one of it (%(default)s)",
    )
    add("--seed", type=int, default=0, help="of all random numbers (%(default)s)")
    add = parser.add_argument_group("execution").add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: CUDA where there is one")
    add("--threads", type=int, default=0, help="CPU threads; 0: as torch chooses")
    add("--compile", action="store_true", help="frames come sooner, the first one a minute or more later")


def positive(text: str) -> int:
    """A whole number above zero, of the command line."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def _sharpness(text: str) -> float:
    value = float(text)
    if not 0 < value <= SHARPEST:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, {SHARPEST}]")
    return value


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the dream among parsed arguments, as `dream_environment` expects them."""
    return {name: getattr(args, name) for name in ("context", "denoising_steps", "stillness", "sharpness", "seed")}
