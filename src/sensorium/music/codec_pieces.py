"""Long sounds through the codec, piece by piece, with the numbers of the whole and memory for a piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from sensorium.music.codec import MusicCodec

LATENTS_A_PIECE = 1024  # 14 seconds at 75 a second


def encode_pieces(
    codec: MusicCodec, blocks: Iterable[np.ndarray], latents: int = LATENTS_A_PIECE
) -> Iterator[np.ndarray]:
    """Codes of a sound, int64 [channels, T, n] at a time.

    Args:
        codec: in eval mode.
        blocks: the sound, float32 [channels, samples] at a time, at least one.
        latents: of a piece.
    """
    device, hop = next(codec.parameters()).device, codec.hop
    source, before = iter(blocks), 0  # latents of context before those of the next piece, in what is held
    held, ended = next(source), False
    while True:
        wanted = (before + latents + codec.context) * hop
        while not ended and held.shape[1] < wanted:
            block = next(source, None)
            ended = block is None
            held = held if block is None else np.concatenate((held, block), 1)
        last = held.shape[1] <= wanted and ended
        piece = torch.from_numpy(np.ascontiguousarray(held[:, : None if last else wanted])).to(device)
        codes = codec.codes(piece)[:, before : None if last else before + latents].cpu().numpy()
        if codes.shape[1]:
            yield codes
        if last:
            return
        start = before + latents
        kept = min(codec.context, start)
        held, before = held[:, (start - kept) * hop :], kept


def decode_pieces(
    codec: MusicCodec,
    codes: Callable[[int, int], np.ndarray],
    start: int,
    stop: int,
    latents: int = LATENTS_A_PIECE,
) -> Iterator[np.ndarray]:
    """The samples [start, stop) of a sound from its codes, float32 [channels, samples] at a time.

    Args:
        codec: in eval mode.
        codes: (first, last) -> the codes of these latents, int64 [channels, last - first, n]; fewer at the end.
        start, stop: samples.
        latents: of a piece.
    """
    device, hop = next(codec.parameters()).device, codec.hop
    for first in range(start // hop, -(-stop // hop), latents):
        begin, end = max(0, first - codec.context), first + latents + codec.context
        with torch.no_grad():
            found = codec.latents_from(torch.from_numpy(codes(begin, end)).to(device))
            sound = codec.decode(found).cpu().numpy()
        left, right = max(start, first * hop), min(stop, (first + latents) * hop)
        yield sound[:, left - begin * hop : right - begin * hop]
