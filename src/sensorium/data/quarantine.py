"""Checks of recordings, and the limit on bad ones.

A bad recording is named, counted and left out; it is never replaced. The checks look for technical faults, not for
dull content. Digital silence (all samples zero) is no fault in itself: a room in which nothing was struck is silent,
and so is a game between two effects. It is a fault only if the source declares that it is never silent
(`details["may_be_silent"]` is false). A sound that is stuck at another value is always a fault. A video whose frames
are all equal is a fault, but not a simulator's (`details["simulated"]`): a game may wait for its first key. In a set of
pictures (`details["still"]`), a picture of a single colour is one. What only a comparison of recordings shows, `index`
finds (`data.comparison`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Fields = Mapping[str, np.ndarray]
SHOWN = 3  # bad recordings that a message names


class BadRecordingError(Exception):
    """A recording cannot be read or made, and goes to quarantine; the message is the reason.

    Attributes:
        kind: for files, its key in `data.verdicts.REASONS`.
    """

    def __init__(self, message: str, kind: str = "unreadable") -> None:
        super().__init__(message)
        self.kind = kind


class ReadAgain(Exception):
    """What has been read of the sound is wrong; it must be read again with other settings.

    Attributes:
        reason: key of `data.verdicts.REASONS`.
        channel: to take alone; None: the mean of all.
        scale: factor of every sample.
    """

    def __init__(self, reason: str, channel: int | None = None, scale: float = 1.0) -> None:
        super().__init__(reason)
        self.reason, self.channel, self.scale = reason, channel, scale


class BadDataError(Exception):
    """Too many recordings are bad, or too few are left (exit 65)."""

    exit_code = 65


def check(fields: Fields, details: Mapping[str, Any], frames: int, *, part: bool = False) -> str | None:
    """The reason to leave a recording out, or None if it is good.

    Args:
        fields: field -> array, as `data.recording` describes them.
        details: of the source: size, samples_per_frame, action, body, may_be_silent, still; and simulated.
        frames: frames T that the recording should have.
        part: whether it is a part of a film, which may be still or silent; then only its form is checked.
    """
    for examine in FORMAL if part else CHECKS:
        reason = examine(fields, details, frames)
        if reason:
            return reason
    return None


def wrong_type(fields: Fields, details: Mapping[str, Any], frames: int, complete: bool = True) -> str | None:
    """A field of another dtype or shape than the details say; or a field that a `complete` recording lacks."""
    for field, (dtype, shape) in _expected(details).items():
        if field not in fields:
            if complete:
                return f"missing {field}"
            continue
        array = fields[field]
        if array.dtype != dtype or array.shape[1:] != shape or array.ndim != 1 + len(shape):
            return f"wrong {field}: {array.dtype} {list(array.shape)}, expected {np.dtype(dtype)} [T{_tail(shape)}]"
    return None


def _expected(details: Mapping[str, Any]) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Field -> dtype and shape after the leading dimension, for the fields that follow from the details."""
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {}
    if details.get("size"):
        expected["video"] = (np.uint8, (details["size"], details["size"], 3))
    if details.get("sample_rate"):
        expected["audio"] = (np.int16, ())
    if details.get("action"):
        continuous = details["action"]["kind"] == "continuous"
        expected["action"] = (np.float32, (details["action"]["size"],)) if continuous else (np.int64, ())
    if details.get("body"):
        expected["body"] = (np.float32, (details["body"],))
    return expected


def _tail(shape: tuple[int, ...]) -> str:
    return "".join(f", {size}" for size in shape)


def _truncated(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    for field in ("video", "audio"):
        if field in fields:
            needed = frames * (details["samples_per_frame"] if field == "audio" else 1)
            if len(fields[field]) < needed:
                return (
                    f"truncated {field}: {len(fields[field])} of {needed} {'samples' if field == 'audio' else 'frames'}"
                )
    return None


def clock_mismatch(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    """A field that has another length than its frames need."""
    for field, array in fields.items():
        needed = frames * details["samples_per_frame"] if field == "audio" else frames
        if not field.startswith("truth.") and len(array) != needed:
            return f"clock mismatch: {field} has {len(array)} entries, {frames} frames need {needed}"
    return None


def _non_finite(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    for field, array in fields.items():
        if array.dtype.kind != "f":
            continue
        # In the truth, NaN means "undefined here". In other fields it is a fault, and infinity is one in all fields.
        bad = np.isinf(array) if field.startswith("truth.") else ~np.isfinite(array)
        if bad.any():
            return f"non-finite {field}: {int(bad.sum())} of {array.size} values"
    return None


def _stuck_sound(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    audio = fields.get("audio")
    if audio is None or (audio != audio[0]).any():
        return None
    if audio[0] != 0:
        return f"stuck sound: every sample is {int(audio[0])}"
    return None if details.get("may_be_silent", True) else "silent: every sample is zero"


def _constant_video(fields: Fields, details: Mapping[str, Any], frames: int) -> str | None:
    video = fields.get("video")
    if video is None:
        return None
    if details.get("still"):
        return None if (video != video[:, :1, :1]).any() else "blank picture: every pixel is equal"
    if details.get("simulated"):
        return None
    return None if (video != video[0]).any() else "constant video: all frames are equal"


Check = Callable[[Fields, Mapping[str, Any], int], str | None]
FORMAL: tuple[Check, ...] = (wrong_type, _truncated, clock_mismatch, _non_finite)
CHECKS: tuple[Check, ...] = (*FORMAL, _stuck_sound, _constant_video)


def refuse_too_many(quarantine: Sequence[Mapping[str, str]], total: int, max_bad_fraction: float) -> None:
    """Raise an error if more than `max_bad_fraction` of `total` recordings are bad.

    Args:
        quarantine: entries {"name", "reason"}.

    Raises:
        BadDataError: naming the count, the first reasons and the way out.
    """
    if len(quarantine) <= max_bad_fraction * total:
        return
    shown = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in quarantine[:SHOWN])
    more = f"; and {len(quarantine) - SHOWN} more" if len(quarantine) > SHOWN else ""
    raise BadDataError(
        f"{len(quarantine)} of {total} recordings are bad, data.max_bad_fraction allows {max_bad_fraction:g}: "
        f"{shown}{more}. Mend or remove these, or raise data.max_bad_fraction"
    )
