"""Numbers that say whether the drums of A and the harmony of B came out. Layouts: n pairs, S samples.

The margins compare the output with the right stem and with the wrong one, so that what both songs have in common, as
the beat that they share, counts for nothing. They are sums over pairs, divided by the truth's: 1 for the truth.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sensorium.models.spectrogram import LogMel
from sensorium.music.config import RATE

LOWEST, HIGHEST = -60.0, 100.0  # dB: silence and exact copies have no finite one
MELS, FRAME = 64, 1024  # of the spectrogram of onsets: four columns a frame
CHROMA, CHROMA_HOP, PITCHES = 8192, 2048, (55.0, 1760.0)
RESOLUTIONS = (512, 1024, 2048)
FLOOR = 1e-3  # of a magnitude in a spectral distance


def si_sdr(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Scale-invariant ratio of signal and distortion in dB (Le Roux et al. 2019, arXiv:1811.02508), [n]."""
    outputs, wanted = outputs.astype(np.float64), wanted.astype(np.float64)
    scale = (outputs * wanted).sum(-1) / np.maximum((wanted**2).sum(-1), 1e-12)
    part = scale[:, None] * wanted
    ratio = ((part**2).sum(-1) + 1e-20) / (((outputs - part) ** 2).sum(-1) + 1e-14)
    return np.clip(10 * np.log10(ratio), LOWEST, HIGHEST)


def stem_gains(outputs: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """Least-squares weights of the four stems [n, 4, S] in the outputs [n, S]: [n, 4]; right is 1 0 0 1."""
    found = []
    for output, four in zip(outputs.astype(np.float64), stems.astype(np.float64), strict=True):
        found.append(np.linalg.lstsq(four @ four.T, four @ output, rcond=None)[0])
    return np.array(found)


def onset_strength(sounds: np.ndarray) -> np.ndarray:
    """How far the bands of a log-mel spectrogram rise, column by column: [n, S] -> [n, columns]."""
    whole = sounds[:, : sounds.shape[1] // FRAME * FRAME].astype(np.float32)
    decibels = LogMel(MELS, RATE, FRAME)(torch.from_numpy(whole)).numpy()
    return np.asarray(np.maximum(np.diff(decibels, axis=2), 0).mean(1))


def chroma(sounds: np.ndarray) -> np.ndarray:
    """Magnitudes by pitch class, each frame of norm 1 or 0: [n, S] -> [n, 12, frames]."""
    spectra = torch.stft(
        torch.from_numpy(sounds.astype(np.float32)),
        CHROMA,
        CHROMA_HOP,
        window=torch.hann_window(CHROMA),
        return_complex=True,
    ).abs()
    frequencies = np.fft.rfftfreq(CHROMA, 1 / RATE)
    heard = (frequencies >= PITCHES[0]) & (frequencies <= PITCHES[1])
    classes = np.round(69 + 12 * np.log2(frequencies[heard] / 440)).astype(int) % 12
    to_classes = torch.from_numpy((classes == np.arange(12)[:, None]).astype(np.float32))
    found = to_classes @ spectra[:, torch.from_numpy(heard)]
    return np.asarray((found / (found.norm(dim=1, keepdim=True) + 1e-3)).numpy())


def rhythm_margin(outputs: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """Correlation of onset strength with the drums of A, minus that with the drums of B, [n]."""
    heard = onset_strength(outputs)
    right, wrong = (correlation(heard, onset_strength(stems[:, stem])) for stem in (0, 2))
    return right - wrong


def harmony_margin(outputs: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """Similarity of chroma with the harmony of B, minus that with the harmony of A, [n]."""
    heard = chroma(outputs)
    right, wrong = ((heard * chroma(stems[:, stem])).sum(1).mean(1) for stem in (3, 1))
    return np.asarray(right - wrong)


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Along the last axis; 0 where one does not vary."""
    x, y = (each - each.mean(-1, keepdims=True) for each in (x, y))
    norms = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.asarray(np.where(norms > 1e-9, (x * y).sum(-1) / np.maximum(norms, 1e-9), 0.0))


def share_of_truth(samples: np.ndarray, weights: np.ndarray) -> float:
    """A margin relative to the truth's: samples [n, 2] of (margin, margin of the truth)."""
    margin, truth = weights @ samples
    return float(margin / truth)


def transfer(samples: np.ndarray, weights: np.ndarray) -> float:
    """The smaller of rhythm and harmony: samples [n, 4] of both margins, each with the truth's."""
    return min(share_of_truth(samples[:, :2], weights), share_of_truth(samples[:, 2:], weights))


def copy(outputs: np.ndarray, songs: np.ndarray) -> np.ndarray:
    """Largest normalised cross-correlation with either of two songs [n, 2, S], at any lag: [n]."""
    size = 2 * outputs.shape[-1]
    spectra = np.fft.rfft(outputs, size)[:, None].conj() * np.fft.rfft(songs, size)
    peaks = np.abs(np.fft.irfft(spectra, size)).max(-1)
    norms = np.linalg.norm(outputs, axis=-1)[:, None] * np.linalg.norm(songs, axis=-1)
    return np.asarray((peaks / np.maximum(norms, 1e-9)).max(1))


def resolution_distance(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Spectral convergence plus mean log difference, over three resolutions (Yamamoto et al. 2020), [n]."""
    total = np.zeros(len(outputs))
    for size in RESOLUTIONS:
        found, true = (_magnitudes(sounds, size) for sounds in (outputs, wanted))
        convergence = (found - true).norm(dim=(1, 2)) / true.norm(dim=(1, 2)).clamp_min(FLOOR)
        total += (convergence + (found.log() - true.log()).abs().mean((1, 2))).numpy() / len(RESOLUTIONS)
    return total


def mel_distance(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean absolute difference of 64 mel bands in dB, [n]."""
    length = outputs.shape[-1] // FRAME * FRAME
    found, true = (
        20 * LogMel(MELS, RATE, FRAME)(torch.from_numpy(sounds[:, :length].astype(np.float32)))
        for sounds in (outputs, wanted)
    )
    return np.asarray((found - true).abs().mean((1, 2)).numpy())


def _magnitudes(sounds: np.ndarray, size: int) -> Tensor:
    wave = torch.from_numpy(sounds.astype(np.float32))
    return torch.stft(wave, size, size // 4, window=torch.hann_window(size), return_complex=True).abs().clamp_min(FLOOR)
