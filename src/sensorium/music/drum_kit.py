"""Drum kits: every piece is synthesised once, in some variants, from the parameters of its kit.

Skins are sine waves whose pitch falls; snares, claps and shakers are bands of noise; hats and cymbals are sums of
square waves without a common pitch, with noise above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import square

from sensorium.music.config import RATE
from sensorium.music.grooves import PIECES
from sensorium.randomness import stable_seed

VARIANTS = 3  # of each piece: the same stroke never sounds exactly the same
_LENGTHS = {"kick": 0.5, "snare": 0.4, "rim": 0.15, "clap": 0.35, "hat": 0.15, "open": 0.6, "ride": 1.2, "crash": 1.6}
_PITCHES = {"kick": (45, 62), "low tom": (80, 110), "middle tom": (110, 150), "high tom": (150, 210)}
_METAL = (1.0, 1.483, 1.932, 2.546, 2.63, 3.897)  # ratios of the six oscillators of a synthetic hat


@dataclass(frozen=True)
class Kit:
    """A drum kit of the bank of a seed, with a number.

    Attributes:
        seed, number: which one.
    """

    seed: int
    number: int

    def stroke(self, piece: str, variant: int) -> np.ndarray:
        """One stroke, float32 [n], peak 1."""
        return _stroke(self.seed, self.number, piece, variant)


@lru_cache(maxsize=2000)
def _stroke(seed: int, number: int, piece: str, variant: int) -> np.ndarray:
    # what the piece is, and what differs between its strokes
    own = np.random.default_rng(stable_seed(seed, "kit", number, piece))
    length = _LENGTHS.get(piece, 0.45 if "tom" in piece else 0.12)
    time = np.arange(int(RATE * length)) / RATE
    noise = np.random.default_rng(stable_seed(seed, "stroke", number, piece, variant)).standard_normal(len(time))
    if piece in _PITCHES:
        wave = _skin(own, time, _PITCHES[piece], noise)
    elif piece in ("hat", "open", "ride", "crash"):
        wave = _cymbal(own, time, piece, noise)
    elif piece == "snare":
        decay, wires = own.uniform(0.05, 0.11), own.uniform(0.06, 0.16)
        pitch = own.uniform(170, 240)
        body = np.sin(2 * np.pi * pitch * time) + 0.6 * np.sin(2 * np.pi * 1.58 * pitch * time)
        hiss = _band(noise, own.uniform(800, 1800), own.uniform(7000, 11_000))
        wave = own.uniform(0.3, 0.8) * body * np.exp(-time / decay) + 2.5 * hiss * np.exp(-time / wires)
    elif piece == "rim":
        pitch = own.uniform(350, 520)
        wave = np.sin(2 * np.pi * pitch * time) + np.sin(2 * np.pi * 3.6 * pitch * time)
        wave = wave * np.exp(-time / own.uniform(0.01, 0.025))
    elif piece == "clap":
        bursts = sum((time >= at) * np.exp(-(time - at).clip(0) / 0.006) for at in (0.0, 0.011, 0.022))
        tail = (time >= 0.03) * np.exp(-(time - 0.03).clip(0) / own.uniform(0.04, 0.09))
        wave = _band(noise, own.uniform(700, 1000), own.uniform(2200, 4500)) * (bursts + tail)
    else:
        rise = np.minimum(time / own.uniform(0.005, 0.02), 1)
        wave = _band(noise, own.uniform(3500, 5500), 11_500) * rise * np.exp(-time / own.uniform(0.02, 0.04))
    ends = np.minimum(1, (len(time) - np.arange(len(time))) / 240)  # 10 ms, so that no stroke ends in a click
    wave = wave * ends
    return np.asarray(wave / np.abs(wave).max(), np.float32)


def _skin(own: np.random.Generator, time: np.ndarray, pitches: tuple[float, float], noise: np.ndarray) -> np.ndarray:
    pitch, depth, fall = own.uniform(*pitches), own.uniform(0.5, 3.0), own.uniform(0.012, 0.04)
    phase = pitch * (time + depth * fall * (1 - np.exp(-time / fall)))  # integral of pitch * (1 + depth e^(-t / fall))
    click = _band(noise, 1000, own.uniform(3000, 8000)) * np.exp(-time / 0.004)
    found: np.ndarray = np.sin(2 * np.pi * phase) * np.exp(-time / own.uniform(0.06, 0.16))
    return found + own.uniform(0.1, 0.6) * click


def _cymbal(own: np.random.Generator, time: np.ndarray, piece: str, noise: np.ndarray) -> np.ndarray:
    decays = {"hat": (0.015, 0.05), "open": (0.12, 0.3), "ride": (0.25, 0.6), "crash": (0.4, 0.8)}
    pitch, lowest = (
        own.uniform(300, 560),
        own.uniform(4500, 7000) if piece in ("hat", "open") else own.uniform(2000, 4000),
    )
    metal = sum(square(2 * np.pi * pitch * ratio * time) for ratio in _METAL) / 6
    mixed = own.uniform(0.3, 1.0) * metal + own.uniform(0.5, 1.0) * noise
    wave = _band(mixed, lowest, 12_000) * np.exp(-time / own.uniform(*decays[piece]))
    if piece == "ride":
        wave = wave + own.uniform(0.1, 0.4) * np.sin(2 * np.pi * own.uniform(2500, 3500) * time) * np.exp(-time / 0.3)
    return np.asarray(wave)


def _band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """A sound between two frequencies; 24 dB an octave below, 12 above."""
    frequencies = np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 1.0)
    slopes = 1 / ((1 + (low / frequencies) ** 4) * (1 + (frequencies / high) ** 2))
    return np.fft.irfft(np.fft.rfft(noise) * slopes, len(noise))


def loudness(number: int, seed: int) -> dict[str, float]:
    """How loud each piece of a kit is in the mix of its drums."""
    own = np.random.default_rng(stable_seed(seed, "balance", number))
    usual = {"kick": 0.7, "snare": 0.8, "rim": 0.5, "clap": 0.7, "hat": 0.3, "open": 0.35, "ride": 0.3, "crash": 0.5}
    return {piece: usual.get(piece, 0.3 if piece == "shaker" else 0.8) * own.uniform(0.7, 1.3) for piece in PIECES}
