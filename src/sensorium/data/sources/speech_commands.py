"""Speech Commands 0.02 (Warden 2018, arXiv:1804.03209) in torchaudio's layout: one word per file, one class per folder.

The published lists split it by speaker, so no voice of the test set is in the training set.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torchaudio.datasets import SPEECHCOMMANDS

from sensorium.config import SpeechCommandsConfig
from sensorium.data.files import open_regular
from sensorium.data.quarantine import BadDataError
from sensorium.data.recording import SPLITS, Split
from sensorium.data.sources.labelled import Listing, arrange, sound_details, sound_of

ARCHIVE = "SpeechCommands"  # paths of torchaudio begin below this folder
PUBLISHED: dict[Split, str] = {"training": "training", "validation": "validation", "test": "testing"}


@lru_cache(maxsize=1)
def listing(config: SpeechCommandsConfig) -> Listing:
    """All items in order; each process lists them once."""
    _, *lists = config.files()  # raises an error if a file is missing
    words: dict[Split, list[tuple[Path, str]]] = {}
    try:
        for path in lists:
            with open_regular(path):  # torchaudio would wait for a pipe
                pass
        for split in SPLITS:
            part = SPEECHCOMMANDS(config.path, subset=PUBLISHED[split])
            entries = [part.get_metadata(number) for number in range(len(part))]
            words[split] = [(Path(config.path) / ARCHIVE / path, word) for path, _, word, _, _ in entries]
    except (OSError, RuntimeError, ValueError) as error:  # a name without _nohash_, or a list that is not text
        raise BadDataError(f"{config.path}: not laid out as Speech Commands: {error} (docs/data.md)") from None
    classes = sorted({word for part in words.values() for _, word in part})
    parts = {split: [(path, classes.index(word)) for path, word in part] for split, part in words.items()}
    return arrange(config, parts, classes, {})


def simulate(config: SpeechCommandsConfig, number: int) -> dict[str, np.ndarray]:
    """Word `number`: audio int16 [frames * 1000] and its class in each of its frames, -1 after its end.

    Raises:
        ConfigurationError: if the set is missing or has too few sounds.
        BadDataError: if its folders have another layout.
        BadRecordingError: if this sound cannot be read.
    """
    return sound_of(config, listing(config).items[number])


def details(config: SpeechCommandsConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return sound_details(config, listing(config), "CC BY 4.0")
