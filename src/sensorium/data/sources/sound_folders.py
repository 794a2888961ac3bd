"""Sounds, with a folder for each class.

The splits are drawn file by file. If a voice has many files, name the speakers (`speaker`), or use the layout and the
lists of `speech_commands`; otherwise the test set has voices of the training set.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import SOUND_SUFFIXES, SoundFoldersConfig
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import Split
from sensorium.data.sources.class_folders import class_files
from sensorium.data.sources.labelled import Listing, arrange, sound_details, sound_of
from sensorium.randomness import stable_seed


@lru_cache(maxsize=1)
def listing(config: SoundFoldersConfig) -> Listing:
    """All items in order; each process lists them once."""
    config.files()  # raises an error if the folder is missing
    sounds, classes = class_files(config.path, SOUND_SUFFIXES)
    if config.speaker:
        return arrange(config, by_speaker(config, sounds), classes, {"validation": config.validation_fraction})
    fractions: dict[Split, float] = {"test": config.test_fraction, "validation": config.validation_fraction}
    return arrange(config, {"training": sounds}, classes, fractions)


def by_speaker(config: SoundFoldersConfig, sounds: list[tuple[str, int]]) -> dict[Split, list[tuple[str, int]]]:
    """The sounds of the speakers drawn for testing, and those of all others, for training.

    Raises:
        BadDataError: if a file's name does not say who speaks, or all have one speaker.
    """
    found = [re.search(config.speaker, Path(path).name) for path, _ in sounds]
    if None in found:
        path, _ = sounds[found.index(None)]
        raise BadDataError(f"{path}: its name names no speaker, by the pattern {config.speaker!r}")
    voices = [match[1] or "" for match in found if match]
    names = sorted(set(voices))
    if len(names) < 2:
        raise BadDataError(f"{config.path}: all files have the speaker {names[0]!r}; two are needed, one for testing")
    order = np.random.default_rng(stable_seed(config.seed, "speakers")).permutation(len(names))
    held_out = {names[index] for index in order[: max(1, round(config.test_fraction * len(names)))]}
    parts: dict[Split, list[tuple[str, int]]] = {"training": [], "test": []}
    for sound, voice in zip(sounds, voices, strict=True):
        parts["test" if voice in held_out else "training"].append(sound)
    return parts


def simulate(config: SoundFoldersConfig, number: int) -> dict[str, np.ndarray]:
    """Sound `number`: audio int16 [frames * 1000] and its class in each of its frames, -1 after its end.

    Raises:
        ConfigurationError: if the folder is missing or has too few sounds.
        BadDataError: if a class has no sound.
        BadRecordingError: if this sound cannot be read.
    """
    return sound_of(config, listing(config).items[number])


def details(config: SoundFoldersConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return sound_details(config, listing(config), "of the files themselves: not known here")
