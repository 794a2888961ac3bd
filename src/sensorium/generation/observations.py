"""Streamed observations: pictures and sounds to the tokens that the dynamics predict, and such tokens back.

Layouts: E sequences side by side, T frames, N tokens a frame (video, then sound and body sense), C channels, H and W
pixels, S samples a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.data.environment import Observation
from sensorium.data.sample_formats import to_audio, to_images, to_sounds, to_video
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.tokenizers import VideoTokenizer


@dataclass
class Memories:
    """The memories of the tokenizers' directions; None for sound where there is none."""

    pictures: Any
    sound: Any
    round_trip: Any = None


class ObservationEncoder:
    """Encodes observations frame by frame (`streaming.Causal`).

    Args:
        video: tokenizer of the pictures.
        audio: tokenizer of the sound, on the same device; None: the dynamics predict pictures alone.
    """

    def __init__(self, video: VideoTokenizer, audio: AudioTokenizer | None = None) -> None:
        self._video = video.encoding
        self._audio = None if audio is None else audio.encoding
        self._device = next(chain(video.parameters(), video.buffers())).device  # what is fitted has no parameters

    def remember(self) -> Memories:
        """The memory of sequences that begin."""
        return Memories(self._video.remember(), None if self._audio is None else self._audio.remember())

    @torch.no_grad()
    def step(self, memory: Memories, frames: Sequence[Observation]) -> Tensor:
        """Tokens [E, 1, N, C] of the next frame of each sequence, on the device of the tokenizers."""
        pixels = torch.from_numpy(np.stack([observation.frame for observation in frames])).to(self._device)
        streams = [self._video.step(memory.pictures, to_images(pixels)[:, None])]
        if self._audio is not None:
            samples = torch.from_numpy(np.stack([observation.sound for observation in frames])).to(self._device)
            streams.append(self._audio.step(memory.sound, to_sounds(samples)[:, None]))
        return torch.cat(streams, dim=2)


@dataclass(frozen=True)
class Decoded:
    """What T frames of tokens show.

    Attributes:
        pictures: uint8 [T, H, W, 3].
        sound: int16 [T * S]; empty where the dynamics predict no sound.
        round_trip_error: float32 [T], root mean square difference between the video tokens and those that the
            tokenizer makes of the decoded picture, in units of the standard deviation of the training tokens. It is
            high for tokens that no true picture has.
        felt: the body sense, float32 [T, P]; without numbers where the dynamics do not dream it.
    """

    pictures: np.ndarray
    sound: np.ndarray
    round_trip_error: np.ndarray
    felt: np.ndarray


class ObservationDecoder:
    """Decodes the tokens of one sequence frame by frame (`streaming.Causal`).

    Args:
        video: tokenizer of the pictures.
        std: [tokens, C], standard deviation of the training tokens of the video.
        audio: tokenizer of the sound, on the same device; None: the dynamics predict no sound.
        body: numbers of the body sense, 0 if the dynamics do not dream it.
    """

    def __init__(self, video: VideoTokenizer, std: Tensor, audio: AudioTokenizer | None, body: int = 0) -> None:
        self._body, self._sound_tokens = body, 0 if audio is None else audio.tokens
        self._decoding, self._encoding, self._std = video.decoding, video.encoding, std
        self._audio = None if audio is None else audio.decoding

    def remember(self) -> Memories:
        """The memory of a sequence that begins."""
        sound = None if self._audio is None else self._audio.remember()
        return Memories(self._decoding.remember(), sound, self._encoding.remember())

    @torch.no_grad()
    def step(self, memory: Memories, frames: Tensor) -> Decoded:
        """What the next frames, tokens [1, T, N, C] of all streams, show."""
        count = len(self._std)
        video, sound = frames[:, :, :count], np.zeros(0, np.int16)
        images = self._decoding.step(memory.pictures, video).clamp(0, 1)
        difference = (self._encoding.step(memory.round_trip, images) - video) / self._std
        if self._audio is not None:
            heard = frames[:, :, count : count + self._sound_tokens]
            sound = to_audio(self._audio.step(memory.sound, heard)[0].flatten()).cpu().numpy()
        return Decoded(
            pictures=to_video(images[0]).cpu().numpy(),
            sound=sound,
            round_trip_error=difference[0].square().mean((1, 2)).sqrt().cpu().numpy(),
            felt=frames[0, :, count + self._sound_tokens :].flatten(1)[:, : self._body].cpu().numpy(),
        )
