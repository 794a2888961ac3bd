"""Small text codes, primed on a few pages of Python's manual, for tests."""

from __future__ import annotations

from functools import cache
from pydoc_data.topics import topics

import numpy as np

from sensorium.puzzle.collect_texts import StoredText
from sensorium.puzzle.text_codes import TextCodes
from sensorium.puzzle.text_config import PuzzleTextConfig
from sensorium.puzzle.train_puzzle_text import prime

CONFIG = PuzzleTextConfig(words=1000, slots=16, fit_pages=30, fit_rounds=20)
COUNTED = (
    "assignment",
    "class",
    "compound",
    "execmodel",
    "formatstrings",
    "function",
    "if",
    "import",
    "integers",
    "with",
)
FITTED = ("exprlists", "for", "lambda", "numeric-types", "slicings", "try")
UNSEEN = topics["exceptions"].encode()


def texts() -> list[StoredText]:
    """Those that are counted and fitted."""
    counted = [StoredText("topics", f"topics/{name}", "counted", topics[name].encode()) for name in COUNTED]
    return counted + [StoredText("topics", f"topics/{name}", "fitted", topics[name].encode()) for name in FITTED]


@cache
def arrays() -> dict[str, np.ndarray]:
    """Of the artifact."""
    return prime(CONFIG, texts())


@cache
def codes() -> TextCodes:
    """Both layouts."""
    return TextCodes(arrays())
