"""Compressors that a text on a grid is compared with: those of Python's library, and our models without priming.

zstd and brotli have no binding in the environment of this project, and none is added for a baseline alone; deflate with
a dictionary of the texts that prime stands for what a dictionary gives.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sensorium.puzzle import empty_model
from sensorium.puzzle.primed_model import PrimedModel
from sensorium.puzzle.text_codes import TextCodes

WINDOW = 1 << 15  # bytes of a dictionary of deflate
_XZ = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]

Size = Callable[[bytes], int]  # bytes that a text takes


def compressors(arrays: Mapping[str, np.ndarray], counted: Sequence[bytes]) -> dict[str, Size]:
    """Bytes that a text takes, by the name of what writes it; none has a header.

    Args:
        arrays: of the text codes.
        counted: the texts that prime; of these the dictionary is the first bytes of as many as fit, evenly.
    """
    each = max(1, -(-WINDOW // len(counted)))
    dictionary = b"".join(text[:each] for text in counted)[:WINDOW]
    model = unprimed(arrays)
    return {
        "raw": len,
        "gzip": deflated,
        "gzip with a dictionary": lambda text: deflated(text, dictionary),
        "bzip2": lambda text: len(bz2.compress(text, 9)),
        "xz": lambda text: len(lzma.compress(text, lzma.FORMAT_RAW, filters=_XZ)),
        "empty model": lambda text: len(empty_model.encode(text)),
        "counters of the corpus empty": lambda text: len(model.encode(text)[0]),
    }


def unprimed(arrays: Mapping[str, np.ndarray]) -> PrimedModel:
    """The primed model without what the corpus counted."""
    return TextCodes({**arrays, "counters": np.zeros_like(arrays["counters"])}).model


def deflated(text: bytes, dictionary: bytes = b"") -> int:
    """Bytes of the deflate stream of a text, without the header and check sum of gzip."""
    packer = (
        zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=dictionary) if dictionary else zlib.compressobj(9, 8, -15, 9)
    )
    return len(packer.compress(text)) + len(packer.flush())


def longest(text: bytes, size: Size, most: int) -> int:
    """Bytes of the longest beginning of a text that takes at most `most` bytes, by bisection."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    return low
