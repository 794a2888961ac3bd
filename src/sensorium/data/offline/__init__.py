"""Episodes of robots and of offline sets: one module for each way to lay them out in files, all with one interface.

They are opened in the gate's process alone, or in the one that lists a set: their libraries run native code on files of
strangers. Arrays hold numbers or they are refused, nothing is unpickled, and no file leads to another one but by the
layout of its set.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sensorium.config.folders import files_below
from sensorium.config.offline import USUAL
from sensorium.data.offline.episode import EpisodeSet

MODULES = {"lerobot": "lerobot", "npz": "npz", "minari": "hdf5", "robomimic": "hdf5"}


def open_set(layout: str, folder: Path, picture: str) -> EpisodeSet:
    """The episodes below a folder.

    Args:
        layout: key of `config.offline.USUAL`.
        folder: where they are.
        picture: name of the pictures; empty: those of the first camera.
    """
    module = import_module(f"{__name__}.{MODULES[layout]}")
    files = [Path(path) for path in files_below(folder, USUAL[layout].suffixes)]
    opened: EpisodeSet = module.open_set(layout, folder, files, picture)
    return opened
