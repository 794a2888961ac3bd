"""What steers a dream: actions from a file, from a policy, or from the keys that a person holds down."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.randomness import stable_seed

POLICIES = ("recorded", "hold", "random")
LONGEST_HOLD = 8  # frames that the random policy keeps an action
AXES = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"))  # of a hand: right and down are positive
# Of the Arcade Learning Environment's console, in its own order.
CONSOLE = (
    "NOOP", "FIRE", "UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT", "UPFIRE", "RIGHTFIRE",
    "LEFTFIRE", "DOWNFIRE", "UPRIGHTFIRE", "UPLEFTFIRE", "DOWNRIGHTFIRE", "DOWNLEFTFIRE",
)  # fmt: skip

Action = dict[str, Any]  # {"kind": "continuous" | "discrete", "size": numbers or choices}


def read_actions(path: Path, action: Action | None) -> np.ndarray:
    """Actions of a .npy or .json file: float32 [T, A] in [-1, 1], or int64 [T] of a choice each.

    Raises:
        ConfigurationError: if the file cannot be read, or holds other actions than the dream takes.
    """
    where = f"--actions {path}"
    if action is None:
        raise ConfigurationError(f"{where}: this dynamics learned from recordings without actions; leave --actions out")
    try:
        found = json.loads(path.read_text()) if path.suffix == ".json" else np.load(path, allow_pickle=False)
        values = np.asarray(found)
    except FileNotFoundError:
        raise ConfigurationError(f"{where}: not found") from None
    except (ValueError, EOFError) as error:
        raise ConfigurationError(f"{where}: neither a .npy array nor a .json list of actions ({error})") from None
    size = int(action["size"])
    if action["kind"] == "discrete":
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise ConfigurationError(
                f"{where}: {_told(values)}; this dream takes whole numbers [T], 0 to {size - 1}, one a frame"
            )
        bad = (values < 0) | (values >= size)
        span, wanted = f"0 to {size - 1}", "int64"
    else:
        if values.ndim != 2 or values.shape[1] != size or values.dtype.kind not in "iuf":
            raise ConfigurationError(f"{where}: {_told(values)}; this dream takes numbers [T, {size}], a row a frame")
        bad = ~(np.abs(values) <= 1)
        span, wanted = "-1 to 1", "float32"
    if bad.any():
        place = tuple(int(at) for at in np.argwhere(bad)[0])
        raise ConfigurationError(f"{where}: {values[place]} at {list(place)}; actions here go from {span}")
    return values.astype(wanted)


def plan(
    policy: str, action: Action | None, recorded: np.ndarray | None, context: int, frames: int, seed: int
) -> np.ndarray | None:
    """Actions of `frames` dreamed frames that follow a recording's first `context` ones.

    Args:
        policy: "recorded": as in the recording; "hold": the last one before the dream, again and again; "random": any,
            each held for one to LONGEST_HOLD frames.
        action: what actions there are; None: none.
        recorded: the recording's actions [T, ...].
        context, frames: true and dreamed frames.
        seed: of the random policy.

    Returns:
        float32 [frames, A] or int64 [frames]; None where there are no actions.

    Raises:
        ConfigurationError: if the recording is shorter than what the recorded policy needs.
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
    """Keys that steer, as browsers name them (KeyboardEvent.code).

    Raises:
        ConfigurationError: if nobody has laid keys for such actions.
    """
    if action is None:
        return []
    arrows = [key for axis in AXES for key in axis]
    if action["kind"] == "continuous" and int(action["size"]) == len(AXES):
        return arrows
    if action["kind"] == "discrete" and int(action["size"]) == len(CONSOLE):
        return [*arrows, "Space"]
    raise ConfigurationError(
        f"actions are {action['kind']} of size {action['size']}: play has keys for a hand ({len(AXES)} numbers) and "
        f"for a console ({len(CONSOLE)} choices); dream with --actions instead"
    )


def pressed(action: Action | None, keys: Iterable[str]) -> np.ndarray | None:
    """The action that keys mean when they are held down together; opposite ones cancel.

    Returns:
        float32 [A], int64 [], or None where there are no actions.
    """
    if action is None:
        return None
    down = set(keys)
    x, y = ((high in down) - (low in down) for low, high in AXES)
    if action["kind"] == "continuous":
        return np.array([x, y], np.float32)
    name = ("", "DOWN", "UP")[y] + ("", "RIGHT", "LEFT")[x] + ("FIRE" if "Space" in down else "")
    return np.array(CONSOLE.index(name or "NOOP"), np.int64)


def _told(values: np.ndarray) -> str:
    return f"{values.dtype} {list(values.shape)}"
