"""Songs of two bars at one tempo that are composed for a study, and pairs of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.collect_songs import perform, plan
from sensorium.music.config import RATE, SongsConfig
from sensorium.music.latents import CosineLatents
from sensorium.randomness import stable_seed

TEMPO, BARS = 120.0, 2  # of all songs: four seconds
WINDOWS = 4  # pairs of each song of training
MEASURED = 32  # pairs from which the scale of each channel is measured


def stems_of(training: int, tested: int, seed: int) -> np.ndarray:
    """Drums and harmony of so many songs of training and then of the test, int16 [songs, 2, S]: none in common."""
    count = max(8, 4 * (training + tested))
    made = SongsConfig(songs=count, bars=BARS, tempi=(TEMPO,), seed=stable_seed(seed, "songs") % 2**31)
    planned = list(plan(made))
    chosen = [each for each in planned if each.split == "training"][:training]
    chosen += [each for each in planned if each.split == "test"][:tested]
    sounds = [perform(made, each)[1] for each in chosen]
    return np.stack([np.stack((sound.drums, sound.harmony)) for sound in sounds])


def pairs_of(stems: np.ndarray) -> np.ndarray:
    """Stems int16 [n, 2, S] of songs -> float32 [n / 2, 4, S]: no song is in two pairs."""
    even = stems[: len(stems) // 2 * 2].astype(np.float32) / FULL_SCALE
    return even.reshape(len(even) // 2, 4, -1)


def training_pairs(stems: np.ndarray, seconds: float, seed: int) -> Tensor:
    """Windows int16 [n, 4, S] of songs and of partners, which begin at the same beat."""
    samples, beat = round(seconds * RATE), round(60 * RATE / TEMPO)
    rng = np.random.default_rng(stable_seed(seed, "windows"))
    rows = []
    for song in range(len(stems)):
        for _ in range(WINDOWS):
            other = (song + 1 + int(rng.integers(len(stems) - 1))) % len(stems)
            start = beat * int(rng.integers((stems.shape[-1] - samples) // beat + 1))
            rows.append(np.concatenate((stems[song], stems[other]))[:, start : start + samples])
    return torch.from_numpy(np.stack(rows))


def channel_scales(windows: Tensor) -> list[float]:
    """Standard deviation of each channel of the latents of mixtures, of stems int16 [n, 4, S]."""
    stems = windows[:MEASURED].float() / FULL_SCALE
    latents = CosineLatents().encode((stems[:, 0::2] + stems[:, 1::2]).flatten(0, 1))
    return [float(each) for each in latents.std((0, 2)) + 1e-6]
