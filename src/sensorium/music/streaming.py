"""Taking a long sound apart, piece by piece, with the numbers of the whole.

At 48 kHz, spectra of twice the size have the frames and, below 12 kHz, the bins that the network knows from 24 kHz;
bins above have the mask of its highest one. The mask of the mean of the channels serves them all, so the stereo image
stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import RATE
from sensorium.music.spectrum import BINS, SIZE, framed, frames_of, lead, overlapped

LEVEL = 10 ** (-17 / 20)  # root mean square of mixtures in training, about
FRAMES = 128  # of a piece: 2.7 seconds


class Separation:
    """Drums of a sound at 48 kHz; what is left is harmony.

    Args:
        network: the mask.
        level: root mean square of the whole sound, to which the network's view of it is scaled; the sound is not.
        frames: of a piece.
    """

    def __init__(self, network: MaskNetwork, level: float, frames: int = FRAMES) -> None:
        self._network, self._frames = network, frames
        self._size = SIZE * RATE // network.rate
        self._gain = LEVEL / level * SIZE / self._size  # a spectrum of twice the size is twice as large
        self._device = next(network.parameters()).device

    def pieces(self, samples: int) -> int:
        """How many there are of so many samples."""
        return -(-frames_of(samples, self._size) // self._frames)

    def drums(self, blocks: Iterable[np.ndarray], samples: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The sound in pieces, and the drums in them, float32 [channels, n] each.

        Args:
            blocks: the sound, [channels, n] at a time.
            samples: all of them together.
        """
        hop, context, total = self._size // 4, self._network.context, frames_of(samples, self._size)
        source, before = iter(blocks), lead(self._size)
        held, first = pad(_next(source), (before, 0)), 0  # the sound with the zeros before it, from sample `first` on
        tail = torch.zeros(len(held), 0)  # drums that later frames add to
        for start in range(0, total, self._frames):
            stop = min(start + self._frames, total)
            left, right = max(0, start - context), min(total, stop + context)
            until = (right - 1) * hop + self._size
            while held.shape[1] < until - first and first + held.shape[1] < samples + before:
                held = torch.cat((held, _next(source)), 1)
            segment = held[:, left * hop - first : until - first]
            segment = pad(segment, (0, until - left * hop - segment.shape[1]))
            added = self._masked(segment, start - left, stop - start)
            added[:, : tail.shape[1]] += tail
            ready = (stop - start) * hop if stop < total else added.shape[1]
            tail = added[:, ready:]
            begin, end = max(start * hop, before), min(start * hop + ready, samples + before)
            yield (
                held[:, begin - first : end - first].numpy(),
                added[:, begin - start * hop : end - start * hop].numpy(),
            )
            drop = max(0, min(max(0, stop - context) * hop, end) - first)
            held, first = held[:, drop:], first + drop

    def _masked(self, segment: Tensor, skip: int, count: int) -> Tensor:
        """Drums of `count` frames of a segment, after the first `skip`: [channels, (count - 1) * hop + size]."""
        with torch.no_grad():
            spectra = framed(segment.to(self._device), self._size)
            seen = spectra[:, :BINS].mean(0, keepdim=True) * self._gain
            mask = self._network(seen)[0, :, skip : skip + count]
            mask = torch.cat((mask, mask[-1:].expand(spectra.shape[1] - BINS, -1)))
            return overlapped(mask * spectra[:, :, skip : skip + count], self._size).cpu()


def _next(source: Iterator[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(next(source)))
