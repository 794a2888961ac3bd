"""Pitched instruments: wave tables whose upper harmonics die away, with an envelope.

A patch has a table of one period as it is struck (bright) and one as it ends (dark), both without harmonics above half
the sampling rate; a note fades from one to the other. Voices that are slightly out of tune, vibrato and breath are
added where the patch has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sensorium.music.config import RATE
from sensorium.randomness import stable_seed

TABLE = 2048  # samples of a period
MOST_HARMONICS = 40


@dataclass(frozen=True)
class Family:
    """Ranges that the patches of a kind are drawn from, (low, high) each.

    Attributes:
        slope: exponent by which harmonics fall when a note is struck.
        even: amplitude of even harmonics.
        darkening: how much steeper they fall in the end.
        attack, decay, release: seconds.
        sustain: level that a held note decays to.
        detune: cents between two voices; 0: one voice.
        vibrato: cents.
        breath: level of noise.
    """

    slope: tuple[float, float]
    even: tuple[float, float]
    darkening: tuple[float, float]
    attack: tuple[float, float]
    decay: tuple[float, float]
    sustain: tuple[float, float]
    release: tuple[float, float] = (0.03, 0.1)
    detune: tuple[float, float] = (0.0, 0.0)
    vibrato: tuple[float, float] = (0.0, 0.0)
    breath: tuple[float, float] = (0.0, 0.0)


FAMILIES = {
    "finger bass": Family((2.2, 3.0), (0.6, 1), (0.5, 1.5), (0.004, 0.012), (0.3, 0.9), (0.1, 0.4)),
    "synthetic bass": Family((1.6, 2.1), (0.2, 1), (0.5, 2.0), (0.002, 0.01), (0.1, 0.5), (0.3, 0.8)),
    "sine bass": Family((3.6, 5.1), (0.2, 0.6), (0, 0.5), (0.005, 0.02), (0.4, 1.0), (0.4, 0.9)),
    "electric piano": Family((2.6, 3.6), (0.3, 0.9), (0.8, 2.0), (0.002, 0.008), (0.5, 1.5), (0.0, 0.1)),
    "organ": Family((1.8, 2.6), (0.5, 1), (0, 0.1), (0.005, 0.02), (1, 2), (0.9, 1), (0.03, 0.06), (0, 0), (0, 8)),
    "pad": Family((1.9, 2.5), (0.8, 1), (0, 0.4), (0.08, 0.3), (1, 2), (0.7, 1), (0.15, 0.4), (6, 18)),
    "plucked": Family((1.6, 2.2), (0.6, 1), (1.5, 3.0), (0.001, 0.004), (0.15, 0.5), (0, 0.05)),
    "strings": Family((1.7, 2.1), (0.8, 1), (0, 0.2), (0.04, 0.15), (1, 2), (0.8, 1), (0.1, 0.2), (4, 12), (4, 12)),
    "brass": Family((1.5, 2.0), (0.7, 1), (0.2, 0.6), (0.02, 0.06), (0.3, 0.8), (0.6, 0.9), (0.04, 0.08)),
    "square lead": Family((1.6, 2.0), (0.0, 0.2), (0.1, 0.6), (0.003, 0.01), (0.3, 1.0), (0.5, 0.9), vibrato=(0, 20)),
    "saw lead": Family((1.6, 1.9), (0.9, 1), (0.1, 0.8), (0.003, 0.02), (0.3, 1), (0.5, 0.9), (0.04, 0.1), (0, 15)),
    "flute": Family(
        (2.8, 3.8), (0.4, 1), (0, 0.2), (0.03, 0.08), (1, 2), (0.8, 1), (0.05, 0.1), (0, 0), (5, 25), (0.003, 0.02)
    ),
    "bell": Family((2.1, 3.1), (0.1, 0.6), (0.8, 1.8), (0.001, 0.003), (0.4, 1.2), (0, 0.02)),
    "whistle": Family(
        (3.6, 5.1), (0.2, 0.6), (0, 0.2), (0.02, 0.05), (1, 2), (0.8, 1), (0.05, 0.1), (0, 0), (10, 40), (0.0, 0.01)
    ),
}
OF_ROLE = {
    "bass": ("finger bass", "synthetic bass", "sine bass"),
    "chords": ("electric piano", "organ", "pad", "plucked", "strings", "brass"),
    "lead": ("square lead", "saw lead", "flute", "bell", "whistle", "plucked"),
}


@dataclass(frozen=True)
class Patch:
    """An instrument.

    Attributes:
        family: its kind.
        Others: as in `Family`, one value each.
    """

    family: str
    slope: float
    even: float
    darkening: float
    attack: float
    decay: float
    sustain: float
    release: float
    detune: float
    vibrato: float
    breath: float

    def note(self, pitch: int, samples: int) -> np.ndarray:
        """A note that is held for so many samples, with its release: float32 [n]."""
        count = samples + int(RATE * self.release)
        time = np.arange(count, dtype=np.float32) / np.float32(RATE)
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        bright, dark = (_table(self.slope + more, self.even, frequency) for more in (0.0, self.darkening))
        fading = np.exp(-time / np.float32(0.6 * self.decay))
        spread = (-self.detune / 2, self.detune / 2) if self.detune else (0.0,)
        wave = np.zeros(count, np.float32)
        for cents in spread:
            phase = np.float64(frequency * 2 ** (cents / 1200)) * np.arange(count) / RATE
            if self.vibrato:
                depth = frequency * self.vibrato / 1731 / (2 * np.pi * 5.5)  # 1731 = 1200 / ln 2
                phase = phase + depth * np.sin(2 * np.pi * 5.5 * time)
            place = (phase * TABLE).astype(np.int64) % TABLE
            wave += dark[place] + (bright - dark)[place] * fading
        if self.breath:
            wave += self.breath * np.random.default_rng(stable_seed("breath", pitch, samples)).standard_normal(count)
        return wave * self._envelope(time, samples) / len(spread)

    def _envelope(self, time: np.ndarray, samples: int) -> np.ndarray:
        held = self.sustain + (1 - self.sustain) * np.exp(-time / np.float32(self.decay))
        held *= np.minimum(time / np.float32(self.attack), 1)
        held[samples:] *= np.linspace(1, 0, len(time) - samples, dtype=np.float32)
        return np.asarray(held, np.float32)


def draw_patch(seed: int, role: str, number: int) -> Patch:
    """Patch `number` of the bank of a role."""
    own = np.random.default_rng(stable_seed(seed, "patch", role, number))
    family = OF_ROLE[role][number % len(OF_ROLE[role])]
    ranges = vars(FAMILIES[family])
    return Patch(family, **{name: float(own.uniform(*bounds)) for name, bounds in ranges.items()})


@lru_cache(maxsize=4000)
def _table(slope: float, even: float, frequency: float) -> np.ndarray:
    """One period, float32 [TABLE], of root mean square 0.35."""
    harmonics = np.arange(1, 1 + max(1, min(MOST_HARMONICS, int(0.48 * RATE / frequency))))
    amplitudes = harmonics ** -float(slope) * np.where(harmonics % 2, 1.0, even)
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[harmonics] = -1j * amplitudes
    wave = np.fft.irfft(spectrum, TABLE)
    return np.asarray(0.35 * wave / wave.std(), np.float32)
