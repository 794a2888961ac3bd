"""Reading short sound files with soundfile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import soundfile
import torch
from torchaudio.functional import resample

from sensorium.data.files import blamed_on, open_regular
from sensorium.data.headers import missing_bytes
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.sample_formats import to_audio

BLOCK = 2**20  # samples of all channels that are decoded at a time
LARGEST_KERNEL = 2**24  # numbers in the filter that resamples
HIGHEST_RATE = 1_000_000  # samples a second


def read_sound(path: Path, samples: int, sample_rate: int) -> tuple[np.ndarray, int]:
    """The beginning of a sound, in mono, padded with silence.

    Returns:
        int16 [samples], and how many of them come from the file.

    Raises:
        BadRecordingError: if the file cannot be read, is truncated, or is empty.
    """
    with blamed_on(f"{path.parent.name}/{path.name}"), open_regular(path) as file:
        # libsndfile does not notice that a WAV file is truncated
        if path.suffix.lower() == ".wav" and (missing := missing_bytes(file)):
            raise BadRecordingError(f"truncated: {missing} bytes are missing")
        file.seek(0)
        mono, rate = _beginning(file, samples, sample_rate)
        if rate != sample_rate:
            mono = _resampled(mono, rate, sample_rate)
    mono = mono[:samples]
    result = np.zeros(samples, np.int16)
    result[: len(mono)] = to_audio(torch.from_numpy(mono)).numpy()
    return result, len(mono)


def _beginning(file: BinaryIO, samples: int, sample_rate: int) -> tuple[np.ndarray, int]:
    """What is needed of a sound, in mono at its own rate: float32 [n], and that rate.

    The whole file is decoded, because a damaged end is a fault to report, but in blocks: a header may lie about its
    length.
    """
    with soundfile.SoundFile(file) as sound:
        rate = sound.samplerate
        if rate > HIGHEST_RATE:
            raise BadRecordingError(f"{rate} samples a second; at most {HIGHEST_RATE} are read")
        needed = samples * rate // sample_rate + rate  # a second more, for the filter
        parts: list[np.ndarray] = []
        for block in blocks(sound):
            parts.append(block[: max(0, needed)].mean(1))
            needed -= len(block)
    if not parts:
        raise BadRecordingError("empty")
    return np.concatenate(parts), rate


def blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """The whole of a sound, float32 [n, channels] at a time.

    Raises:
        BadRecordingError: if it ends before the length in its header.
    """
    read = 0
    while len(block := sound.read(max(1, BLOCK // sound.channels), dtype="float32", always_2d=True)):
        yield block
        read += len(block)
    if read < sound.frames:
        raise BadRecordingError(f"truncated: {read} of {sound.frames} samples")


def _resampled(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """A sound float32 [n] at another rate, by windowed sinc."""
    divisor = math.gcd(rate, sample_rate)
    if rate // divisor * (sample_rate // divisor) <= LARGEST_KERNEL:
        return resample(torch.from_numpy(mono), rate, sample_rate).numpy()
    # Rates without a large divisor (11,127 Hz) would need a filter of gigabytes there.
    frame = av.AudioFrame.from_ndarray(mono[None], format="flt", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([piece.to_ndarray()[0] for piece in pieces])
