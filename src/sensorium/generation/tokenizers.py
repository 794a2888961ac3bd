"""Video tokenizers behind one interface: clips to continuous tokens, and back.

Layouts: T frames of a clip, H and W pixels, N tokens a frame, C channels of a token. The last leading dimension is
time, in which a tokenizer may look back; [T, ...] alone is one clip.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sensorium.config import TOKENIZER_STRIDE
from sensorium.generation.convolutional_tokenizer import ConvolutionalTokenizer
from sensorium.generation.patch_tokenizer import PatchTokenizer
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.generation.transformer_tokenizer import TransformerTokenizer
from sensorium.models.load import Loadable
from sensorium.models.streaming import Cached, Causal, Overlap


class VideoTokenizer(Loadable):
    """The tokenizer that its section names.

    Args:
        config: its section.
        shapes: {"size": height and width of a frame in pixels}.

    Attributes:
        tokens: N, a square number: tokens lie on a grid, row by row.
        channels: C.
        pixels: rows and columns of pixels in a token whose channels are its pixels; 1 for learned tokens.
        frames: frames of a training clip; 1 for a tokenizer of single frames.
        past: frames before a frame that its tokens, or its picture, depend on. A long recording may be encoded or
            decoded in pieces, if each piece is preceded by that many frames.
        patches: patches of a frame that training may hide from the encoder; 0 if it hides none.

    Raises:
        ValueError: if the size is not a multiple of TOKENIZER_STRIDE.
    """

    Config = VideoTokenizerConfig
    kind = "tokenizer_video"

    def __init__(self, config: VideoTokenizerConfig, shapes: dict[str, Any]) -> None:
        super().__init__()
        size = int(shapes["size"])
        if size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {size}: it must be a multiple of {TOKENIZER_STRIDE}")
        self.tokens, self.channels, self.pixels = config.tokens(size), config.channels, config.pixels
        self.frames, self.past = config.frames, config.past
        self.patches = 0
        self.network: ConvolutionalTokenizer | TransformerTokenizer | PatchTokenizer
        if config.kind == "transformer":
            self.network = TransformerTokenizer(config, size)
            self.patches = self.network.patches
        elif config.kind == "convolutional":
            self.network = ConvolutionalTokenizer(config, size)
        else:
            self.network = PatchTokenizer(config.side, size)

    def encode(self, images: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Images [..., T, 3, H, W] in [0, 1] -> tokens [..., T, N, C], of learned tokenizers in (-1, 1).

        Args:
            images: one clip, or several.
            hidden: bool [..., T, patches], patches that the encoder does not see; None: it sees all.
        """
        if not isinstance(self.network, TransformerTokenizer):
            return self.network.encode(images.flatten(0, -4)).unflatten(0, images.shape[:-3])
        tokens = self.network.encode(_clips(images, 3), None if hidden is None else _clips(hidden, 1))
        return tokens.reshape(*images.shape[:-3], self.tokens, self.channels)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [..., T, N, C] of clips -> images [..., T, 3, H, W], close to [0, 1]: clamp before showing them."""
        if not isinstance(self.network, TransformerTokenizer):
            return self.network.decode(tokens.flatten(0, -3)).unflatten(0, tokens.shape[:-2])
        images = self.network.decode(_clips(tokens, 2))
        return images.reshape(*tokens.shape[:-2], *images.shape[2:])

    def forward(self, images: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images [..., T, 3, H, W] -> (reconstructions of the same shape, tokens [..., T, N, C])."""
        tokens = self.encode(images, hidden)
        return self.decode(tokens), tokens

    @property
    def encoding(self) -> Causal[Any, Tensor, Tensor]:
        """`encode` as a stream: images [B, T, 3, H, W] -> tokens [B, T, N, C]."""
        if not isinstance(self.network, TransformerTokenizer):
            return Overlap(self.encode, self.past)
        network = self.network
        return Cached(network.remember, lambda images, caches: network.encode(images, None, caches))

    @property
    def decoding(self) -> Causal[Any, Tensor, Tensor]:
        """`decode` as a stream: tokens [B, T, N, C] -> images [B, T, 3, H, W]."""
        if not isinstance(self.network, TransformerTokenizer):
            return Overlap(self.decode, self.past)
        return Cached(self.network.remember, self.network.decode)


def _clips(x: Tensor, own: int) -> Tensor:
    """[..., T, *own dimensions] -> [B, T, *own dimensions]."""
    return x.reshape(-1, *x.shape[-own - 1 :])
