"""Windows of 128 characters of the texts that prime, for the language preset of earlier work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sensorium.puzzle.collect_texts import StoredText
from sensorium.puzzle.legacy import CHARACTERS

STRIDE = CHARACTERS // 2


class TextWindows:
    """All windows of 128 bytes, half a window apart, of texts; what is no ASCII becomes the last character.

    Args:
        texts: the texts; those with fewer bytes have no window.

    Raises:
        ValueError: if there is no window.
    """

    def __init__(self, texts: Sequence[StoredText]) -> None:
        self._texts = [np.frombuffer(text.content, np.uint8) for text in texts]
        counts = [max(0, (len(text) - CHARACTERS) // STRIDE + 1) for text in self._texts]
        self._ends = np.cumsum(counts)
        if not len(self):
            raise ValueError(f"no window of {CHARACTERS} bytes in {len(texts)} texts")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Windows by number: "text" uint8 [B, 128]."""
        source = np.searchsorted(self._ends, indices, side="right")
        before = np.where(source > 0, self._ends[source - 1], 0)
        starts = (indices - before) * STRIDE
        rows = [self._texts[text][start : start + CHARACTERS] for text, start in zip(source, starts, strict=True)]
        return {"text": torch.from_numpy(np.minimum(np.stack(rows), CHARACTERS - 1))}
