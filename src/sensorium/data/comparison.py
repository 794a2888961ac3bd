"""Comparison of the recordings of a set: copies of one another, and streams in which nothing ever changes.

Both make numbers wrong in silence. A test recording that training holds too is remembered, not predicted; copies within
a split count once but are counted often, so intervals are too narrow; and from a stream without change nothing can be
learned, whatever the losses say.

Recordings are compared by digests of what is seen, heard, felt and done, to the bit:

- whole, in any set;
- frame by frame where nobody acts (films, sounds), so clips of one film that overlap, or were cut a few frames apart,
  are found too. In a world that is acted in, equal frames are no copies: a game begins with the same picture each time;
- picture by picture in sets of pictures.

A copy that was encoded again, resized or cut at another sample differs in its bits and is not found.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.quarantine import BadDataError, Fields
from sensorium.data.recording import SPLITS, Split

SENSED = ("video", "audio", "action", "body")
DIGEST_BYTES = 8
FEWEST_FRAMES = 8  # different ones from which on it is no accident that more than half stand elsewhere too


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What is compared: that of a recording, or of one picture of several that are stored as one recording.

    Attributes:
        number: of the recording or picture in its source.
        split: where it belongs.
        recording: name of the recording that stores it.
        frame: its frame there; None: all of them.
        digests: uint64 [K], of its K pieces in order: frames, or the whole.
    """

    number: int
    split: Split
    recording: str
    frame: int | None
    digests: np.ndarray


@dataclass(frozen=True, slots=True)
class Copy:
    """A content that an earlier one has.

    Attributes:
        content: the later one, by split and number.
        original: the earlier one; where only frames agree, the one that has most of them.
        frames: how many of its different frames earlier splits have, and how many it has; None: it is equal as a whole.
    """

    content: Content
    original: Content
    frames: tuple[int, int] | None = None


def digest_contents(
    entries: Sequence[Mapping[str, Any]], arrays: Mapping[str, Fields], details: Mapping[str, Any], bad: set[int]
) -> Iterator[Content]:
    """The contents of a set, to compare.

    Args:
        entries: of all its recordings, by number: name, number, split.
        arrays: name -> field -> array.
        details: of the set.
        bad: numbers of the recordings or pictures that are in quarantine.
    """
    number = -1
    for entry in entries:
        name, split, fields = entry["name"], entry["split"], arrays[entry["name"]]
        if not details.get("still"):
            yield Content(entry["number"], split, name, None, _digests(fields, details))
            continue
        for frame, picture in enumerate(fields["video"]):  # pictures are stored in order, without the bad ones
            number += 1
            while number in bad:
                number += 1
            yield Content(number, split, name, frame, _digest([picture[None]]))


def _digests(fields: Fields, details: Mapping[str, Any]) -> np.ndarray:
    if "action" in fields or not {"video", "audio"} & set(fields):
        return _digest([fields[field][None] for field in SENSED if field in fields])
    if "video" in fields:
        return _digest([fields["video"]])
    return _digest([fields["audio"].reshape(-1, details["samples_per_frame"])])


def _digest(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Digests uint64 [K] of arrays [K, ...]: of their first entries together, of their second ones, ..."""
    joined = bytearray()
    for entries in zip(*arrays, strict=True):
        piece = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for entry in entries:
            piece.update(np.ascontiguousarray(entry).data)
        joined += piece.digest()
    return np.frombuffer(bytes(joined), np.uint64)


def find_copies(found: Iterable[Content]) -> list[Copy]:
    """Contents that are equal to an earlier one, or most of whose frames an earlier split has.

    Earlier is what stands in an earlier split (training, validation, test) or, in the same one, has a smaller number.
    Clips of one split may overlap.
    """
    wholes: dict[bytes, Content] = {}
    owners: dict[int, Content] = {}  # of each frame
    copies = []
    for content in sorted(found, key=lambda each: (SPLITS.index(each.split), each.number)):
        original = wholes.setdefault(content.digests.tobytes(), content)
        if original is not content:
            copies.append(Copy(content, original))
            continue
        frames = set(content.digests.tolist())
        if len(frames) < FEWEST_FRAMES:
            continue
        earlier = Counter(owners[frame] for frame in frames if frame in owners and owners[frame].split != content.split)
        if 2 * earlier.total() > len(frames):
            copies.append(Copy(content, earlier.most_common(1)[0][0], (earlier.total(), len(frames))))
            continue
        for frame in frames:
            owners.setdefault(frame, content)
    return copies


def leave_out(entries: Sequence[Mapping[str, Any]], copies: Sequence[Copy]) -> list[dict[str, Any]]:
    """The entries of a set without its copies; a picture is left out of the recording that stores it."""
    gone: dict[str, list[int | None]] = {}
    for copy in copies:
        gone.setdefault(copy.content.recording, []).append(copy.content.frame)
    kept = []
    for entry in entries:
        frames = sorted(frame for frame in gone.get(entry["name"], []) if frame is not None)
        if entry["name"] not in gone:
            kept.append(dict(entry))
        elif 0 < len(frames) < entry["frames"]:
            kept.append({**entry, "frames": entry["frames"] - len(frames), "left_out": frames})
    return kept


def unchanging(arrays: Sequence[Fields], details: Mapping[str, Any]) -> list[str]:
    """Warnings of streams in which nothing changes in any recording.

    Silence, a channel that stays, and a reward that never comes may happen in a small set. Films that all stand still,
    and actions of which there is only one, are faults.

    Args:
        arrays: field -> array of every recording.
        details: of the set.

    Raises:
        BadDataError: if no picture changes in any recording, or all actions are equal.
    """
    total = f"in all {len(arrays)} recordings"
    if not details.get("still") and all("video" in fields and _constant(fields["video"]) for fields in arrays):
        raise BadDataError(f"the picture stands still {total}: nothing can be learned from it; mend what records it")
    warnings = []
    if all("audio" in fields and _constant(fields["audio"]) for fields in arrays):
        warnings.append(f"no sound {total}: what hears will learn nothing; record longer, or where something sounds")
    for field in ("action", "body", "reward"):
        if not all(field in fields and fields[field].size for fields in arrays):
            continue
        low = np.min([fields[field].min(0) for fields in arrays], axis=0)
        constant = low == np.max([fields[field].max(0) for fields in arrays], axis=0)
        if not constant.any():
            continue
        if field == "action" and constant.all():
            raise BadDataError(
                f"every action is {low.tolist()} {total}: what actions do can't be learned from it; vary them, or let "
                'the source declare that there are none (details: "action": None)'
            )
        channels = f", channels {np.flatnonzero(constant).tolist()}," if constant.ndim else ""
        warnings.append(f"{field}{channels} never changes {total}: {CONSEQUENCES[field]}")
    return warnings


CONSEQUENCES = {
    "action": "what these actions do can't be learned; vary them or leave them out",
    "body": "it carries nothing; mend what records it or leave it out",
    "reward": "an agent has nothing to learn from; record more, or choose another task or game",
}


def _constant(array: np.ndarray) -> bool:
    return bool((array == array[:1]).all())
