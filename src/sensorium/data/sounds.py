"""Reading short sound files with soundfile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from torchaudio.functional import resample

from sensorium.data.quarantine import BadRecordingError
from sensorium.data.sample_formats import to_audio

RIFF_HEADER, CHUNK_HEADER = 12, 8


def read_sound(path: Path, samples: int, sample_rate: int) -> tuple[np.ndarray, int]:
    """The beginning of a sound, in mono, padded with silence.

    Returns:
        int16 [samples], and how many of them come from the file.

    Raises:
        BadRecordingError: if the file cannot be read, is truncated, or is empty.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        with soundfile.SoundFile(path) as file:
            promised, rate = file.frames, file.samplerate
            wave = file.read(dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:  # soundfile.SoundFileError is a RuntimeError
        raise BadRecordingError(f"{name}: unreadable: {error}") from None
    if path.suffix.lower() == ".wav":  # libsndfile does not notice that a WAV file is truncated
        missing = _missing_bytes(path)
        if missing:
            raise BadRecordingError(f"{name}: truncated: {missing} bytes are missing")
    if len(wave) < promised:
        raise BadRecordingError(f"{name}: truncated: {len(wave)} of {promised} samples")
    if not len(wave):
        raise BadRecordingError(f"{name}: empty")
    mono = wave[: samples * rate // sample_rate + rate].mean(1)  # a second more, for the filter
    if rate != sample_rate:
        mono = resample(torch.from_numpy(mono), rate, sample_rate).numpy()
    mono = mono[:samples]
    result = np.zeros(samples, np.int16)
    result[: len(mono)] = to_audio(torch.from_numpy(mono)).numpy()
    return result, len(mono)


def _missing_bytes(path: Path) -> int:
    """By how many bytes the data chunk of a RIFF file exceeds the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(RIFF_HEADER)[:4] != b"RIFF":
            return 0
        while len(header := file.read(CHUNK_HEADER)) == CHUNK_HEADER:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                return max(0, file.tell() + length - size) if length < 2**32 - 1 else 0
            file.seek(length + length % 2, 1)
    return 0
