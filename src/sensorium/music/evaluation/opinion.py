"""ViSQOL, an opinion score from 1 to 5 that a model predicts, if the package visqol-python is installed.

It compares how a sound was coded and not what it is: another song scores above Opus at 12 kbit/s. So it stands beside
the metrics, and judges nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch
from torchaudio.functional import resample

from sensorium.music.config import RATE

OPINION_RATE = 48_000  # of its mode for music
MISSING = "the package visqol-python is not installed; install it with: pip install visqol-python"


def opinion_missing() -> str | None:
    """Why there is no score; None if there is one."""
    return None if find_spec("visqol") else MISSING


def opinions(decoded: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """Scores of decoded sounds [n, S] at RATE, [n]."""
    judge = import_module("visqol").VisqolApi()
    judge.create(mode="audio")
    with TemporaryDirectory() as folder:
        found = []
        for pair in zip(sounds, decoded, strict=True):
            paths = [f"{folder}/{name}.wav" for name in ("truth", "decoded")]
            for path, sound in zip(paths, pair, strict=True):
                soundfile.write(path, resample(torch.from_numpy(sound), RATE, OPINION_RATE).numpy(), OPINION_RATE)
            found.append(float(judge.measure(*paths).moslqo))
    return np.array(found)
