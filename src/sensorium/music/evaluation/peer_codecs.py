"""What Opus, MP3 and AAC make of sounds, through FFmpeg: the bytes of their packets are counted.

A bit rate that is asked for is not what is written (Opus at 16 kbit/s writes 19 of music), and what comes back begins
later (AAC by 1,024 samples): bytes are counted, and sounds are aligned by their correlation with the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np

from sensorium.music.config import RATE

LONGEST_DELAY = 4096  # samples


@dataclass(frozen=True)
class Peer:
    """A codec of FFmpeg.

    Attributes:
        encoder: its name there.
        container: that knows how long its delay is.
        rates: that may be asked for, kbit/s, ascending.
    """

    encoder: str
    container: str
    rates: tuple[int, ...]


PEERS = {
    "Opus": Peer("libopus", "ogg", (6, 8, 12, 16, 24, 32, 48)),
    "MP3": Peer("libmp3lame", "mp3", (8, 16, 24, 32, 48)),
    "AAC": Peer("aac", "adts", (8, 16, 24, 32, 48)),
}


@dataclass(frozen=True)
class Coded:
    """Sounds that went through bits.

    Attributes:
        sounds: float32 [n, S].
        kbps: kilobits a second that they took, on average.
    """

    sounds: np.ndarray
    kbps: float


def by_peer(sounds: np.ndarray, peer: Peer, asked: int) -> Coded:
    """Sounds [n, S] at RATE through a codec of FFmpeg."""
    files = [_encoded(sound, peer, asked) for sound in sounds]
    decoded = [_aligned(_decoded(file), sound) for (file, _), sound in zip(files, sounds, strict=True)]
    bits = 8 * sum(size for _, size in files)
    return Coded(np.stack(decoded), bits / (sounds.size / RATE) / 1000)


def _encoded(sound: np.ndarray, peer: Peer, asked: int) -> tuple[bytes, int]:
    """A file of a sound, and the bytes of its packets."""
    buffer, size = BytesIO(), 0
    with av.open(buffer, "w", format=peer.container) as container:
        stream: Any = container.add_stream(peer.encoder, rate=RATE)
        stream.bit_rate, stream.layout = 1000 * asked, "mono"
        stream.format = stream.codec_context.codec.audio_formats[0]
        stream.time_base = Fraction(1, RATE)
        frame = av.AudioFrame.from_ndarray(np.clip(sound, -1, 1).astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            size += packet.size
            container.mux(packet)
    return buffer.getvalue(), size


def _decoded(file: bytes) -> np.ndarray:
    """The sound of a file, at RATE."""
    resampler, parts = av.AudioResampler("fltp", "mono", RATE), []
    with av.open(BytesIO(file), "r") as container:
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts)


def _aligned(decoded: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The part of a decoded sound that fits the original best, as long as it; zeros where there is none."""
    size = 2 * max(len(decoded), len(sound)) + LONGEST_DELAY
    match = np.fft.irfft(np.fft.rfft(decoded, size) * np.fft.rfft(sound, size).conj(), size)
    lags = np.arange(-LONGEST_DELAY, LONGEST_DELAY + 1)
    lag = int(lags[match[lags].argmax()])
    shifted = decoded[lag:] if lag > 0 else np.pad(decoded, (-lag, 0))
    return np.pad(shifted[: len(sound)], (0, max(0, len(sound) - len(shifted)))).astype(np.float32)
