"""Spaces of Gymnasium in the form of recordings: actions there and back, observations as pictures and a body sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the package gymnasium is not installed")

from gymnasium import spaces

from sensorium.config import ConfigurationError
from sensorium.data.worlds.actions import MOST_CHOICES, ActionMap
from sensorium.data.worlds.observations import MOST_NUMBERS, ObservationMap, picture_of

MIXED = spaces.Dict({"move": spaces.Box(-2, 6, (2,)), "button": spaces.MultiBinary(2), "item": spaces.Discrete(5)})
ACTIONS = {
    "choices from -1": (spaces.Discrete(4, start=-1), "discrete", 4),
    "many choices": (spaces.MultiDiscrete([3, 4, 2], start=[1, 0, 0]), "discrete", 24),
    "buttons": (spaces.MultiBinary(3), "discrete", 8),
    "a grid of buttons": (spaces.MultiBinary([2, 2]), "discrete", 16),
    "more buttons than combinations": (spaces.MultiBinary(13), "continuous", 13),
    "numbers": (spaces.Box(np.array([[-1.0, 0.0]]), np.array([[1.0, 9.0]])), "continuous", 2),
    "whole numbers": (spaces.Box(-3, 12, (3,), np.int16), "continuous", 3),
    "parts": (spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)]), "discrete", 6),
    "all together": (MIXED, "continuous", 5),
}


def flat(action: Any) -> np.ndarray:
    """All numbers of an action, however nested."""
    if isinstance(action, dict | tuple):
        return np.concatenate([flat(part) for part in (action.values() if isinstance(action, dict) else action)])
    return np.asarray(action, np.float64).ravel()


@pytest.mark.parametrize(("space", "kind", "size"), ACTIONS.values(), ids=ACTIONS)
def test_actions_there_and_back(space: spaces.Space, kind: str, size: int) -> None:
    actions, random = ActionMap(space), np.random.default_rng(0)
    assert actions.details == {"kind": kind, "size": size}
    space.seed(0)
    for _ in range(20):
        original = space.sample()
        coded = actions.encode(original)
        assert (coded.dtype, coded.shape) == ((np.int64, ()) if kind == "discrete" else (np.float32, (size,)))
        back = actions.decode(coded)
        assert space.contains(back)
        np.testing.assert_allclose(flat(back), flat(original), atol=1e-5)
        assert space.contains(actions.decode(actions.draw(random)))
    assert space.contains(actions.decode(actions.rest()))


def test_every_combination_is_one_action() -> None:
    space = ACTIONS["many choices"][0]
    decoded = [tuple(ActionMap(space).decode(np.array(number))) for number in range(24)]
    assert len(set(decoded)) == 24
    assert decoded[:3] == [(1, 0, 0), (1, 0, 1), (1, 1, 0)]
    assert MOST_CHOICES == 2**12


def test_the_ends_of_the_range_are_the_bounds() -> None:
    actions = ActionMap(MIXED)
    for end, expected in ((-1, [0, 0, 0, -2, -2]), (1, [1, 1, 4, 6, 6]), (-9, [0, 0, 0, -2, -2])):
        decoded = actions.decode(np.full(5, end, np.float32))
        assert [*decoded["button"], decoded["item"], *decoded["move"]] == expected
    assert actions.decode(np.zeros(5, np.float32))["move"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (spaces.Text(3), "a Text space"),
        (spaces.Box(-np.inf, 1, (2,)), "have no bounds"),
        (spaces.Dict({"a": spaces.Sequence(spaces.Discrete(2))}), "a Sequence space"),
        (spaces.Dict({}), "empty"),
    ],
)
def test_actions_that_cannot_be_handled(space: spaces.Space, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ActionMap(space)


SEEN = spaces.Dict(
    {
        "speed": spaces.Box(np.array([-2.0, -np.inf]), np.array([6.0, np.inf])),
        "flags": spaces.MultiBinary(2),
        "place": spaces.Tuple([spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 3])]),
        "eye": spaces.Box(0, 255, (6, 4, 1), np.uint8),
        "word": spaces.Text(9),
    }
)
OBSERVED = {
    "speed": np.array([4.0, 70.0]),
    "flags": np.array([1, 0], np.int8),
    "place": (np.int64(6), np.array([1, 2])),
    "eye": np.arange(24, dtype=np.uint8).reshape(6, 4, 1),
    "word": "hello",
}


def test_observations_by_hand() -> None:
    observations = ObservationMap(SEEN, "eye", ("word",))
    body = observations.body(OBSERVED)
    # in the order of the space, whose keys Gymnasium sorts: flags, place, speed; a bounded number is scaled
    assert body.tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0.5, 70]
    assert body.dtype == np.float32
    assert observations.size == 12
    picture = observations.picture(OBSERVED, render=lambda: None)
    assert (picture == OBSERVED["eye"]).all()
    assert picture.shape == (6, 4, 3)
    assert ObservationMap(SEEN, "render", ("word", "eye", "place.0", "place.1", "flags")).size == 2


def test_a_picture_may_be_grey_or_have_a_fourth_channel() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert (picture_of(grey) == grey[..., None]).all()
    assert picture_of(np.zeros((2, 3, 4), np.uint8)).shape == (2, 3, 3)
    for bad in (None, np.zeros((2, 3, 3)), np.zeros((3, 2, 2), np.uint8), np.zeros((0, 3, 3), np.uint8)):
        with pytest.raises(ValueError, match="a picture is"):
            picture_of(bad)


@pytest.mark.parametrize(
    ("picture", "leave_out", "named"),
    [
        ("eye", (), r"'word' is a Text space.*leave_out: \[word\]"),
        ("render", ("word", "eyes"), "leave_out names 'eyes': its observations are eye, flags, place.0"),
        ("ear", ("word",), "picture names 'ear'"),
        ("speed", ("word",), "picture names 'speed', which is Box"),
    ],
)
def test_observations_that_cannot_be_handled(picture: str, leave_out: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ObservationMap(SEEN, picture, leave_out)


def test_a_large_observation_is_no_body_sense() -> None:
    side = spaces.Box(0, 255, (MOST_NUMBERS + 1,), np.uint8)
    with pytest.raises(ConfigurationError, match=r"4097 numbers.*picture: observation.*leave_out: \[observation\]"):
        ObservationMap(side, "render", ())
