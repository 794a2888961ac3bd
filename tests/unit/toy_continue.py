"""Sounds and a mask with fresh weights, for tests of `sensorium continue`."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from toy_music import MASK

from sensorium.artifacts import write_manifest
from sensorium.cli import main
from sensorium.config import canonical_json
from sensorium.music.config import RATE as MODEL_RATE
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sound_files import RATE

BEATS = ("--beats-a", "120@0", "--beats-b", "120@0")  # of the sounds below, which are too short to find theirs


def noise(seconds: float, rate: int = RATE, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Sound [n, channels]: noise that comes and goes, with a tone."""
    time = np.arange(round(seconds * rate)) / rate
    loud = 0.05 + 0.2 * (time % 0.5 < 0.1)
    waves = np.random.default_rng(seed).standard_normal((len(time), channels)) * loud[:, None] * 0.3
    return np.asarray(waves + 0.1 * np.sin(2 * np.pi * 330 * time)[:, None], np.float32)


def encode(path: Path, codec: str, wave: np.ndarray, rate: int) -> Path:
    """Write a sound [n, channels] by a codec of FFmpeg."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo" if wave.shape[1] == 2 else "mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave.T), "fltp", stream.layout.name)
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.format.name, stream.layout.name, rate, frame_size=stream.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def run(*argv: object) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as leaving:
        main(["continue", *map(str, argv), "--device", "cpu", "--threads", "1"])
    return int(leaving.value.code or 0)


def fresh_mask(folder: Path) -> Path:
    """Manifest of a mask with fresh weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = folder / "model.safetensors"
    save_file(MaskNetwork(MASK, {"rate": MODEL_RATE}).state_dict(), path)
    section = canonical_json(MASK)
    details = {"shapes": {"rate": MODEL_RATE}}
    write_manifest(folder, kind="music_mask", section_json=section, inputs={}, files={"model": path}, details=details)
    return folder / "manifest.json"
