"""What evaluations of dreams share: true beginnings, dreams that go on from them, and the tokenizer that shows both.

Layouts: n windows, T frames, N tokens a frame, C numbers a token. Everything that dreams or decodes goes through
`Studio`, so a new stream of tokens, or another tokenizer, is a change in one place.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.config import DreamConfig, DynamicsConfig, VideoTokenizerConfig
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool, arguments, check_pedigree, images, load_judged
from sensorium.evaluation.poison import POISONS, Frozen, Mean, with_shuffled_block
from sensorium.models.dream import Dreamer, FrameDreamer, dream_frames
from sensorium.models.dynamics import Dynamics
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.randomness import stable_seed

INPUTS = ("data", "latents", "tokenizer", "dynamics")


def dream_arguments(name: str, description: str | None) -> argparse.ArgumentParser:
    """The arguments of an evaluation of dreams."""
    parser = arguments(name, description, INPUTS, "the dynamics")
    parser.add_argument(
        "--poison", choices=POISONS,
        help="negative control: judge the dynamics with one block's weights shuffled, or dreams of a frozen frame, "
        "or of the mean frame; every metric should be worse",
    )  # fmt: skip
    parser.add_argument("--sound", type=Path, nargs="?", metavar="MANIFEST", help="manifest of the encoded sound")
    return parser


@dataclass(frozen=True)
class Takes:
    """Windows of recordings, with their tokens.

    Attributes:
        groups: name of each one's recording, [n].
        start: its first frame, int64 [n].
        truth: float32 [n, T, 3, H, W] in [0, 1].
        tokens: float32 [n, T, N, C], video first, then sound, where the dynamics dream it.
        actions: [n, T, ...], action[t] led to frame t; None in a world that nobody steers.
        audio: int16 [n, T * samples_per_frame], or None in silent recordings.
    """

    groups: np.ndarray
    start: np.ndarray
    truth: np.ndarray
    tokens: np.ndarray
    actions: np.ndarray | None
    audio: np.ndarray | None

    def some(self, rows: np.ndarray) -> Takes:
        """Some of the windows."""
        parts: dict[str, Any] = {name: None if value is None else value[rows] for name, value in vars(self).items()}
        return Takes(**parts)


class Studio:
    """Where dreams are made and shown.

    Args:
        args: parsed arguments of `dream_arguments`.
        config: of the evaluation.

    Raises:
        ArtifactError: if the manifests do not belong together.
    """

    def __init__(self, args: argparse.Namespace, config: DreamConfig) -> None:
        check_pedigree(args.latents, data=args.data, tokenizer=args.tokenizer)
        sound = {} if args.sound is None else {"sound": args.sound}
        check_pedigree(args.dynamics, latents=args.latents, **sound)
        self.bench, self.config = Bench.prepare(args), config
        self.recordings = RecordingSet.open(args.data)
        self._streams = [RecordingSet.open(path) for path in (args.latents, *sound.values())]
        self.inputs = {name: getattr(args, name) for name in INPUTS} | sound
        self._args = args
        self._tokenizer = load_judged(
            VideoTokenizer, VideoTokenizerConfig, args.tokenizer, "tokenizer_video", None, self.bench
        )
        self._dynamics: dict[int | None, Dynamics] = {}

    def takes(self, frames: int, count: int, rng: np.random.Generator, split: Split = "test") -> Takes:
        """Up to `count` windows, spread evenly over the recordings of a split.

        Raises:
            ArtifactError: if the latents are not those of the recordings.
        """
        steered, heard = self.recordings.has("action"), self.recordings.has("audio")
        fields = ("video", *(("audio",) if heard else ()), *(("action",) if steered else ()))
        pool = WindowPool(self.recordings, split, fields, frames)
        streams = [WindowPool(stream, split, ("latent",), frames) for stream in self._streams]
        for stream in streams:
            if not (np.array_equal(pool.recording, stream.recording) and np.array_equal(pool.start, stream.start)):
                raise ArtifactError(
                    f"{stream.recordings.manifest}: not the recordings of {self.recordings.manifest}; "
                    "delete it and run the same command again"
                )
        picked = pool.draw(np.ones(len(pool), bool), count, rng)
        batch = pool.windows.batch(picked)
        return Takes(
            groups=pool.recording[picked],
            start=pool.start[picked],
            truth=images(batch["video"]).numpy(),
            tokens=np.concatenate(
                [stream.windows.batch(picked)["latent"].float().numpy() for stream in streams], axis=2
            ),
            actions=batch["action"].numpy() if steered else None,
            audio=batch["audio"].numpy() if heard else None,
        )

    def latent(self, name: str) -> np.ndarray:
        """Video tokens of a whole recording, [T, N, C]."""
        return self._streams[0].field(name, "latent")

    def mean_tokens(self) -> np.ndarray:
        """Tokens of the mean training frame, float32 [N, C]."""
        return self._judged(None).mean.cpu().numpy()

    @property
    def past(self) -> int:
        """Frames before a frame that its picture depends on."""
        return self._tokenizer.past

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures float [n, T, 3, H, W] -> tokens [n, T, N, C]."""
        return self.bench.map(self._tokenizer.encode, pictures)

    def pictures(self, tokens: np.ndarray, first: int = 0) -> np.ndarray:
        """What tokens [n, T, N, C] show from frame `first` on, float32 [n, T - first, 3, H, W] in [0, 1]."""
        known, tokens = min(first, self.past), tokens[:, :, : self._tokenizer.tokens]  # video comes first
        return self.bench.map(
            lambda clips: self._tokenizer.decode(clips)[:, known:].clamp(0, 1), tokens[:, first - known :]
        )

    def through(self, pictures: np.ndarray, first: int) -> np.ndarray:
        """Pictures [n, T, 3, H, W] as the tokenizer shows them, from frame `first` on."""
        return self.pictures(self.encode(pictures), first)

    def show(self, takes: Takes, dreamed: np.ndarray) -> np.ndarray:
        """What dreamed tokens [n, horizon, N, C] show after the context of their windows."""
        given = self.config.context
        return self.pictures(np.concatenate([takes.tokens[:, :given], dreamed], 1), given)

    def dreamer(self, number: int = 0, steps: int | None = None, untrained: bool = False) -> FrameDreamer:
        """What dreams: the judged one, whatever the arguments made of it, or an untrained one as a floor.

        Args:
            number: dreams of other numbers have other noise; equal ones the same, whatever is done in them.
            steps: denoising steps; None: as the section says.
            untrained: fresh weights of a seed of the floors.
        """
        if not untrained and self._args.poison == "frozen":
            return Frozen()
        dynamics = self._untrained if untrained else self._judged(self._args.untrained_seed)
        if not untrained and self._args.poison == "mean":
            return Mean(dynamics.mean)
        if not untrained and self._args.poison == "block":
            dynamics = with_shuffled_block(dynamics)
        return Dreamer(
            dynamics, denoising_steps=steps or self.config.denoising_steps, context_noise=self.config.context_noise,
            stillness=self.config.stillness, seed=stable_seed(self.config.seed, "dream", number),
        )  # fmt: skip

    def _judged(self, seed: int | None) -> Dynamics:
        """The dynamics as trained, or with fresh weights of a seed."""
        if seed not in self._dynamics:
            self._dynamics[seed] = load_judged(
                Dynamics, DynamicsConfig, self._args.dynamics, "dynamics", seed, self.bench
            )
        return self._dynamics[seed]

    @cached_property
    def _untrained(self) -> Dynamics:
        """Fresh weights without the blocks, whose output a last layer of zeros ignores: the same dreams, far sooner."""
        dynamics = load_judged(Dynamics, DynamicsConfig, self._args.dynamics, "dynamics", FLOOR_SEEDS[0], self.bench)
        dynamics.blocks, dynamics.over_time = nn.ModuleList(), []
        return dynamics

    def dream(
        self,
        takes: Takes,
        horizon: int,
        actions: np.ndarray | None,
        *,
        number: int = 0,
        steps: int | None = None,
        untrained: bool = False,
    ) -> np.ndarray:
        """Tokens of `horizon` frames after the context of each window, float32 [n, horizon, N, C].

        Args:
            takes: the windows; the context is as long as the section says.
            horizon: frames to dream.
            actions: [n, context + horizon, ...]; None to dream without.
            number, steps, untrained: as for `dreamer`.
        """

        def imagine(context: Tensor, moves: Tensor | None) -> Tensor:
            return torch.cat(list(dream_frames(self.dreamer(number, steps, untrained), context, moves, horizon)), dim=1)

        return self.bench.map(imagine, takes.tokens[:, : self.config.context], actions)


def strangers(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each window one of another recording, int64 [n]."""
    return np.array([rng.choice(np.flatnonzero(groups != group)) for group in groups])


def with_actions_of(takes: Takes, others: np.ndarray, given: int) -> np.ndarray:
    """The actions of each window up to its context's end, then those of window others[i]."""
    if takes.actions is None:
        raise ValueError("these recordings have no actions to exchange")
    changed = takes.actions.copy()
    changed[:, given:] = takes.actions[others, given:]
    return changed
