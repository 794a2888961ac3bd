"""Actions from files, policies and keys."""

from __future__ import annotations

import json
from pathlib import Path

import ale_py
import numpy as np
import pytest
from dream_results import CONSOLE, HAND

from sensorium.config import ConfigurationError
from sensorium.interactive import actions
from sensorium.interactive.actions import keys_of, plan, pressed, read_actions


def test_the_console_s_names_and_order():
    assert tuple(ale_py.Action.__members__) == actions.CONSOLE


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], [0, 0]),
        (["ArrowLeft"], [-1, 0]),
        (["ArrowRight", "ArrowDown"], [1, 1]),  # down is positive, as in the pictures
        (["ArrowUp", "KeyQ"], [0, -1]),
        (["ArrowLeft", "ArrowRight", "ArrowUp"], [0, -1]),
    ],
)
def test_keys_of_a_hand(keys, expected):
    action = pressed(HAND, keys)
    assert action.dtype == np.float32
    assert action.tolist() == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], "NOOP"),
        (["Space"], "FIRE"),
        (["ArrowDown"], "DOWN"),
        (["ArrowUp", "ArrowLeft"], "UPLEFT"),
        (["ArrowDown", "ArrowRight", "Space"], "DOWNRIGHTFIRE"),
        (["ArrowUp", "ArrowDown", "ArrowRight"], "RIGHT"),
        (["ArrowUp", "Space"], "UPFIRE"),
    ],
)
def test_keys_of_a_console(keys, expected):
    assert ale_py.Action(int(pressed(CONSOLE, keys))).name == expected


def test_every_combination_of_keys_is_an_action():
    keys = keys_of(CONSOLE)
    chosen = {int(pressed(CONSOLE, [k for n, k in enumerate(keys) if mask >> n & 1])) for mask in range(2 ** len(keys))}
    assert chosen == set(range(18))


def test_keys_where_nothing_is_steered_and_where_nobody_knows():
    assert keys_of(None) == []
    assert pressed(None, ["ArrowUp"]) is None
    for kind, size in (("discrete", 36), ("continuous", 5)):
        with pytest.raises(ConfigurationError, match=f"{kind} of size {size}"):
            keys_of({"kind": kind, "size": size})


@pytest.mark.parametrize(("keys", "chosen"), [([], 0), (["Digit4"], 4), (["KeyB", "ArrowUp"], 11), (["Digit0"], 0)])
def test_every_choice_has_a_key(keys, chosen):
    action = {"kind": "discrete", "size": 12}
    assert keys_of(action) == [*(f"Digit{digit}" for digit in range(10)), "KeyA", "KeyB"]
    assert pressed(action, keys) == chosen
    assert pressed(action, keys).dtype == np.int64
    assert "12 actions" in actions.steering(action)
    assert "KeyR" not in keys_of({"kind": "discrete", "size": 35}), "it begins again"


def test_every_number_has_two_keys():
    action = {"kind": "continuous", "size": 3}
    assert keys_of(action) == ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "KeyA", "KeyD"]
    assert pressed(action, ["KeyA", "ArrowRight"]).tolist() == [1, 0, -1]
    assert keys_of({"kind": "continuous", "size": 1}) == ["ArrowLeft", "ArrowRight"]
    assert "3 numbers" in actions.steering(action)


@pytest.mark.parametrize(("action", "values"), [(HAND, [[0.5, -1], [0, 1]]), (CONSOLE, [0, 17, 3])])
@pytest.mark.parametrize("kind", ["npy", "json"])
def test_files_of_actions(tmp_path: Path, action, values, kind):
    path = tmp_path / f"actions.{kind}"
    if kind == "npy":
        np.save(path, np.array(values))
    else:
        path.write_text(json.dumps(values))
    found = read_actions(path, action)
    assert found.tolist() == values
    assert found.dtype == (np.float32 if action is HAND else np.int64)


@pytest.mark.parametrize(
    ("action", "values", "named"),
    [
        (HAND, [[0.0, 0.0, 0.0]], r"\[1, 3\].*numbers \[T, 2\]"),
        (HAND, [3, 4], r"int64 \[2\].*numbers \[T, 2\]"),
        (HAND, [[0.0, 0.0], [0.0, 1.5]], r"1.5 at \[1, 1\].*-1 to 1"),
        (HAND, [[float("nan"), 0.0]], r"nan at \[0, 0\]"),
        (HAND, [["a", "b"]], "numbers"),
        (CONSOLE, [0, 18], r"18 at \[1\].*0 to 17"),
        (CONSOLE, [-1], "-1 at"),
        (CONSOLE, [0.5], "whole numbers"),
        (CONSOLE, [[0.0, 1.0]], r"\[1, 2\]"),
        (HAND, [[0.0], [0.0, 1.0]], "neither"),
        (None, [[0.0, 0.0]], "without actions"),
    ],
)
def test_bad_actions_are_named(tmp_path: Path, action, values, named):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigurationError, match=named) as error:
        read_actions(path, action)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\x93NUMPY\x01\x00cut"])
@pytest.mark.parametrize("kind", ["npy", "json"])
def test_files_that_hold_no_actions(tmp_path: Path, content, kind):
    path = tmp_path / f"bad.{kind}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not found" if content is None else "neither"):
        read_actions(path, HAND)


@pytest.mark.parametrize("action", [HAND, CONSOLE])
def test_policies(action):
    rng = np.random.default_rng(0)
    recorded = rng.uniform(-1, 1, (9, 2)).astype(np.float32) if action is HAND else rng.integers(18, size=9)
    assert np.array_equal(plan("recorded", action, recorded, 4, 5, 0), recorded[4:])
    assert np.array_equal(plan("hold", action, recorded, 4, 3, 0), recorded[[3, 3, 3]])
    drawn = plan("random", action, recorded, 4, 400, 0)
    assert drawn.dtype == recorded.dtype
    assert len(drawn) == 400
    assert np.array_equal(drawn, plan("random", action, recorded, 4, 400, 0))
    assert not np.array_equal(drawn, plan("random", action, recorded, 4, 400, 1))
    changes = np.any(np.diff(drawn.reshape(400, -1), axis=0) != 0, axis=1).sum()
    assert 400 / actions.LONGEST_HOLD / 2 < changes < 200  # held, but not for ever
    if action is CONSOLE:
        assert set(drawn.tolist()) == set(range(18))
    else:
        assert np.abs(drawn).max() <= 1
        assert np.abs(drawn).max(0).min() > 0.8


def test_a_recording_that_ends_too_soon():
    with pytest.raises(ConfigurationError, match="goes on for 5 frames"):
        plan("recorded", HAND, np.zeros((9, 2), np.float32), 4, 6, 0)


def test_no_actions_no_plan():
    assert plan("hold", None, None, 4, 6, 0) is None
