"""A binary arithmetic coder with 32-bit bounds.

Witten, Neal and Cleary, "Arithmetic coding for data compression" (1987), in the carryless form of Mahoney (2005): the
interval [low, high] is divided in the ratio of the two probabilities, and leading bytes on which both bounds agree are
written. A model keeps the bounds in variables of its own while it codes, for a call a decision would take longer than
the prediction; `shift` is called once a byte.
"""

from __future__ import annotations

ALL = 0xFFFFFFFF
TOP = 1 << 24  # bounds that differ by less in their leading byte agree on it
MOST_COUNTERS = 1 << 20  # that a model keeps of a text before it forgets them all, so that memory has a bound


class Coder:
    """The state of coding.

    Args:
        code: what is read; None: a code is written.

    Attributes:
        low, high: the bounds, both inside the interval.
        value: the next 32 bits of the code that is read; behind its end there are zeros.
    """

    def __init__(self, code: bytes | None = None) -> None:
        self.low, self.high = 0, ALL
        self._code, self._place, self._out = code or b"", 4, bytearray()
        self.value = int.from_bytes(self._code[:4].ljust(4, b"\0"), "big")

    def shift(self, low: int, high: int, value: int) -> tuple[int, int, int]:
        """Bounds and value after the leading byte of the bounds was written, or read."""
        self._out.append(high >> 24)
        following = self._code[self._place] if self._place < len(self._code) else 0
        self._place += 1
        return low << 8 & ALL, high << 8 & ALL | 255, value << 8 & ALL | following

    def bounds(self) -> tuple[int, int, int]:
        """Where writing stands, for `back`."""
        return self.low, self.high, len(self._out)

    def back(self, bounds: tuple[int, int, int]) -> None:
        """Forget what was written since then."""
        self.low, self.high, size = bounds
        del self._out[size:]

    def size(self) -> int:
        """The most bytes that the code has if it ends here."""
        return len(self._out) + 4

    def end(self) -> bytes:
        """The whole code: the fewest bytes that lie between the bounds if zeros follow; they end in no zero."""
        for size in range(5):
            rest = 32 - 8 * size
            last = self.high >> rest << rest
            if last >= self.low:
                self._out += last.to_bytes(4, "big")[:size]
                break
        return bytes(self._out).rstrip(b"\0")
