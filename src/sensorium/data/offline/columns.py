"""The fields of a recording as the columns of a LeRobot episode: what each is called, and its numbers.

There are the columns that users of LeRobot expect (`action`, `observation.state`, `next.reward`, `next.done`), and what
led to a frame stands as it is under `led.`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

PICTURE, SOUND, STATE = "observation.image", "observation.audio", "observation.state"
ACTION, REWARD, END = "led.action", "led.reward", "led.end"
COUNTERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def feature(array: np.ndarray, names: Any = None, **info: Any) -> dict[str, Any]:
    """What `meta/info.json` says of an array [T, ...]: flat in each row."""
    size = int(np.prod(array.shape[1:], dtype=np.int64))
    about = {"dtype": array.dtype.name, "shape": [size], "names": list(names) if names else None}
    return about | ({"info": info} if info else {})


def columns(fields: Mapping[str, np.ndarray], details: Mapping[str, Any], frames: int) -> dict[str, np.ndarray]:
    """Name -> array [T] or [T, n] of the columns of a recording, but for its pictures and counters."""
    found: dict[str, np.ndarray] = {}
    for name, array in fields.items():
        if name == "video":
            continue
        if name == "action":
            found |= {"action": _following(array), ACTION: array}
        elif name == "reward":
            found |= {"next.reward": _following(array), REWARD: array}
        elif name == "continue":
            found[END] = array == 0
        elif name == "audio":
            found[SOUND] = array.reshape(frames, details["samples_per_frame"])
        else:
            found[STATE if name == "body" else name] = array.reshape(frames, -1) if array.ndim > 2 else array
    found["next.done"] = np.arange(frames) == frames - 1
    return found


def features(fields: Mapping[str, np.ndarray], details: Mapping[str, Any], frames: int) -> dict[str, dict[str, Any]]:
    """Name of a column -> what `meta/info.json` says of it."""
    named = {
        "action": details.get("action_names"),
        ACTION: details.get("action_names"),
        STATE: details.get("body_names"),
        "truth.state": details.get("state_names"),
    }
    action = details.get("action") or {}
    about = {"choices": action["size"]} if action.get("kind") == "discrete" else {"normalised": True}
    info: dict[str, dict[str, Any]] = {"action": about, ACTION: about, STATE: {"normalised": True}}
    found = {}
    for name, array in columns(fields, details, frames).items():
        names = named.get(name)
        more = info.get(name, {})
        if name in fields:  # as it is: the truth, latents
            more = {"shape": list(fields[name].shape[1:])}
        numbers = array.reshape(frames, -1).shape[1]
        found[name] = feature(array, names if names and len(names) == numbers else None, **more)
    for name in COUNTERS:
        found[name] = {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
    return found


def section(folder: str, recordings: int, details: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """The section `data` that reads an export as it was."""
    found: dict[str, Any] = {"source": "episodes", "layout": "lerobot", "path": folder, "recordings": recordings}
    found |= {"size": details["size"], "split_by": "set", "led": True}
    for key, name in (("action", ACTION), ("reward", REWARD), ("end", END)):
        found[key] = name if name in names else ""
    found["body"] = [STATE] if STATE in names else []
    if SOUND in names:
        found |= {"sound": SOUND, "sound_rate": details["sample_rate"]}
        found["frames_per_second"] = round(details["frames_per_second"])
    return found


def _following(array: np.ndarray) -> np.ndarray:
    """Rows of the frame after each; at the end zeros."""
    return np.concatenate([array[1:], np.zeros_like(array[:1])])
