"""Quarantine: each fault is named, dull but honest recordings pass, and too many faults stop the run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sensorium.data.quarantine import BadDataError, check, refuse_too_many

FRAMES = 4
DETAILS = {
    "size": 8,
    "sample_rate": 160,
    "samples_per_frame": 10,
    "action": {"kind": "continuous", "size": 2},
    "body": 3,
}
Fields = dict[str, np.ndarray]


def good() -> Fields:
    random = np.random.default_rng(0)
    return {
        "video": random.integers(256, size=(FRAMES, 8, 8, 3), dtype=np.uint8),
        "audio": random.integers(-99, 99, size=FRAMES * 10, dtype=np.int16),
        "action": np.zeros((FRAMES, 2), np.float32),
        "body": np.zeros((FRAMES, 3), np.float32),
        "reward": np.zeros(FRAMES, np.float32),
        "truth.state": np.full((FRAMES, 5), np.nan, np.float32),
        "truth.events": np.empty((0, 5), np.float32),
    }


def test_good_recording_passes() -> None:
    assert check(good(), DETAILS, FRAMES) is None


def put(field: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Fields], None]:
    def apply(fields: Fields) -> None:
        fields[field] = change(fields[field].copy())

    return apply


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[1, 1] = value
        return array

    return change


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda fields: fields.pop("audio"), "missing audio"),
        (
            put("video", lambda a: a.astype(np.float32)),
            r"wrong video: float32 \[4, 8, 8, 3\], expected uint8 \[T, 8, 8, 3\]",
        ),
        (put("video", lambda a: a[:, :7]), r"wrong video: uint8 \[4, 7, 8, 3\]"),
        (put("action", lambda a: np.zeros(FRAMES, np.int64)), r"wrong action: int64 \[4\], expected float32 \[T, 2\]"),
        (put("video", lambda a: a[:3]), "truncated video: 3 of 4 frames"),
        (put("audio", lambda a: a[:-1]), "truncated audio: 39 of 40 samples"),
        (put("audio", lambda a: a[:0]), "truncated audio: 0 of 40"),
        (put("audio", lambda a: np.tile(a, 2)), "clock mismatch: audio has 80 entries, 4 frames need 40"),
        (put("action", lambda a: a[:3]), "clock mismatch: action has 3"),
        (put("reward", lambda a: np.zeros(5, np.float32)), "clock mismatch: reward has 5"),
        (put("body", with_value(np.nan)), "non-finite body: 1 of 12"),
        (put("action", with_value(np.inf)), "non-finite action"),
        (put("truth.state", with_value(np.inf)), "non-finite truth.state: 1 of 20"),
        (put("audio", lambda a: np.full_like(a, -7)), "stuck sound: every sample is -7"),
        (put("video", lambda a: np.repeat(a[:1], FRAMES, axis=0)), "constant video"),
    ],
)
def test_each_fault_is_named(spoil: Callable[[Fields], None], reason: str) -> None:
    fields = good()
    spoil(fields)
    found = check(fields, DETAILS, FRAMES)
    assert found is not None
    import re

    assert re.search(reason, found), found


def test_silence_is_a_fault_only_where_the_source_never_is_silent() -> None:
    fields = good()
    fields["audio"][:] = 0
    assert check(fields, DETAILS, FRAMES) is None
    assert check(fields, {**DETAILS, "may_be_silent": False}, FRAMES) == "silent: every sample is zero"


def test_discrete_actions_and_sound_alone() -> None:
    fields = good() | {"action": np.zeros(FRAMES, np.int64)}
    assert check(fields, {**DETAILS, "action": {"kind": "discrete", "size": 18}}, FRAMES) is None
    sound = {"audio": good()["audio"]}
    assert check(sound, {**DETAILS, "size": 0, "action": None, "body": 0}, FRAMES) is None


def test_too_many_bad_recordings_stop_the_run() -> None:
    bad = [{"name": f"r{i}", "reason": f"fault {i}"} for i in range(5)]
    refuse_too_many(bad, 50, 0.1)
    with pytest.raises(BadDataError) as caught:
        refuse_too_many(bad, 49, 0.1)
    message = str(caught.value)
    assert "5 of 49 recordings are bad, data.max_bad_fraction allows 0.1" in message
    assert "r0: fault 0; r1: fault 1; r2: fault 2; and 2 more" in message
    assert "raise data.max_bad_fraction" in message
