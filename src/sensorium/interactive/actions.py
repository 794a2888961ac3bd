"""Actions that steer a dream: from a file, from a policy, or from the keys that a person holds down."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.randomness import stable_seed

POLICIES = ("recorded", "hold", "random")
LONGEST_HOLD = 8  # most frames for which the random policy repeats an action
AXES = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"))  # of a hand: right and down are positive
MORE_AXES = (*AXES, ("KeyA", "KeyD"), ("KeyW", "KeyS"))  # of actions of another number of numbers
_LETTERS = "ABCDEFGHIJKLMNOPQSTUVWXYZ"  # without R, which begins again
CHOICES = (*(f"Digit{digit}" for digit in range(10)), *(f"Key{letter}" for letter in _LETTERS))
_DIRECTIONS = ("UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT")
CONSOLE = ("NOOP", "FIRE", *_DIRECTIONS, *(f"{name}FIRE" for name in _DIRECTIONS))  # the actions of ale-py, in order

Action = dict[str, Any]  # {"kind": "continuous" | "discrete", "size": numbers or choices}


def read_actions(path: Path, action: Action | None) -> np.ndarray:
    """Actions of a .npy or .json file: float32 [T, A] in [-1, 1], or int64 [T] of a choice each.

    Raises:
        ConfigurationError: if the file cannot be read, or its actions are of another kind than the dream's.
    """
    where = f"--actions {path}"
    if action is None:
        raise ConfigurationError(f"{where}: the dynamics were trained without actions; leave --actions out")
    try:
        found = json.loads(path.read_text()) if path.suffix == ".json" else np.load(path, allow_pickle=False)
        values = np.asarray(found)
    except FileNotFoundError:
        raise ConfigurationError(f"{where}: not found") from None
    except OSError:
        raise
    except Exception as error:  # numpy raises what it pleases for a damaged header
        raise ConfigurationError(f"{where}: neither a .npy array nor a .json list of actions ({error})") from None
    size = int(action["size"])
    if action["kind"] == "discrete":
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise ConfigurationError(
                f"{where}: {_shape(values)}; this dream needs whole numbers [T], 0 to {size - 1}, one a frame"
            )
        bad = (values < 0) | (values >= size)
        span, dtype = f"0 to {size - 1}", "int64"
    else:
        if values.ndim != 2 or values.shape[1] != size or values.dtype.kind not in "iuf":
            raise ConfigurationError(f"{where}: {_shape(values)}; this dream needs numbers [T, {size}], a row a frame")
        bad = ~(np.abs(values) <= 1)
        span, dtype = "-1 to 1", "float32"
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ConfigurationError(f"{where}: {values[place]} at {list(place)}; the range of actions is {span}")
    return values.astype(dtype)


def plan(
    policy: str, action: Action | None, recorded: np.ndarray | None, context: int, frames: int, seed: int
) -> np.ndarray | None:
    """Actions of the dreamed frames that follow a recording's first frames.

    Args:
        policy: "recorded": those of the recording; "hold": the last one before the dream, repeated; "random": random
            ones, each held for 1 to LONGEST_HOLD frames.
        action: kind and size of actions; None: there are none.
        recorded: the recording's actions [T, ...].
        context: true frames before the dream.
        frames: dreamed frames.
        seed: of the random policy.

    Returns:
        float32 [frames, A] or int64 [frames]; None if there are no actions.

    Raises:
        ConfigurationError: if the recording is too short for the recorded policy.
    """
    if action is None or recorded is None:
        return None
    if policy == "hold":
        return np.repeat(recorded[context - 1 : context], frames, axis=0)
    if policy == "recorded":
        if context + frames > len(recorded):
            raise ConfigurationError(
                f"--frames {frames}: the recording goes on for {len(recorded) - context} frames after its context; "
                "ask for fewer, or use --policy hold, --policy random or --actions"
            )
        return recorded[context : context + frames].copy()
    rng = np.random.default_rng(stable_seed(seed, "policy"))
    size = int(action["size"])
    lengths = rng.integers(1, LONGEST_HOLD + 1, frames)
    fresh = rng.integers(size, size=frames) if action["kind"] == "discrete" else rng.uniform(-1, 1, (frames, size))
    held = np.repeat(fresh, lengths, axis=0)[:frames]
    return held.astype(np.int64 if action["kind"] == "discrete" else np.float32)


def keys_of(action: Action | None) -> list[str]:
    """Names of the keys that steer, as in KeyboardEvent.code of browsers.

    Raises:
        ConfigurationError: if no keys are defined for such actions.
    """
    if action is None:
        return []
    size = int(action["size"])
    if action["kind"] == "continuous" and size <= len(MORE_AXES):
        return [key for axis in MORE_AXES[:size] for key in axis]
    if action["kind"] == "discrete" and size == len(CONSOLE):
        return [*(key for axis in AXES for key in axis), "Space"]
    if action["kind"] == "discrete" and size <= len(CHOICES):
        return list(CHOICES[:size])
    raise ConfigurationError(
        f"actions are {action['kind']} of size {action['size']}: play has keys for up to {len(MORE_AXES)} numbers and "
        f"for up to {len(CHOICES)} choices; dream with --actions instead"
    )


def steering(action: Action | None) -> str:
    """What a person steers, in one sentence; for actions that have keys (`keys_of`)."""
    if action is None:
        return "Nothing steers this dream: its recordings hold no actions."
    size = int(action["size"])
    if action["kind"] == "continuous":
        if size == len(AXES):
            return "You steer a hand: it moves the way of the arrow keys that you hold down."
        return f"You steer {size} numbers: each has two keys, one that lowers it and one that raises it."
    if size != len(CONSOLE):
        return f"You choose among {size} actions, each with a key of its own; without a key it is the first one."
    return "You hold a console's joystick: the arrow keys are the stick, the space bar is its button."


def pressed(action: Action | None, keys: Iterable[str]) -> np.ndarray | None:
    """The action of the keys that are held down together; opposite keys cancel.

    Returns:
        float32 [A], int64 [], or None if there are no actions.
    """
    if action is None:
        return None
    down, size = set(keys), int(action["size"])
    if action["kind"] == "continuous":
        return np.array([(high in down) - (low in down) for low, high in MORE_AXES[:size]], np.float32)
    if size != len(CONSOLE):
        chosen = (choice for choice, key in enumerate(CHOICES[:size]) if key in down)
        return np.array(next(chosen, 0), np.int64)
    x, y = ((high in down) - (low in down) for low, high in AXES)
    name = ("", "DOWN", "UP")[y] + ("", "RIGHT", "LEFT")[x] + ("FIRE" if "Space" in down else "")
    return np.array(CONSOLE.index(name or "NOOP"), np.int64)


def _shape(values: np.ndarray) -> str:
    return f"{values.dtype} {list(values.shape)}"
