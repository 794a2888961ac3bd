"""What the pictures of a recording reveal when they are compared: that they stand still, or are blank."""

from __future__ import annotations

import cv2
import numpy as np

SAME = 0.5  # mean difference of 8-bit values below which two pictures are equal but for the codec's noise
FLAT = 8  # range of 8-bit values of a picture of one colour


class PictureLevels:
    """Counts over all pictures of a recording.

    Attributes:
        looked, still, flat: pictures that were looked at; that equal the one before; that have one colour.
    """

    def __init__(self) -> None:
        self.looked = self.still = self.flat = 0
        self._before: np.ndarray | None = None

    def add(self, picture: np.ndarray) -> None:
        """The next picture, uint8 [size, size, 3]."""
        self.looked += 1
        self.flat += int(picture.max()) - int(picture.min()) <= FLAT
        if self._before is not None:
            self.still += float(cv2.absdiff(picture, self._before).mean()) < SAME
        self._before = picture

    def verdicts(self) -> list[tuple[str, str]]:
        """(reason, detail) of what was noticed."""
        found = []
        if 2 * self.flat > self.looked:
            found.append(("blank", f"{self.flat} of {self.looked} pictures"))
        if 2 * self.still > self.looked:
            all_of_them = self.still == self.looked - 1
            found.append(("constant" if all_of_them else "frozen", f"{self.still} of {self.looked} pictures"))
        return found
