"""The sound of a film, put on the clock of its recording by its time stamps: gaps are silent, overlaps are left out."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from sensorium.data.quarantine import BadRecordingError, ReadAgain

TOLERANCE = Fraction(30, 1000)  # seconds between a time stamp and the end of what came before; containers round them
HIGHEST_RATE = 1_000_000  # samples a second; the filter that resamples grows with the rate
FULL = 32768
MOST_WAITING = 60  # seconds of sound that wait for the first picture
LOUD, INTEGERS = 4.0, 40_000.0  # peaks of float samples: beyond the first they are no sound in [-1, 1]
CANCELLED, DEAD = 1e-4, 1e-6  # share of the channels' energy that is left in their mean; of the loudest channel's
RANGES = {
    np.dtype(np.uint8): (128.0, 128.0),
    np.dtype(np.int16): (0.0, 32768.0),
    np.dtype(np.int32): (0.0, 2.0**31),
    np.dtype(np.int64): (0.0, 2.0**63),
}


class Soundtrack:
    """Sound at the recording's rate, in mono.

    Args:
        rate: samples a second.
        most: samples that are wanted; what comes later is counted and not kept. None: all.
        again: the settings of a second reading, if this is one.

    Attributes:
        made: samples that were put in place since the start.
        gaps: seconds without sound within it, or before its beginning.
        overlaps: seconds that were left out because there was sound already.
    """

    def __init__(self, rate: int, most: int | None = None, again: ReadAgain | None = None) -> None:
        self.rate, self._most, self._again = rate, most, again
        self.made, self.gaps, self.overlaps = 0, Fraction(0), Fraction(0)
        self._start: Fraction | None = None
        self._waiting: list[tuple[Fraction, np.ndarray, int]] = []
        self._expected: Fraction | None = None  # the time at which the next sample would follow the last one
        self._input_rate = 0
        self._resampler: av.AudioResampler | None = None
        self._parts: list[np.ndarray] = []  # int16, what was made and not taken
        self._mixed, self._energies, self._samples = 0.0, np.zeros(0), 0

    def start(self, time: Fraction) -> None:
        """Say when the recording begins; sound from before is left out."""
        self._start = time
        waiting, self._waiting = self._waiting, []
        for part in waiting:
            self._put(*part)

    def add(self, frame: av.AudioFrame) -> Fraction:
        """Put a decoded frame in its place; the time at which it ends.

        Raises:
            BadRecordingError: if its rate or its samples cannot be right.
            ReadAgain: if its samples have another scale.
        """
        rate = frame.sample_rate
        if rate > HIGHEST_RATE:
            raise BadRecordingError(f"{rate} samples a second; at most {HIGHEST_RATE} are read", "too_large")
        mono = self._mix(frame)
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base
        else:
            time = self._expected or Fraction(0)
        if self._start is None:
            self._waiting.append((time, mono, rate))
            if time - self._waiting[0][0] > MOST_WAITING:
                raise BadRecordingError(f"no picture in its first {MOST_WAITING} seconds", "time_stamps")
            self._expected = time + Fraction(len(mono), rate)
        else:
            self._put(time, mono, rate)
        return time + Fraction(len(mono), rate)

    def finish(self) -> None:
        """Take what the filter still holds, and look at the channels.

        Raises:
            ReadAgain: if they cancel each other, or one of two is silent.
        """
        self._flush()
        energy = float(self._energies.mean()) if len(self._energies) else 0.0
        if self._again or len(self._energies) < 2 or energy <= 1e-6 * self._samples:
            return
        if self._mixed < CANCELLED * energy:
            raise ReadAgain("channels_cancel", channel=0)
        if len(self._energies) == 2 and self._energies.min() < DEAD * self._energies.max():
            raise ReadAgain("dead_channel", channel=int(self._energies.argmax()))

    def take(self, samples: int) -> np.ndarray:
        """The next int16 [samples], which leave the track."""
        sound = np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)
        self._parts = [sound[samples:]]
        return sound[:samples]

    def _mix(self, frame: av.AudioFrame) -> np.ndarray:
        """A frame as float32 [n] in mono."""
        values = frame.to_ndarray()
        channels = len(frame.layout.channels)
        planes = values if frame.format.is_planar else values.reshape(-1, channels).T
        if values.dtype.kind == "f":
            if not np.isfinite(planes).all():
                bad = int((~np.isfinite(planes)).sum())
                raise BadRecordingError(f"non-finite sound: {bad} samples within a packet", "non_finite")
            planes = planes * np.float32(self._again.scale if self._again else 1.0)
            self._check_range(float(np.abs(planes).max(initial=0)))
        else:
            zero, full = RANGES[values.dtype]
            planes = (planes.astype(np.float64) - zero) / full
        if len(self._energies) != channels:
            self._energies = np.zeros(channels)
        self._energies += np.square(planes, dtype=np.float64).sum(1)
        channel = self._again.channel if self._again else None
        mono = planes[min(channel, channels - 1)] if channel is not None else planes.mean(0)
        self._mixed += float(np.square(mono, dtype=np.float64).sum())
        self._samples += len(mono)
        return np.ascontiguousarray(mono, np.float32)

    def _check_range(self, peak: float) -> None:
        if peak <= LOUD:
            return
        if self._again is None and peak <= INTEGERS:
            raise ReadAgain("integers", scale=1 / FULL)
        raise BadRecordingError(f"float samples of up to {peak:.3g} times full scale", "out_of_range")

    def _put(self, time: Fraction, mono: np.ndarray, rate: int) -> None:
        assert self._start is not None
        if self._expected is None or rate != self._input_rate or abs(time - self._expected) > TOLERANCE:
            self._flush()
            place = (time - self._start) * self.rate
            missing = round(place) - self.made
            if missing > 0:
                self.gaps += Fraction(missing, self.rate)
                self._keep(np.zeros(missing, np.int16))
            elif missing < 0:
                skipped = min(len(mono), -missing * rate // self.rate)
                if time >= self._start:
                    self.overlaps += Fraction(skipped, rate)
                mono, time = mono[skipped:], time + Fraction(skipped, rate)
            self._input_rate, self._expected = rate, time
            same = rate == self.rate
            self._resampler = None if same else av.AudioResampler(format="flt", layout="mono", rate=self.rate)
            if not len(mono):  # all of it is left out; the next frame is looked at anew
                self._expected = None
                return
        self._expected += Fraction(len(mono), rate)
        if self._resampler is None:
            self._keep(_to_int16(mono))
        else:
            frame = av.AudioFrame.from_ndarray(mono[None], format="flt", layout="mono")
            frame.sample_rate = rate
            for piece in self._resampler.resample(frame):
                self._keep(_to_int16(piece.to_ndarray()[0]))

    def _flush(self) -> None:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                self._keep(_to_int16(piece.to_ndarray()[0]))
            self._resampler = None

    def _keep(self, sound: np.ndarray) -> None:
        if self._most is None or self.made < self._most:
            self._parts.append(sound)
        self.made += len(sound)


def _to_int16(sound: np.ndarray) -> np.ndarray:
    return np.clip(np.round(sound * np.float32(FULL)), -FULL, FULL - 1).astype(np.int16)
