"""Which of two recordings is the copy, and what is left when copies are gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensorium.data.comparison import FEWEST_FRAMES, Content, digest_contents, find_copies, leave_out, unchanging


def content(number: int, split: Any, *frames: int) -> Content:
    return Content(number, split, f"r-{number}", None, np.array(frames, np.uint64))


def copied(*contents: Content) -> dict[int, int]:
    """Number of each copy -> number of its original."""
    return {copy.content.number: copy.original.number for copy in find_copies(contents)}


def test_the_copy_is_what_stands_in_the_later_split_or_has_the_larger_number() -> None:
    assert copied(content(0, "test", 1), content(1, "validation", 1), content(2, "training", 1)) == {1: 2, 0: 2}
    assert copied(content(3, "test", 1), content(2, "test", 1), content(1, "test", 2)) == {3: 2}
    assert copied(content(0, "training", 1, 2), content(1, "training", 2, 1)) == {}, "order matters"


@pytest.mark.parametrize(
    ("shared", "split", "found"), [(5, "test", {1: 0}), (4, "test", {}), (5, "training", {}), (8, "training", {})]
)
def test_more_than_half_of_the_frames_in_an_earlier_split_make_a_copy(shared: int, split: Any, found: Any) -> None:
    first = content(0, "training", *range(10), 3)
    assert copied(first, content(1, split, *range(shared), *range(20, 28 - shared))) == found


def test_few_frames_in_common_are_an_accident() -> None:
    assert copied(content(0, "training", *range(16)), content(1, "test", *range(FEWEST_FRAMES - 1))) == {}
    assert copied(content(0, "training", *range(16)), content(1, "test", *[3] * 16)) == {}


def test_what_was_left_out_makes_no_other_a_copy() -> None:
    first = content(0, "training", *range(10))
    second = content(1, "validation", *range(4, 14))  # a copy, so its last frames belong to nobody
    assert copied(first, second, content(2, "test", *range(8, 18))) == {1: 0}


def test_pictures_are_numbered_as_in_their_source() -> None:
    """The bad ones were not stored."""
    stored = {"a": {"video": np.arange(3, dtype=np.uint8)[:, None]}, "b": {"video": np.array([[1], [7]], np.uint8)}}
    entries = [
        {"name": name, "number": n, "frames": f, "split": "training"} for name, n, f in (("a", 0, 3), ("b", 5, 2))
    ]
    found = list(digest_contents(entries, stored, {"still": True}, {1, 3}))
    assert [each.number for each in found] == [0, 2, 4, 5, 6]
    (copy,) = copies = find_copies(found)
    assert (copy.content.number, copy.original.number) == (5, 2)
    assert leave_out(entries, copies) == [entries[0], {**entries[1], "frames": 1, "left_out": [0]}]
    assert leave_out(entries, [copy, copy.__class__(found[4], found[0])]) == entries[:1]


def test_a_stream_that_changes_once_is_alive() -> None:
    dead = {"audio": np.zeros(40, np.int16), "action": np.zeros(4, np.int64)}
    alive = {"audio": np.eye(40, dtype=np.int16)[3], "action": np.arange(4)}
    assert unchanging([dead, alive, dead], {}) == []
    assert unchanging([dead | {"action": alive["action"]}] * 2, {})[0].startswith("no sound in all 2 recordings")
