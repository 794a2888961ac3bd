"""Bits of the codes of sounds: what an arithmetic coder would write with tables that training sounds gave.

A symbol costs -log2 of its share among the training symbols of its kind, each of whose possible values counts `SPARE`
times more than it was seen. These are tables of order 0, but levels are coded as changes: only the first frame of a
window has the levels themselves. The lower bits of a voice's frequency, and its phase, cost what they would as plain
numbers. An arithmetic coder takes at most two bits more for a whole recording (Witten, Neal and Cleary 1987).
"""

from __future__ import annotations

import math

import numpy as np

from sensorium.generation import voices
from sensorium.generation.band_codec import StoredSound

SPARE = 0.1
FINE = 64  # steps of a frequency that share a symbol
_ALPHABET = 512  # values of a symbol, around 0

Symbols = dict[str, np.ndarray]  # kind -> whole numbers [rows, tables]; each column has a table of its own


class CodeLength:
    """Bits of stored sounds.

    Args:
        examples: of training recordings, which fill the tables.
    """

    def __init__(self, examples: StoredSound) -> None:
        self._tables = {
            name: [np.bincount(_placed(column), minlength=_ALPHABET) + SPARE for column in values.T]
            for name, values in symbols(examples).items()
        }

    def __call__(self, stored: StoredSound) -> dict[str, float]:
        """Bits a frame of both tiers: {"tokens", "voices"}."""
        found = {name: self._bits(name, values) for name, values in symbols(stored).items()}
        there = stored.voices[..., 0] != voices.ABSENT
        plain = float(there.sum()) * (math.log2(FINE) + math.log2(voices.PHASES))
        frames = stored.onset.numel()
        tokens = sum(found[name] for name in ("first", "change", "onset"))
        return {"tokens": tokens / frames, "voices": (sum(found.values()) - tokens + plain) / frames}

    def _bits(self, name: str, values: np.ndarray) -> float:
        tables = (np.log2(table.sum()) - np.log2(table) for table in self._tables[name])
        return float(sum(table[_placed(column)].sum() for table, column in zip(tables, values.T, strict=True)))


def symbols(stored: StoredSound) -> Symbols:
    """What is coded, by its kind."""
    levels, codes = stored.levels.cpu().numpy(), stored.voices.cpu().numpy()
    there = codes[..., 0] != voices.ABSENT
    slot, frequency, decay, level, _ = codes[there].T[..., None]
    return {
        "first": levels[:, 0],
        "change": np.diff(levels, axis=1).reshape(-1, levels.shape[-1]),
        "onset": stored.onset.cpu().numpy().reshape(-1, 1).astype(np.int64),
        "count": there.sum(-1).reshape(-1, 1),
        "slot": slot,
        "frequency": frequency // FINE,
        "decay": decay,
        "level": level,
    }


def _placed(values: np.ndarray) -> np.ndarray:
    return np.clip(values + _ALPHABET // 2, 0, _ALPHABET - 1)
