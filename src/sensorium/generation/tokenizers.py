"""Video tokenizers behind one interface: clips to bounded continuous tokens, and back.

Layouts: T frames of a clip, H and W pixels, N tokens a frame, C numbers a token. The last of the leading dimensions
is time, where a tokenizer looks back; [T, ...] alone is one clip.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.config import VideoTokenizerConfig
from sensorium.generation.convolutional_tokenizer import ConvolutionalTokenizer
from sensorium.generation.transformer_tokenizer import TransformerTokenizer
from sensorium.models.cache import RingCache
from sensorium.models.load import Loadable


class VideoTokenizer(Loadable):
    """The tokenizer that its section asks for.

    Args:
        config: its section.
        shapes: {"size": height and width of a frame in pixels}.

    Attributes:
        tokens: N, a square number: tokens lie on a grid, row by row.
        channels: C.
        frames: frames of a clip in training; 1 for a tokenizer of single frames.
        past: frames before a frame that its tokens, or its picture, depend on. A long recording may be
            encoded or decoded piece by piece, each piece with so many frames before it.
        patches: patches a frame that may be hidden from the encoder; 0 where none may.
    """

    Config = VideoTokenizerConfig
    kind = "tokenizer_video"

    def __init__(self, config: VideoTokenizerConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        size = int(shapes["size"])
        if size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {size}: it must be a multiple of {TOKENIZER_STRIDE}")
        self.tokens, self.channels = (size // TOKENIZER_STRIDE) ** 2, config.channels
        self.network: ConvolutionalTokenizer | TransformerTokenizer
        if config.kind == "convolutional":
            self.network, self.frames = ConvolutionalTokenizer(config, size), 1
            self.past = self.patches = 0
        else:
            self.network, self.frames = TransformerTokenizer(config, size), config.transformer.frames
            self.past, self.patches = self.network.past, self.network.patches

    def encode(self, images: Tensor, hidden: Tensor | None = None, memory: list[RingCache] | None = None) -> Tensor:
        """Images [..., T, 3, H, W] in [0, 1] -> tokens [..., T, N, C] in (-1, 1).

        Args:
            images: a clip, or several.
            hidden: bool [..., T, patches], patches that must be guessed; None: none.
            memory: what `remember` gave; the images then go on where those of the last call ended.
        """
        if isinstance(self.network, ConvolutionalTokenizer):
            return self.network.encode(images.flatten(0, -4)).unflatten(0, images.shape[:-3])
        tokens = self.network.encode(_clips(images, 3), None if hidden is None else _clips(hidden, 1), memory)
        return tokens.reshape(*images.shape[:-3], self.tokens, self.channels)

    def decode(self, tokens: Tensor, memory: list[RingCache] | None = None) -> Tensor:
        """Tokens [..., T, N, C] -> images [..., T, 3, H, W]; about in [0, 1], to be clamped where shown or scored.

        Args:
            tokens: of a clip, or several.
            memory: what `remember` gave; the tokens then go on where those of the last call ended.
        """
        if isinstance(self.network, ConvolutionalTokenizer):
            return self.network.decode(tokens.flatten(0, -3)).unflatten(0, tokens.shape[:-2])
        images = self.network.decode(_clips(tokens, 2), memory)
        return images.reshape(*tokens.shape[:-2], *images.shape[2:])

    def forward(self, images: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images [..., T, 3, H, W] -> (reconstructions of the same shape, tokens [..., T, N, C])."""
        tokens = self.encode(images, hidden)
        return self.decode(tokens), tokens

    def remember(self) -> list[RingCache]:
        """An empty memory, for `encode` or for `decode` of one set of clips.

        The first call may have any number of frames, later ones have one or two.
        """
        return [] if isinstance(self.network, ConvolutionalTokenizer) else self.network.remember()


def _clips(x: Tensor, own: int) -> Tensor:
    """[..., T, *own dimensions] -> [B, T, *own dimensions]."""
    return x.reshape(-1, *x.shape[-own - 1 :])
