"""What dreamed tokens look and sound like, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.data.sample_formats import to_audio, to_video
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.tokenizers import VideoTokenizer


@dataclass(frozen=True)
class Shown:
    """T frames that follow one another."""

    pictures: np.ndarray  # uint8 [T, H, W, 3]
    doubts: np.ndarray  # float32 [T]
    sound: np.ndarray | None  # int16 [T * samples a frame]; None where dreams have no sound


class Senses:
    """Shows one stream of tokens; tokenizers look back, so what comes depends on all that was shown before.

    Args:
        tokenizer: of the video.
        deviation: [N, C] of the training tokens of the video.
        hearing: tokenizer of the sound, or None.
    """

    def __init__(self, tokenizer: VideoTokenizer, deviation: Tensor, hearing: AudioTokenizer | None) -> None:
        self._tokenizer, self._deviation, self._hearing = tokenizer, deviation, hearing
        self._painted, self._read = tokenizer.remember(), tokenizer.remember()
        self._heard: Tensor | None = None  # [1, at most `past` of the tokenizer, N, C]

    @torch.no_grad()
    def show(self, streams: dict[str, Tensor]) -> Shown:
        """The next frames.

        Doubt is the tokenizer's round trip: root mean square between the tokens and those that the tokenizer reads off
        the picture they make, in deviations of the training tokens. Tokens that no true frame has come back as others.

        Args:
            streams: "video" [T, N, C], and "audio" [T, N, C] where dreams have sound; after the first call T is 1.
        """
        seen = streams["video"]
        images = self._tokenizer.decode(seen, self._painted).clamp(0, 1)
        away = (self._tokenizer.encode(images, memory=self._read) - seen) / self._deviation
        pictures = to_video(images).contiguous()
        return Shown(
            pictures.cpu().numpy(),
            away.square().mean((1, 2)).sqrt().cpu().numpy(),
            None if self._hearing is None else self._play(self._hearing, streams["audio"]),
        )

    def _play(self, hearing: AudioTokenizer, tokens: Tensor) -> np.ndarray:
        known = tokens[None] if self._heard is None else torch.cat([self._heard, tokens[None]], dim=1)
        self._heard = known[:, max(0, known.shape[1] - hearing.past) :]
        new = hearing.decode(known)[0, -len(tokens) * hearing.samples_per_frame :]
        return to_audio(new).cpu().numpy()
