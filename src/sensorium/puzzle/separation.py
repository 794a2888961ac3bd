"""Separation: nothing that primes may be found in what judges.

Manuals quote each other, and licences are each other's copies. So a paragraph that primes is dropped if it shares a run
of about 48 characters, white space counted as one blank, with any text that judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RUN = 48  # bytes
STRIDE = 8  # a shared run of RUN + STRIDE - 1 bytes is found for certain
_BLANK = re.compile(rb"\s+")
_PARAGRAPH = re.compile(rb"\n[ \t]*\n")


class JudgedRuns:
    """The runs of the texts that judge."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._runs: set[bytes] = set()
        for text in texts:
            plain = _plain(text)
            self._runs.update(plain[start : start + RUN] for start in range(len(plain) - RUN + 1))

    def shares(self, text: bytes) -> bool:
        """Whether a text shares a run with them."""
        plain = _plain(text)
        starts = range(0, len(plain) - RUN + 1, STRIDE)
        return any(plain[start : start + RUN] in self._runs for start in starts)

    def without(self, text: bytes) -> bytes:
        """The text without its paragraphs that share a run; of a run that two paragraphs share, both are dropped."""
        paragraphs = _PARAGRAPH.split(text)
        kept = [not self.shares(paragraph) for paragraph in paragraphs]
        for place in range(len(paragraphs) - 1):
            if kept[place] and kept[place + 1] and self.shares(b"\n".join(paragraphs[place : place + 2])):
                kept[place] = kept[place + 1] = False
        return b"\n\n".join(paragraph for paragraph, keep in zip(paragraphs, kept, strict=True) if keep)


def _plain(text: bytes) -> bytes:
    return _BLANK.sub(b" ", text)
