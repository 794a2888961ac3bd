"""What tempo and downbeats are estimated from: the bands and the pitch classes of a sound, heard piece by piece.

Frame t is centred on the sample t * hop of the sound, which has half a window of zeros before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchaudio.functional import melscale_fbanks

RATE = 48_000  # samples a second
FRAMES = 100  # of bands a second
CHROMAS = 20  # of pitch classes a second
LONGEST = 600  # seconds that are listened to: what is remembered does not grow beyond
BANDS, LOWEST, HIGHEST = 40, 30.0, 16_000.0
PITCHES = (55.0, 1760.0)
BAND_SIZE, CHROMA_SIZE = 2048, 8192  # samples of a window
PIECE = 2 * RATE  # samples that are gathered before they are looked at


@dataclass(frozen=True)
class BeatFeatures:
    """Of a sound.

    Attributes:
        bands: power in BANDS bands, low to high, FRAMES times a second, float32 [n, BANDS].
        chroma: magnitude of each pitch class, CHROMAS times a second, float32 [m, 12].
    """

    bands: np.ndarray
    chroma: np.ndarray


class BeatListener:
    """Hears the beginning of a sound, whatever the size of its pieces."""

    def __init__(self) -> None:
        frequencies = np.fft.rfftfreq(CHROMA_SIZE, 1 / RATE)
        heard = (frequencies >= PITCHES[0]) & (frequencies <= PITCHES[1])
        classes = np.round(69 + 12 * np.log2(np.maximum(frequencies, 1) / 440)).astype(int) % 12
        to_classes = heard[:, None] & (classes[:, None] == np.arange(12))
        to_bands = melscale_fbanks(BAND_SIZE // 2 + 1, LOWEST, HIGHEST, BANDS, RATE)
        self._bands = Framed(BAND_SIZE, RATE // FRAMES, to_bands, power=2)
        self._chroma = Framed(CHROMA_SIZE, RATE // CHROMAS, torch.from_numpy(to_classes).float(), power=1)
        self._waiting: list[np.ndarray] = []
        self._count, self._left = 0, LONGEST * RATE

    def add(self, block: np.ndarray) -> None:
        """The next piece, [n], mono at RATE."""
        self._waiting.append(block[: self._left].astype(np.float32))
        self._count += len(self._waiting[-1])
        self._left -= len(self._waiting[-1])
        if self._count >= PIECE:
            self._look()

    def features(self) -> BeatFeatures:
        """Of all that was added; nothing can be added any more."""
        self._waiting.append(np.zeros(CHROMA_SIZE // 2, np.float32))
        self._look()
        return BeatFeatures(self._bands.frames(), self._chroma.frames())

    def _look(self) -> None:
        piece, self._waiting, self._count = torch.from_numpy(np.concatenate(self._waiting)), [], 0
        self._bands.add(piece)
        self._chroma.add(piece)


class Framed:
    """Spectra of a sound that comes piece by piece, gathered by `weights` [bins, classes]."""

    def __init__(self, size: int, hop: int, weights: torch.Tensor, power: int) -> None:
        self._size, self._hop, self._weights, self._power = size, hop, weights, power
        self._window, self._held = torch.hann_window(size), torch.zeros(size // 2)
        self._found: list[np.ndarray] = []

    def add(self, piece: torch.Tensor) -> None:
        """The next piece, [n]."""
        self._held = torch.cat((self._held, piece))
        count = (len(self._held) - self._size) // self._hop + 1
        if count < 1:
            return
        whole = self._held[: (count - 1) * self._hop + self._size]
        spectra = torch.stft(whole, self._size, self._hop, window=self._window, center=False, return_complex=True).abs()
        self._found.append((spectra.T**self._power @ self._weights).numpy())
        self._held = self._held[count * self._hop :]

    def taken(self) -> np.ndarray:
        """Those since they were last taken, [frames, classes]."""
        found, self._found = self.frames(), []
        return found

    def frames(self) -> np.ndarray:
        """Of all that was added, [frames, classes]."""
        empty = np.zeros((0, self._weights.shape[1]), np.float32)
        return np.concatenate([empty, *self._found])
