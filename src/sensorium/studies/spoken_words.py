"""Spoken words as patches of equal size: log-mel bands, without silence at both ends, stretched to the same width.

Layouts: B batch, M bands, N columns, S samples.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from sensorium.artifacts import ArtifactError
from sensorium.data.archives import read_archive, reading_member
from sensorium.data.sounds import blocks
from sensorium.data.vocoder import change_voice
from sensorium.randomness import Draw
from sensorium.studies.config import WordAugmentation

BANDS, COLUMNS = 40, 48
WINDOW, HOP = 256, 80  # samples; at 8 kHz 32 ms and 10 ms
QUIET = 25.0  # decibels; a word begins and ends where it is this far below its loudest moment
LOUDNESS = 0.1  # root mean square to which every word is scaled
FAINT = 1e-2  # power added to every band: anything softer counts as silence
NAME = re.compile(r"\d{1,9}_[^_]+_[^_]+\.wav")
LONGEST_WORD = 4  # blocks of a decoder: minutes
TOGETHER = 50  # words a pass of the vocoder
PATH_KNOTS, BAND_KNOTS = 6, 5  # knots of a random path through time and through the bands


@dataclass(frozen=True)
class Words:
    """Spoken words.

    Attributes:
        sounds: one a word, float32 [S], of different lengths.
        rate: samples a second.
        digit: spoken digit of each word, int64 [n].
        speaker: index of each word's speaker in `names`, int64 [n].
        names: of the speakers.
    """

    sounds: list[Tensor]
    rate: int
    digit: np.ndarray
    speaker: np.ndarray
    names: list[str]


def read_words(archive: Path) -> Words:
    """Words of an archive SET/DIGIT/DIGIT_SPEAKER_TAKE.wav, of one sample rate, in the order of their names.

    The archive is read once, in the order in which it was written: to seek back in a compressed file means to unpack
    it again from its start.

    Raises:
        ArtifactError: if there is no such archive, it is damaged, or it holds fewer than two speakers or two rates.
    """
    if not archive.is_file():
        raise ArtifactError(f"{archive}: no such archive; set studies.spoken_digits.archive")
    found = []
    for path, content in read_archive(archive, ".wav"):
        with reading_member(archive, path):
            if not NAME.fullmatch(Path(path).name):
                raise ValueError("it is not called DIGIT_SPEAKER_TAKE.wav")
            wave, rate = _decode(content)
            found.append((path, torch.from_numpy(wave), rate))
    found.sort(key=lambda each: each[0])
    labels = [Path(path).stem.split("_") for path, _, _ in found]
    rates, names = {rate for _, _, rate in found}, sorted({name for _, name, _ in labels})
    if len(names) < 2 or len(rates) != 1:
        raise ArtifactError(f"{archive}: {len(names)} speakers and sample rates {sorted(rates)}; wanted 2 and one")
    digit = np.array([int(digit) for digit, _, _ in labels])
    speaker = np.array([names.index(name) for _, name, _ in labels])
    return Words([sound for _, sound, _ in found], rates.pop(), digit, speaker, names)


def _decode(content: bytes) -> tuple[np.ndarray, int]:
    """Samples float32 [S] of a sound of one channel, and its rate."""
    with soundfile.SoundFile(io.BytesIO(content)) as sound:
        if sound.channels != 1:
            raise ValueError(f"it has {sound.channels} channels")
        parts: list[np.ndarray] = []
        for block in blocks(sound):
            parts.append(block[:, 0])
            if len(parts) > LONGEST_WORD:
                raise ValueError("it is too long for a word")
    return np.concatenate(parts), sound.samplerate


def trimmed(sound: Tensor) -> Tensor:
    """The part of a sound [S] between its first and last moment within QUIET decibels of the loudest."""
    padded = F.pad(sound, (0, max(0, WINDOW - len(sound))))
    power = padded.unfold(0, WINDOW, HOP).square().mean(1)
    loud = (power >= power.max() * 10 ** (-QUIET / 10)).nonzero()[:, 0]
    return padded[int(loud[0]) * HOP : int(loud[-1]) * HOP + WINDOW]


def patch(sound: Tensor, bank: Tensor) -> Tensor:
    """A word's log-mel bands at equal loudness, [BANDS, COLUMNS], in decades of power."""
    word = trimmed(sound)
    word = word * (LOUDNESS / word.square().mean().sqrt().clamp_min(1e-4))
    spectrum = torch.stft(word, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)
    bands = (bank.T @ spectrum.abs().square() + FAINT).log10()
    return F.interpolate(bands[None], COLUMNS, mode="linear", align_corners=False)[0]


def patches(sounds: list[Tensor], rate: int) -> Tensor:
    """Patches of words in their original voices: [n, BANDS, COLUMNS]."""
    bank = melscale_fbanks(WINDOW // 2 + 1, 0.0, rate / 2, BANDS, rate)
    return torch.stack([patch(sound, bank) for sound in sounds])


def voices(words: Words, config: WordAugmentation, seed: int) -> Tensor:
    """Patches of every word in `config.voices` other voices: float16 [n, voices, BANDS, COLUMNS].

    Pitch and formants move by themselves; tempo needs no change where every word is stretched to the same columns.
    """
    bank = melscale_fbanks(WINDOW // 2 + 1, 0.0, words.rate / 2, BANDS, words.rate)
    result = torch.empty(len(words.sounds), config.voices, BANDS, COLUMNS, dtype=torch.float16)
    order = np.argsort([len(sound) for sound in words.sounds], kind="stable")
    for number, rows in enumerate(np.array_split(order, -(-len(order) // TOGETHER))):
        batch = torch.nn.utils.rnn.pad_sequence([words.sounds[row] for row in rows], batch_first=True)
        for voice in range(config.voices):
            draw = Draw(seed, number * config.voices + voice, 0, len(rows), len(rows), torch.device("cpu"))
            change = 2 * draw.uniform("voice", 2) - 1
            pitch, formant = config.pitch * change[:, 0], config.formant * change[:, 1]
            spoken = change_voice(batch, pitch, torch.ones(len(rows)), formant)
            for place, row in enumerate(rows):
                result[row, voice] = patch(spoken[place, : len(words.sounds[row])], bank).half()
    return result


def augment_patches(bands: Tensor, config: WordAugmentation, draw: Draw, view: str) -> Tensor:
    """One random view of each patch [B, BANDS, COLUMNS]: a crop of it, at an uneven pace, by another microphone.

    Time is cropped and warped, bands are warped and raised or lowered, noise is added, and one stretch of time and
    one of bands are masked.
    """
    rows = len(bands)
    part = 1 - config.crop * draw.uniform(f"{view}.part")
    place = (2 * draw.uniform(f"{view}.place") - 1) * (1 - part)
    wander = config.warp * draw.normal(f"{view}.pace", PATH_KNOTS)
    wander[:, [0, -1]] = 0
    time = torch.linspace(-1, 1, COLUMNS) * part[:, None] + place[:, None] + _curve(wander, COLUMNS)
    band = torch.linspace(-1, 1, BANDS) + _curve(config.warp * draw.normal(f"{view}.bands", BAND_KNOTS), BANDS)
    across, down = (axis.expand(rows, BANDS, COLUMNS) for axis in (time[:, None], band[:, :, None]))
    grid = torch.stack([across, down], dim=3)
    moved = F.grid_sample(bands[:, None], grid, padding_mode="border", align_corners=True)[:, 0]
    moved = moved + _curve(config.channel * draw.normal(f"{view}.channel", PATH_KNOTS), BANDS)[:, :, None]
    noise = 10 ** (config.noise * draw.uniform(f"{view}.noise")) * FAINT
    moved = (10**moved + noise[:, None, None]).log10()
    mean = moved.mean((1, 2), keepdim=True)
    for axis, size in ((1, BANDS), (2, COLUMNS)):
        width = config.mask * size * draw.uniform(f"{view}.mask{axis}")
        start = (size - width) * draw.uniform(f"{view}.start{axis}")
        index = torch.arange(size)
        hidden = (index >= start[:, None]) & (index < (start + width)[:, None])
        moved = torch.where(hidden.unsqueeze(3 - axis), mean, moved)
    return moved


def _curve(knots: Tensor, size: int) -> Tensor:
    """Straight lines through knots [B, k], at `size` places: [B, size]."""
    return F.interpolate(knots[:, None], size, mode="linear", align_corners=True)[:, 0]
