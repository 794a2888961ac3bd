"""Music files of any length, read in blocks: whatever PyAV decodes, in stereo or mono, at one rate.

A file is read twice: once to hear all of it, so that damage, silence and its level are known before anything is
written, and once to work on. Memory does not depend on its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from sensorium.data.files import blamed_on, open_regular
from sensorium.data.media import END_TOLERANCE, LIMITS, STRICT
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.soundtrack import HIGHEST_RATE
from sensorium.music.beat_features import RATE, BeatFeatures, BeatListener

LONGEST = 120  # minutes: more does not fit into a WAV file of floats
SHORTEST = 1.0  # seconds
LARGEST_GAP = 0.02  # seconds between two frames; what decoders cannot read, FFmpeg leaves out
SILENCE = 1e-4  # of full scale: a file without a larger sample is silent


class SoundFileError(Exception):
    """A file that cannot be worked on: the message names it, what is wrong and the way out (exit 65)."""

    exit_code = 65


@dataclass(frozen=True)
class SoundFile:
    """A file that was heard once.

    Attributes:
        path: of the file.
        rate: its own samples a second.
        channels: its own.
        samples: at RATE.
        peak, level: largest sample, and root mean square of the mean of its channels.
        features: from which its beats are estimated.
    """

    path: Path
    rate: int
    channels: int
    samples: int
    peak: float
    level: float
    features: BeatFeatures

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / RATE

    @classmethod
    def open(cls, path: Path) -> SoundFile:
        """Hear all of a file.

        Raises:
            SoundFileError: if it cannot be read, is damaged, has no sound, is silent, or is too short or too long.
            OSError: if it is not there, or is no file.
        """
        with open_regular(path):
            pass
        samples, peak, power, listener = 0, 0.0, 0.0, BeatListener()
        own: tuple[int, int] = (0, 0)
        try:
            for rate, count, block in _decoded(path, "stereo"):
                own = rate, count
                samples += block.shape[1]
                peak = max(peak, float(np.abs(block).max(initial=0)))
                mono = block.mean(0, dtype=np.float64)
                power += float((mono**2).sum())
                listener.add(mono)
                if samples > 60 * LONGEST * RATE:
                    raise SoundFileError(f"{path}: longer than {LONGEST} minutes; cut it")
        except BadRecordingError as error:
            raise SoundFileError(f"{error}; convert it, for example to WAV or FLAC, or get it again") from None
        if samples < SHORTEST * RATE:
            raise SoundFileError(f"{path}: {samples / RATE:.2f} seconds of sound; at least {SHORTEST:.0f} is needed")
        if not np.isfinite(power):
            raise SoundFileError(f"{path}: has samples that are no numbers; write it again")
        if peak < SILENCE:
            raise SoundFileError(f"{path}: silent, its largest sample is {peak:.1e}; there is nothing to take from it")
        return cls(path, *own, samples, peak, float(np.sqrt(power / samples)), listener.features())

    def blocks(self, channels: int, samples: int) -> Iterator[np.ndarray]:
        """Its first samples at RATE, float32 [channels, n] at a time; a mono file fills both channels.

        Raises:
            SoundFileError: if it has changed since it was heard.
        """
        left = samples
        try:
            for _, _, block in _decoded(self.path, "stereo" if channels == 2 else "mono"):
                yield block[:, :left]
                left -= min(left, block.shape[1])
                if not left:
                    return
        except BadRecordingError as error:
            raise SoundFileError(f"{error}; it has changed while it was read") from None
        raise SoundFileError(f"{self.path}: {left} samples are missing; it has changed while it was read")

    def resampled(self, channels: int, rate: int) -> Iterator[np.ndarray]:
        """All of it at another rate, float32 [channels, n] at a time.

        Raises:
            SoundFileError: if it has changed since it was heard.
        """
        try:
            for _, _, block in _decoded(self.path, "stereo" if channels == 2 else "mono", rate):
                yield block
        except BadRecordingError as error:
            raise SoundFileError(f"{error}; it has changed while it was read") from None


def _decoded(path: Path, layout: str, rate: int = RATE) -> Iterator[tuple[int, int, np.ndarray]]:
    """A file's own rate and channels, with what is decoded next, float32 [channels, n] at `rate`.

    Raises:
        BadRecordingError: if it cannot be decoded.
    """
    with blamed_on(str(path)), open_regular(path) as file, av.open(file, "r", options=LIMITS) as container:
        stream = next((each for each in container.streams if each.type == "audio"), None)
        if not isinstance(stream, av.AudioStream) or stream.codec_context is None:
            raise BadRecordingError("no sound that can be decoded")
        stream.codec_context.options = STRICT
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        own, end, origin = (0, 0), 0.0, 0.0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise BadRecordingError("truncated or damaged: a packet is not whole")
            for frame in packet.decode():
                if not isinstance(frame, av.AudioFrame) or frame.sample_rate > HIGHEST_RATE:
                    raise BadRecordingError(f"sound at a rate above {HIGHEST_RATE}")
                origin = origin if own[0] else frame.time or 0.0
                if frame.time is not None and frame.time - origin > end + LARGEST_GAP:
                    raise BadRecordingError(f"damaged: {frame.time - origin - end:.2f} s are missing after {end:.2f} s")
                own = frame.sample_rate, frame.layout.nb_channels
                end += frame.samples / frame.sample_rate
                for piece in resampler.resample(frame):
                    yield *own, piece.to_ndarray()
        length = (container.duration or 0) / av.time_base
        if end < length - END_TOLERANCE:
            raise BadRecordingError(f"truncated: {end:.2f} of {length:.2f} seconds")
        for piece in resampler.resample(None) if own[0] else ():
            yield *own, piece.to_ndarray()
