"""Sounds that a reader of results can play: which, and a file of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import wavfile

from sensorium.artifacts import atomic_path
from sensorium.data.sample_formats import LARGEST_SAMPLE

SHOWN = 4
PAUSE = 0.15  # seconds between sounds that are played


def loud_examples(truth: np.ndarray) -> np.ndarray:
    """A few of the louder half of the sounds, int [shown]."""
    louder = np.argsort(-(truth**2).mean(1, dtype=np.float64), kind="stable")[: len(truth) // 2]
    return louder[np.linspace(0, len(louder) - 1, min(SHOWN, len(louder))).astype(int)]


def write_sounds(path: Path, truth: np.ndarray, other: np.ndarray, rate: int) -> None:
    """A WAV file of each true sound [S] followed by the other one."""
    pause = np.zeros(int(PAUSE * rate), np.float32)
    played = np.concatenate(
        [part for pair in zip(truth, other, strict=True) for sound in pair for part in (sound, pause)]
    )
    with atomic_path(path) as temporary:
        wavfile.write(temporary, rate, np.round(LARGEST_SAMPLE * played.clip(-1, 1)).astype(np.int16))
