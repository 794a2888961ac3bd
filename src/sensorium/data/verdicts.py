"""What is wrong with a file, from a closed list: each reason has one verdict and one way out.

A file has one verdict. `ok` and `repaired` files are taken; `suspicious` ones can be read but look wrong, and
`data.suspicious` says whether they are taken; `bad` ones are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

Verdict = Literal["ok", "repaired", "suspicious", "bad"]
VERDICTS: tuple[Verdict, ...] = ("ok", "repaired", "suspicious", "bad")  # the worst one comes last


class Finding(NamedTuple):
    """A reason: its verdict, what it means, and what to do about it."""

    verdict: Verdict
    meaning: str
    way_out: str


REASONS: dict[str, Finding] = {
    "good": Finding("ok", "nothing was found", "nothing"),
    "turned": Finding("repaired", "it says that it is to be shown turned, and was turned", "nothing"),
    "pixels": Finding("repaired", "its pixels are no squares, and were made squares", "nothing"),
    "late_picture": Finding("repaired", "its picture begins after its sound; the sound before is left out", "nothing"),
    "overlap": Finding("repaired", "packets of sound overlap; what was there already is left out", "nothing"),
    "channels_cancel": Finding(
        "repaired", "its channels cancel each other; the first one is taken", "check the cables"
    ),
    "dead_channel": Finding("repaired", "a channel is silent; the loudest one is taken alone", "check the cables"),
    "integers": Finding("repaired", "floats in the range of 16 bits, which were scaled", "nothing"),
    "fractions": Finding("repaired", "pictures of floats from 0 to 1, which were scaled", "nothing"),
    "picture_gap": Finding("suspicious", "its picture has gaps, in which it stands still", "look at it"),
    "sound_gap": Finding("suspicious", "its sound has gaps, which are silent", "listen to it"),
    "frozen": Finding(
        "suspicious", "most of its pictures equal the one before", "look at it; cut out what stands still"
    ),
    "blank": Finding("suspicious", "most of its pictures have one colour", "look at it"),
    "narrow": Finding("suspicious", "its sides are below 8 pixels, or one is 20 times the other", "look at it"),
    "zeros": Finding("suspicious", "most of its sound is digital silence", "listen to it; copy it again"),
    "clipped": Finding("suspicious", "its sound is clipped", "record it at a lower level"),
    "offset": Finding("suspicious", "its sound has a constant offset", "remove it with a high-pass filter"),
    "faint": Finding("suspicious", "its sound stays below -80 dB of full scale", "check the microphone"),
    "noise": Finding(
        "suspicious", "its sound is white noise at a high level", "check the byte order and sample format"
    ),
    "short_signals": Finding("suspicious", "its signals end before it does", "check the clock of the signals"),
    "unreadable": Finding("bad", "its reader fails", "encode it again, or remove it"),
    "no_stream": Finding("bad", "a stream is missing", "change data.streams, or remove it"),
    "no_decoder": Finding("bad", "no decoder knows its codec", "encode it again"),
    "damaged": Finding("bad", "a packet is damaged", "copy it again from its source"),
    "truncated": Finding("bad", "it ends before the length that it states", "copy it again, or write its length anew"),
    "too_short": Finding("bad", "it has fewer frames than data.shortest", "remove it, or lower data.shortest"),
    "too_large": Finding("bad", "its rate, its pictures or its arrays are too large", "make it smaller"),
    "time_stamps": Finding("bad", "its time stamps jump", "write them anew (ffmpeg -i IN -c copy OUT)"),
    "non_finite": Finding("bad", "its samples or numbers are not finite", "export it again"),
    "out_of_range": Finding("bad", "its float samples are far beyond full scale", "export it again"),
    "silent": Finding("bad", "every sample is equal", "change data.streams, or remove it"),
    "constant": Finding("bad", "all pictures are equal", "remove it"),
    "missing": Finding("bad", "an array, or a part of one, is missing", "see the detail"),
    "wrong_array": Finding("bad", "an array has a type or a shape that cannot be used", "see the detail"),
    "lengths": Finding("bad", "its parts have different lengths", "record it again, or remove it"),
    "objects": Finding("bad", "it has objects or texts where numbers are needed", "save arrays of numbers"),
    "outside": Finding("bad", "it refers to another file", "copy the data into it"),
    "beyond": Finding("bad", "its actions are beyond their bounds", "see the detail"),
    "signals": Finding("bad", "the file beside it cannot be used", "see the detail"),
    "memory": Finding("bad", "its reader took too much memory and was stopped", "encode it again, or remove it"),
    "time": Finding("bad", "its reader hung and was stopped", "encode it again, or remove it"),
    "crash": Finding("bad", "its reader crashed", "encode it again, or remove it"),
}


def row(
    file: str, found: Iterable[tuple[str, str]], seconds: float = 0.0, left_out: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The row of a file in the lists of shards.

    Args:
        file: its path below the set.
        found: (reason, detail) of everything that was found; the worst one counts, the first of equals.
        seconds: that were taken from it.
        left_out: reason -> seconds that were not.
    """
    worst, detail = max(found, key=lambda each: VERDICTS.index(REASONS[each[0]].verdict), default=("good", ""))
    reason = REASONS[worst]
    return {
        "file": file,
        "verdict": reason.verdict,
        "reason": worst,
        "detail": detail,
        "way_out": reason.way_out,
        "seconds": round(seconds, 3),
        "left_out": {why: round(length, 3) for why, length in (left_out or {}).items() if length > 0},
    }
