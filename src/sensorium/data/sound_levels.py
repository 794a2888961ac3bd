"""What the levels of a sound reveal: silence, clipping, offsets, and noise where the bytes are in the wrong order."""

from __future__ import annotations

import numpy as np

FULL = 32768
CLIPPED = 0.05  # share of samples at full scale
OFFSET = 0.1  # of full scale
FAINT = 10 ** (-80 / 20) * FULL
NOISE, CORRELATION = 0.25, 0.05  # rms of full scale, and correlation of neighbouring samples


class SoundLevels:
    """Sums over all samples of a sound."""

    def __init__(self) -> None:
        self._count = self._zeros = self._clipped = 0
        self._sum = self._squares = self._products = 0.0
        self._low, self._high = FULL, -FULL

    def add(self, sound: np.ndarray) -> None:
        """Samples int16 [n] that follow those before."""
        if not len(sound):
            return
        values = sound.astype(np.float64)
        self._count += len(sound)
        self._zeros += int((sound == 0).sum())
        self._clipped += int(((sound >= FULL - 1) | (sound <= -FULL + 1)).sum())
        self._low, self._high = min(self._low, int(sound.min())), max(self._high, int(sound.max()))
        self._sum += float(values.sum())
        self._squares += float(values @ values)
        self._products += float(values[1:] @ values[:-1])

    def verdicts(self) -> list[tuple[str, str]]:
        """(reason, detail) of what was noticed."""
        if not self._count:
            return []
        if self._low == self._high:
            what = "silent: every sample is zero" if self._low == 0 else f"stuck sound: every sample is {self._low}"
            return [("silent", what)]
        found = []
        if 2 * self._zeros > self._count:
            found.append(("zeros", f"{self._zeros / self._count:.0%} of the samples are zero"))
        if self._clipped > CLIPPED * self._count:
            found.append(("clipped", f"{self._clipped / self._count:.0%} of the samples are at full scale"))
        mean = self._sum / self._count / FULL
        if abs(mean) > OFFSET:
            found.append(("offset", f"a mean of {mean:.2f} of full scale"))
        if max(self._high, -self._low) < FAINT:
            found.append(("faint", f"a peak of {max(self._high, -self._low)} of {FULL}"))
        rms = (self._squares / self._count) ** 0.5 / FULL
        if rms > NOISE and abs(self._products) < CORRELATION * self._squares:
            found.append(("noise", f"an rms of {rms:.2f} of full scale, without correlation"))
        return found
