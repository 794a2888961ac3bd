"""The trained world model for programs and notebooks: perceive and imagine on plain arrays.

Layouts: T frames, H and W pixels, S samples of sound, P values of the body, A values of an action, D of the state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from sensorium.artifacts import MANIFEST, ArtifactError, read_manifest
from sensorium.data.sample_formats import to_audio, to_images, to_sounds, to_video
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.body_sense import to_tokens
from sensorium.generation.dream import dream
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.parts import Parts
from sensorium.models.precision import full_float32
from sensorium.perception.embed import fuse, hear, see
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.perception.joint import Joint
from sensorium.puzzle import text_codes
from sensorium.puzzle.sense_codes import SenseCodes, load_codes
from sensorium.puzzle.text_codes import TextCodes

Model = TypeVar("Model", bound=nn.Module)
Anything = TypeVar("Anything")
FLOATS = tuple(np.dtype(kind) for kind in ("float16", "float32", "float64"))
WHOLE = tuple(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64))
KINDS = {
    "uint8": (np.dtype(np.uint8),),
    "int16 or float": (np.dtype(np.int16), *FLOATS),
    "numbers": (*FLOATS, *WHOLE),
    "whole numbers": WHOLE,
}


@dataclass(frozen=True)
class Perception:
    """The perception of some frames. To imagine from, one that has only video and actions is enough.

    Attributes:
        world: state of the world at each frame, inferred from the frames up to it: float32 [T, D].
        vision: embedding of each frame by itself, float32 [T, dim]; None without video.
        audio: embedding of the sound up to each frame, float32 [T, dim]; None without sound.
        video: the frames themselves, uint8 [T, H, W, 3]; None without video.
        sound: the sound itself, int16 [T * samples_per_frame]; None without sound.
        actions: the action that led to each frame, as given; None if not given.
        body: the body sense, float32 [T, P]; None without one.
    """

    world: np.ndarray | None = None
    vision: np.ndarray | None = None
    audio: np.ndarray | None = None
    video: np.ndarray | None = None
    sound: np.ndarray | None = None
    actions: np.ndarray | None = None
    body: np.ndarray | None = None


@dataclass(frozen=True)
class Imagination:
    """A dream of what follows.

    Attributes:
        video: frames, uint8 [F, H, W, 3].
        sound: int16 [F * samples_per_frame]; None from a model that dreams no sound.
        body: what is felt, float32 [F, P]; None from a model that dreams no body sense.
    """

    video: np.ndarray
    sound: np.ndarray | None
    body: np.ndarray | None = None


def _without_tf32(method: Callable[..., Anything]) -> Callable[..., Anything]:
    """A method whose networks compute float32 as such on CUDA, as in the evaluations; a decorator."""

    @wraps(method)
    def run(self: WorldModel, *args: Any, **kwargs: Any) -> Anything:
        with full_float32(self.device):
            return method(self, *args, **kwargs)

    return run


class WorldModel:
    """A trained model; `sensorium.load` makes one.

    It keeps its last perception, and imagines from there unless another one is given.

    Args:
        folder: the workflow's results; or results/finetuned, to perceive by the encoders and the fusion that were
            trained together, and to imagine by what lies beside that folder.
        device: for example "cpu" or "cuda"; None: a GPU where there is one.
    """

    def __init__(self, folder: str | PathLike[str], device: str | None = None) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ArtifactError(
                f"{self.folder}: no such folder; make the workflow's results with: snakemake --profile local -j1"
            )
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._finetuned: Parts | None = None
        own = self.folder / MANIFEST
        if own.exists() and read_manifest(own)["kind"] == Joint.kind:
            self._finetuned = Parts({"finetuned": own}, self.device)
            self.folder = self.folder.resolve().parent
        if own.exists() and read_manifest(own)["kind"].startswith("puzzle_"):
            raise ArtifactError(
                f"{self.folder}: the codes of one sense; use sensorium.load('results').puzzle({self.folder.name!r})"
            )
        self._parts = Parts(self.folder, self.device)
        self._last: Perception | None = None

    @_without_tf32
    def perceive(
        self,
        video: ArrayLike | None = None,
        audio: ArrayLike | None = None,
        body: ArrayLike | None = None,
        actions: ArrayLike | None = None,
    ) -> Perception:
        """Infer the state of the world at each frame.

        A state depends on as many earlier frames as fusion was trained on. Give the recording from its beginning, or
        a few frames more than you need.

        Args:
            video: uint8 [T, H, W, 3], of the size that the vision encoder was trained on.
            audio: [T * samples_per_frame], int16, or float in [-1, 1], at the sample rate of the audio encoder.
            body: float [T, P].
            actions: the action that led to each frame, [T, A] or int [T]; only `imagine` needs it.

        Raises:
            ValueError: if an array has another shape or kind than the model was trained on, or nothing is given.
            ArtifactError: if a part of the model that this needs is not there; the message says how to make it.
        """
        frames, senses = {}, {}
        if video is not None:
            size = self._picture_size()
            video = _checked("video", video, (None, size, size, 3), "uint8")
            grid, seen = see(self._vision, video, self.device)
            senses["vision"], frames["video"] = grid, len(video)
        if audio is not None:
            samples = self._audio.samples_per_frame
            audio = _checked("audio", audio, (None,), "int16 or float")
            if audio.dtype != np.int16:
                audio = to_audio(torch.from_numpy(audio)).numpy()
            if len(audio) % samples:
                raise ValueError(f"audio has {len(audio)} samples: this model wants {samples} for each frame")
            senses["audio"] = heard = hear(self._audio, audio, self.device)
            frames["audio"] = len(heard)
        if body is not None:
            if "body" not in self._fusion.widths:
                raise ValueError("body is given, but this model was trained without one: leave it out")
            senses["body"] = _checked("body", body, (None, self._fusion.widths["body"]), "numbers").astype(np.float32)
            frames["body"] = len(senses["body"])
        if not senses:
            raise ValueError("nothing to perceive: give at least one of video, audio and body")
        if actions is not None:
            actions = np.asarray(actions)
            frames["actions"] = len(actions)
        if len(set(frames.values())) > 1 or 0 in frames.values():
            counts = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise ValueError(f"all must have the same number of frames, one at least; given are {counts}")
        self._last = Perception(
            world=fuse(self._fusion, senses, self.device),
            vision=None if video is None else seen,
            audio=None if audio is None else heard,
            video=video,
            sound=audio,
            actions=actions,
            body=senses.get("body"),
        )
        return self._last

    @_without_tf32
    @torch.no_grad()
    def imagine(
        self,
        actions: ArrayLike,
        after: Perception | None = None,
        *,
        denoising_steps: int = 4,
        sharpness: float = 1.0,
        seed: int = 0,
    ) -> Imagination:
        """Dream what follows under the given actions.

        Args:
            actions: the action that leads to each coming frame, float [F, A] or int [F]. Dynamics that were trained
                without actions (on films, for example) need only their number F.
            after: a perception to go on from, with video and actions (and audio and body, if they are dreamed); None:
                the last.
            denoising_steps: passes a frame, 1, 2, 4, ... 64: more take longer and are finer.
            sharpness: of dynamics that copy: 1 the mean of what may come, 4 about one of it.
            seed: of the noise that a dream starts from; another seed, another dream.

        Raises:
            ValueError: if nothing was perceived, its video or actions are missing, or actions have another shape.
            ArtifactError: if a part of the model that this needs is not there; the message says how to make it.
        """
        after = after or self._last
        if after is None or after.video is None:
            raise ValueError("a dream goes on from what was seen: call perceive with a video first, or pass after=")
        shapes = self._parts.manifest("dynamics")["details"]["shapes"]
        moves, horizon = _moves(after.actions, np.asarray(actions), shapes["action"])
        size = int(self._parts.manifest("tokenizers/video")["details"]["shapes"]["size"])
        video = _checked("video", after.video, (None, size, size, 3), "uint8")
        tokenizer = self._parts.load(VideoTokenizer)
        seen = tokenizer.encode(to_images(torch.from_numpy(video).to(self.device)))
        given = len(seen)
        context = seen[None]
        dynamics = self._parts.load(Dynamics)
        if "audio" in dynamics.streams:
            if after.sound is None:
                raise ValueError("this model dreams with sound: call perceive with the audio of the video too")
            ear = self._parts.load(AudioTokenizer)
            heard = ear.encode(to_sounds(torch.from_numpy(after.sound).to(self.device))[None])
            context = torch.cat([context, heard], dim=2)
        if dynamics.body:
            felt = torch.from_numpy(_felt(after.body, dynamics.body, given))[None].to(self.device)
            context = torch.cat([context, to_tokens(felt, dynamics.channels)], dim=2)
        kept = dynamics.window  # longest context of a dream
        if moves is not None:
            moves = moves[:, max(0, given - kept) :].to(self.device)
        how = {"denoising_steps": denoising_steps, "seed": seed}
        dreamed = dream(dynamics, context[:, -kept:], moves, horizon, sharpness=sharpness, **how)
        tokens = dynamics.split(dreamed)
        # decoded together with the context, because decoders may use earlier frames and sounds overlap frames
        shown = tokenizer.decode(torch.cat([seen, tokens["video"][0]]))[given:]
        sound = None
        if "audio" in tokens:
            whole = ear.decode(torch.cat([heard, tokens["audio"]], dim=1))[0]
            samples = to_audio(whole).cpu().numpy()
            sound = samples[given * ear.samples_per_frame :]
        body = tokens["body"][0].flatten(1)[:, : dynamics.body].cpu().numpy() if dynamics.body else None
        return Imagination(video=to_video(shown).cpu().numpy(), sound=sound, body=body)

    def puzzle(self, name: str = "sound") -> SenseCodes | TextCodes:
        """Codes that write a sense on grids of 30 x 30 digits and read it back: `encode` and `decode` on arrays.

        Args:
            name: folder below results/puzzle: "sound", "sight", "text", or another layout of one of them.

        Raises:
            ArtifactError: if they are not there; the message says how to make them.
        """
        path = self._parts.path(f"puzzle/{name}")
        if read_manifest(path)["kind"] == text_codes.KIND:
            return TextCodes.load(path)
        return load_codes(path, self.device)

    # encoders and fusion: those that were trained one by one, or together

    @cached_property
    def _joint(self) -> Joint | None:
        """Encoders and fusion that were trained together, if the folder names them."""
        return None if self._finetuned is None else self._finetuned.load(Joint)

    def _picture_size(self) -> int:
        """Height and width of the pictures that the vision encoder was trained on."""
        if self._finetuned is None:
            return int(self._parts.manifest("encoders/vision")["details"]["shapes"]["size"])
        return int(self._finetuned.manifest("finetuned")["details"]["shapes"]["vision"]["shapes"]["size"])

    @property
    def _vision(self) -> VisionEncoder:
        return self._parts.load(VisionEncoder) if self._joint is None else self._joint.vision

    @property
    def _audio(self) -> AudioEncoder:
        return self._parts.load(AudioEncoder) if self._joint is None else self._joint.audio

    @property
    def _fusion(self) -> Fusion:
        return self._parts.load(Fusion) if self._joint is None else self._joint.fusion


def _checked(name: str, values: ArrayLike, shape: tuple[int | None, ...], kind: str) -> np.ndarray:
    """An array of the wanted shape (None: any size) and kind of numbers."""
    array = np.array(values, order="C")  # a copy: torch accepts neither mirrored nor read-only arrays
    fits = array.ndim == len(shape) and all(want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in KINDS[kind]:
        wanted = ", ".join("T" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}: this model wants {kind} [{wanted}]")
    return array


def _felt(body: np.ndarray | None, numbers: int, frames: int) -> np.ndarray:
    """The body sense that a dream goes on from, float32 [frames, numbers]."""
    if body is None:
        raise ValueError("this model dreams its body: call perceive with the body of the video too")
    return _checked("body", body, (frames, numbers), "numbers").astype(np.float32)


def _moves(
    before: np.ndarray | None, coming: np.ndarray, action: dict[str, Any] | None
) -> tuple[torch.Tensor | None, int]:
    """All actions of a dream [1, T + F, ...], and the number F of its frames, of `imagine`'s arguments."""
    if action is None:
        moves, horizon = None, int(coming) if coming.ndim == 0 else len(coming)
    else:
        if before is None:
            raise ValueError("the dynamics are steered: call perceive with the actions that led to its frames too")
        parts = [_action(part, action) for part in (before, coming)]
        moves, horizon = torch.from_numpy(np.concatenate(parts))[None], len(parts[1])
    if horizon < 1:
        raise ValueError("actions is empty: one action for each frame to imagine")
    return moves, horizon


def _action(values: ArrayLike, action: dict[str, Any]) -> np.ndarray:
    """Actions in the form that the dynamics were trained on: float32 [T, A] or int64 [T]."""
    if action["kind"] == "continuous":
        return _checked("actions", values, (None, action["size"]), "numbers").astype(np.float32)
    choices = _checked("actions", values, (None,), "whole numbers").astype(np.int64)
    if len(choices) and not 0 <= choices.min() <= choices.max() < action["size"]:
        raise ValueError(f"actions has {choices.min()} to {choices.max()}: this model knows 0 to {action['size'] - 1}")
    return choices
