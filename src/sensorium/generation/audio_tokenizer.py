"""Sound tokenizers behind one interface: the sound of each frame to a few bounded continuous tokens, and back.

Layouts: B sounds, T frames, S = T * samples_per_frame samples, N tokens a frame, C channels of a token.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sensorium.generation.band_tokenizer import BandTokenizer
from sensorium.generation.convolutional_sound import ConvolutionalSound
from sensorium.generation.tokenizer_config import AudioTokenizerConfig
from sensorium.models.load import Loadable
from sensorium.models.streaming import Causal


class AudioTokenizer(Loadable):
    """The tokenizer that its section names.

    Args:
        config: its section.
        shapes: {"samples_per_frame"}.

    Attributes:
        tokens: N.
        channels: C.
        samples_per_frame: samples of one frame.
        past: frames before a frame that its tokens depend on. A long sound may be encoded in pieces, if each piece is
            preceded by that many frames; `decoding` decodes in pieces.
        bands: the bands and what plays them, with kind bands; None for a learned tokenizer.

    Raises:
        ConfigurationError: if a frame of so many samples cannot be divided as the section says.
    """

    Config = AudioTokenizerConfig
    kind = "tokenizer_audio"

    def __init__(self, config: AudioTokenizerConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        self.samples_per_frame = int(shapes["samples_per_frame"])
        self.tokens, self.channels = config.tokens, config.channels
        config.check_samples(self.samples_per_frame)
        self.network: ConvolutionalSound | BandTokenizer
        if config.kind == "learned":
            self.network = ConvolutionalSound(config, self.samples_per_frame)
        else:
            self.network = BandTokenizer(config, self.samples_per_frame)
        self.past = self.network.past

    @property
    def bands(self) -> BandTokenizer | None:
        """The tokenizer of fixed bands, if it is one."""
        return self.network if isinstance(self.network, BandTokenizer) else None

    def encode(self, sounds: Tensor) -> Tensor:
        """Sounds [B, S] in [-1, 1] -> tokens [B, T, N, C] in [-1, 1].

        Raises:
            ValueError: if S is not a whole number of frames.
        """
        if sounds.shape[1] % self.samples_per_frame:
            raise ValueError(f"{sounds.shape[1]} samples are no whole number of frames of {self.samples_per_frame}")
        return self.network.encode(sounds)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, N, C] -> sounds float32 [B, S], close to [-1, 1]: clamp before playing them."""
        return self.network.decode(tokens)

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """Sounds [B, S] -> (reconstructions [B, S], tokens [B, T, N, C])."""
        tokens = self.encode(sounds)
        return self.decode(tokens), tokens

    @property
    def encoding(self) -> Causal[Any, Tensor, Tensor]:
        """`encode` as a stream: sounds [B, T, samples_per_frame] -> tokens [B, T, N, C]."""
        return self.network.encoding

    @property
    def decoding(self) -> Causal[Any, Tensor, Tensor]:
        """`decode` as a stream: tokens [B, T, N, C] -> sounds [B, T, samples_per_frame]."""
        return self.network.decoding
