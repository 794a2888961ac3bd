"""What evaluations of dreams share: true beginnings, dreams that go on from them, and the tokenizer that shows both.

Layouts: n windows, T frames, N tokens a frame (video, sound, body sense), C numbers a token. Everything that dreams or
decodes goes through `Studio`, so a new stream of tokens, or another tokenizer, is a change in one place.
"""

from __future__ import annotations

import argparse
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import Split
from sensorium.data.sample_formats import to_images
from sensorium.evaluation.baselines.pictures import mean_picture
from sensorium.evaluation.contract import DATA, Input
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool
from sensorium.evaluation.sample import Sample
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.body_sense import to_tokens
from sensorium.generation.dream import Dreamer, FrameDreamer, dream_frames
from sensorium.generation.dream_config import DreamConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.evaluation.poison import POISONS, Frozen, Mean, with_finest_steps, with_shuffled_block
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.progress import track
from sensorium.randomness import stable_seed

INPUTS = (
    DATA,
    Input("latents", "latents/video"),
    Input("tokenizer", "tokenizers/video"),
    Input("dynamics", "dynamics"),
    Input("sound", "latents/audio", required=False, help="manifest of the encoded sound"),
)


def add_poison(parser: argparse.ArgumentParser) -> None:
    """The negative controls that are harder than an untrained network."""
    meaning = (
        "negative control: judge the dynamics with one block's weights shuffled, or dreams of a frozen frame, "
        "or of the mean picture: every metric should be worse; finest: every step is taken for the finest, "
        "which the metrics of few steps must notice"
    )
    parser.add_argument("--poison", choices=POISONS, help=meaning)


def true_pictures(sample: Sample, first: int = 0, last: int | None = None) -> np.ndarray:
    """Recorded frames `first` to `last` of windows, float32 [n, frames, 3, H, W] in [0, 1]."""
    return to_images(torch.from_numpy(sample["video"][:, first:last])).numpy()


def without_blocks(dynamics: Dynamics) -> Dynamics:
    """Untrained dynamics without the blocks, whose output last layers of zeros ignore: the same dreams, far sooner."""
    dynamics.blocks, dynamics.over_time = nn.ModuleList(), []
    if (fine := dynamics.fine) is not None:
        fine.blocks = nn.ModuleList()
        if fine.refiner is not None:
            fine.refiner.blocks = nn.ModuleList()
    return dynamics


class Studio:
    """Where dreams are made and shown.

    Args:
        bench: with the parts of `INPUTS`, and the argument of `add_poison`.
        config: of the evaluation.
    """

    def __init__(self, bench: Bench, config: DreamConfig) -> None:
        self.bench, self.config = bench, config
        self.recordings = bench.parts.recordings()
        places = [place for place in ("latents/video", "latents/audio") if place in bench.parts]
        self._streams = [bench.parts.recordings(place) for place in places]
        self._tokenizer = bench.parts.load(VideoTokenizer)

    def sample(self, frames: int, count: int, rng: np.random.Generator, split: Split = "test") -> Sample:
        """Up to `count` windows, spread evenly over the recordings of a split.

        Their fields:
            video: uint8 [n, T, H, W, 3], a quarter of the memory of pictures (`true_pictures`).
            tokens: float32 [n, T, N, C], video first, then sound and body sense, where the dynamics dream them.
            action: [n, T, ...], action[t] led to frame t; absent in a world that nobody steers.
            audio: int16 [n, T * samples_per_frame]; absent in silent recordings.

        Raises:
            ArtifactError: if the latents are not those of the recordings.
        """
        body = self.bench.parts.load(Dynamics).body
        known = [field for field in ("audio", "action") if self.recordings.has(field)]
        fields = ("video", *known, *(["body"] if body else []))
        pool = WindowPool(self.recordings, split, fields, frames)
        streams = [WindowPool(stream, split, ("latent",), frames) for stream in self._streams]
        for stream in streams:
            if not (np.array_equal(pool.recording, stream.recording) and np.array_equal(pool.start, stream.start)):
                raise ArtifactError(
                    f"{stream.recordings.manifest}: not the recordings of {self.recordings.manifest}; "
                    "delete it and run the same command again"
                )
        picked = pool.draw(np.ones(len(pool), bool), count, rng)
        drawn = pool.rows(picked)
        latents = [stream.windows.batch(picked)["latent"].float().numpy() for stream in streams]
        if body:
            felt = to_tokens(torch.from_numpy(drawn["body"]), latents[0].shape[-1])
            latents.append(felt.numpy())
        shown = {field: drawn[field] for field in ("video", *known)}
        return pool.places(picked).having(tokens=np.concatenate(latents, axis=2), **shown)

    def latent(self, name: str) -> np.ndarray:
        """Video tokens of a whole recording, [T, N, C]."""
        return self._streams[0].field(name, "latent")

    @cached_property
    def mean_picture(self) -> np.ndarray:
        """Mean training picture, float32 [3, H, W] in [0, 1]."""
        return mean_picture(self.recordings)

    @cached_property
    def _mean_tokens(self) -> Tensor:
        """Tokens of the mean training picture, and mean tokens of sound, [N, C]."""
        tokens = self.bench.parts.load(Dynamics).mean.clone()
        tokens[: self._tokenizer.tokens] = torch.from_numpy(self.encode(self.mean_picture[None, None])[0, 0])
        return tokens

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

    def sounds(self, tokens: np.ndarray) -> np.ndarray:
        """What tokens [n, T, N, C] of video and sound sound like, float32 [n, T * samples_per_frame] in [-1, 1]."""
        decode, first = self._sound_tokenizer.decode, self._tokenizer.tokens
        heard = tokens[:, :, first : first + self._sound_tokenizer.tokens]
        return self.bench.map(lambda clips: decode(clips).clamp(-1, 1), heard)

    def felt(self, tokens: np.ndarray) -> np.ndarray | None:
        """The body sense in tokens [n, T, N, C], float32 [n, T, P]; None if the dynamics do not dream it."""
        dynamics = self.bench.parts.load(Dynamics)
        if not dynamics.body:
            return None
        own = tokens[:, :, -dynamics.streams["body"] :]
        return own.reshape(*own.shape[:2], -1)[..., : dynamics.body]

    def through(self, pictures: np.ndarray, first: int) -> np.ndarray:
        """Pictures [n, T, 3, H, W] as the tokenizer shows them, from frame `first` on."""
        return self.pictures(self.encode(pictures), first)

    def show(self, sample: Sample, dreamed: np.ndarray) -> np.ndarray:
        """What dreamed tokens [n, horizon, N, C] show after the context of their windows."""
        given = self.config.context
        return self.pictures(np.concatenate([sample["tokens"][:, :given], dreamed], 1), given)

    def dreamer(self, number: int = 0, steps: int | None = None, untrained: bool = False) -> FrameDreamer:
        """What dreams: the judged one, whatever the arguments made of it, or an untrained one as a floor.

        Args:
            number: dreams of other numbers have other noise; equal ones the same, whatever is done in them.
            steps: denoising steps; None: as the section says.
            untrained: fresh weights of a seed of the floors.
        """
        poison = None if untrained else self.bench.args.poison
        if poison == "frozen":
            return Frozen()
        dynamics = self._untrained if untrained else self._judged
        if poison == "mean":
            return Mean(self._mean_tokens)
        if poison == "block":
            dynamics = with_shuffled_block(dynamics)
        if poison == "finest":
            dynamics = with_finest_steps(dynamics)
        return Dreamer(
            dynamics,
            denoising_steps=steps or self.config.denoising_steps,
            context_noise=self.config.context_noise,
            stillness=self.config.stillness,
            sharpness=self.config.sharpness,
            seed=stable_seed(self.config.seed, "dream", number),
        )

    @cached_property
    def _sound_tokenizer(self) -> AudioTokenizer:
        """Given to evaluations that listen."""
        return self.bench.parts.load(AudioTokenizer)

    @cached_property
    def _judged(self) -> Dynamics:
        """The dynamics as trained, or with the fresh weights that the arguments ask for."""
        return self.bench.parts.load(Dynamics, self.bench.untrained_seed)

    @cached_property
    def _untrained(self) -> Dynamics:
        """Fresh weights, as a floor."""
        return without_blocks(self.bench.parts.load(Dynamics, FLOOR_SEEDS[0]))

    def dream(
        self,
        sample: Sample,
        horizon: int,
        actions: np.ndarray | None,
        *,
        number: int = 0,
        steps: int | None = None,
        untrained: bool = False,
    ) -> np.ndarray:
        """Tokens of `horizon` frames after the context of each window, float32 [n, horizon, N, C].

        Args:
            sample: the windows; the context is as long as the section says.
            horizon: frames to dream.
            actions: [n, context + horizon, ...]; None to dream without.
            number, steps, untrained: as for `dreamer`.
        """
        given = self.config.context

        def imagine(context: Tensor, moves: Tensor | None) -> Tensor:
            frames = dream_frames(self.dreamer(number, steps, untrained), context, moves, horizon)
            return torch.cat(list(track(frames, "frames dreamed", horizon)), dim=1)

        return self.bench.map(imagine, sample["tokens"][:, :given], actions)
