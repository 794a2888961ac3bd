"""Transform coders of sound in a given number of bits: the largest cosine coefficients, alone or with noise in bands.

Layouts: n sounds, S samples a frame. A frame is coded by itself, in as many bits as it may take; what is decoded is
decoded from the bytes alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, idct

VALUE_BITS = 16  # float16: 11 significant bits over all magnitudes, so that quiet sounds are not rounded to nothing
BAND_BITS = 8
BANDS = 24  # as many as the Bark scale has
BAND_STEP, BAND_LOWEST = 0.5, -96.0  # dB of a band's root mean square; code 0 says that there is nothing in it
_MEL = 700.0  # Hz; below it bands are of equal width, above it of equal ratio


@dataclass(frozen=True)
class CosineCode:
    """The largest cosine coefficients of a frame (DCT-II), and the level of what is left in some bands.

    A frame takes `kept` times place and value, then a level for each band:

        place    the coefficient's number, in as many bits as its range asks for
        value    float16
        level    root mean square of the coefficients of a band that were not kept, in steps of half a dB

    Attributes:
        samples: S.
        bits: that a frame may take.
        rate: samples a second, which the bands follow.
        bands: of the levels, by the mel scale; 0: what is left is dropped.
    """

    samples: int
    bits: int
    rate: int
    bands: int = 0

    @property
    def place_bits(self) -> int:
        """Bits of a coefficient's number."""
        return math.ceil(math.log2(self.samples))

    @property
    def kept(self) -> int:
        """Coefficients that are kept of a frame."""
        left = self.bits - BAND_BITS * self.bands
        return min(max(left, 0) // (self.place_bits + VALUE_BITS), self.samples)

    @property
    def written(self) -> int:
        """Bits that a frame really takes; `bits` at most, unless the levels of the bands alone take more."""
        return self.kept * (self.place_bits + VALUE_BITS) + BAND_BITS * self.bands

    @property
    def edges(self) -> np.ndarray:
        """First coefficient of each band, and the end of the last, int [bands + 1]."""
        top = math.log1p(self.rate / 2 / _MEL)
        hertz = _MEL * np.expm1(np.linspace(0, top, self.bands + 1))
        return np.round(hertz / (self.rate / 2) * self.samples).astype(int)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Frames [n, S] in [-1, 1] -> uint8 [n, bytes], the last byte filled up with zeros."""
        coefficients = dct(frames.astype(np.float64), norm="ortho", axis=1)
        places = np.sort(np.argpartition(-np.abs(coefficients), self.kept - 1, axis=1)[:, : self.kept], axis=1)
        values = np.take_along_axis(coefficients, places, 1).astype(np.float16).view(np.uint16)
        rest = coefficients.copy()
        np.put_along_axis(rest, places, 0.0, 1)
        parts = [_to_bits(places, self.place_bits), _to_bits(values, VALUE_BITS)]
        if self.bands:
            parts.append(_to_bits(self._levels(rest, places), BAND_BITS))
        return np.packbits(np.concatenate(parts, 1), axis=1)

    def decode(self, code: np.ndarray) -> np.ndarray:
        """What `encode` wrote -> frames float32 [n, S]; bands are filled with noise of random signs."""
        bits, ends = np.unpackbits(code, axis=1), np.cumsum([self.kept * self.place_bits, self.kept * VALUE_BITS])
        places = _from_bits(bits[:, : ends[0]], self.place_bits)
        values = _from_bits(bits[:, ends[0] : ends[1]], VALUE_BITS).astype(np.uint16).view(np.float16)
        coefficients = np.zeros((len(code), self.samples))
        if self.bands:
            levels = _from_bits(bits[:, ends[1] : self.written], BAND_BITS)
            size = np.where(levels > 0, 10 ** ((BAND_LOWEST + BAND_STEP * levels) / 20), 0)
            signs = np.random.default_rng(0).choice([-1.0, 1.0], coefficients.shape)
            coefficients = signs * np.repeat(size, np.diff(self.edges), axis=1)
        np.put_along_axis(coefficients, places, values.astype(np.float64), 1)
        return idct(coefficients, norm="ortho", axis=1).astype(np.float32)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Sounds [n, T * S] as they are heard after it, float32, in [-1, 1]."""
        return self.decode(self.encode(waves.reshape(-1, self.samples))).reshape(waves.shape).clip(-1, 1)

    def _levels(self, rest: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Codes of the levels of the coefficients that were not kept, int [n, bands]."""
        left = np.ones_like(rest)
        np.put_along_axis(left, places, 0.0, 1)
        start = np.zeros((len(rest), 1))
        power, count = (
            np.diff(np.concatenate([start, values.cumsum(1)], 1)[:, self.edges], axis=1) for values in (rest**2, left)
        )
        decibels = 10 * np.log10(np.maximum(power / np.maximum(count, 1), 1e-20))
        return np.clip(np.round((decibels - BAND_LOWEST) / BAND_STEP), 0, 2**BAND_BITS - 1).astype(np.int64)


def cosine_codes(samples: int, bits: int, rate: int) -> dict[str, CosineCode]:
    """Code of each kind in `bits` a frame, by a name that says what is kept: with noise in bands, and without.

    Bands get half of the bits at most.
    """
    bands = min(BANDS, bits // 2 // BAND_BITS)
    plain, noisy = CosineCode(samples, bits, rate), CosineCode(samples, bits, rate, bands)
    return {
        f"{plain.kept} largest cosines": plain,
        f"{noisy.kept} largest cosines, noise in {bands} bands": noisy,
    }


def _to_bits(numbers: np.ndarray, width: int) -> np.ndarray:
    """Numbers [n, k] from 0 on -> their bits, the highest first, uint8 [n, k * width]."""
    return (numbers[..., None] >> np.arange(width - 1, -1, -1) & 1).astype(np.uint8).reshape(len(numbers), -1)


def _from_bits(bits: np.ndarray, width: int) -> np.ndarray:
    """What `_to_bits` was given, int64 [n, k]."""
    return bits.reshape(len(bits), -1, width).astype(np.int64) @ (1 << np.arange(width - 1, -1, -1))
