"""What the labelled sets share: which item is which recording, in which split, under which class.

A set is listed once a process and item k of a listing is recording k. Where the publisher parts a set, the parts are
kept: what he calls test is test here, and no item crosses over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import ConfigurationError, LabelledSet, PictureSet, SoundSet
from sensorium.data.pictures import read_picture
from sensorium.data.recording import SPLITS, Split
from sensorium.data.sounds import read_sound
from sensorium.randomness import stable_seed

SAMPLE_RATE, FRAME_RATE = 16_000, 16
SAMPLES = SAMPLE_RATE // FRAME_RATE


@dataclass(frozen=True)
class Item:
    """One picture or sound: where it is (a path, or a number), its class, its split."""

    place: Any
    label: int
    split: Split


@dataclass(frozen=True)
class Listing:
    """All items of a set in order of their recordings, and the names of the classes."""

    items: Sequence[Item]
    classes: Sequence[str]


Part = Sequence[tuple[Any, int]]  # (place, label) of every item


def arrange(
    config: LabelledSet, parts: Mapping[Split, Part], classes: Sequence[str], fractions: Mapping[Split, float]
) -> Listing:
    """Take `config.recordings` items, of every part a like share, and shuffle them.

    Args:
        config: with `recordings` and `seed`.
        parts: split -> its items, as the publisher gives them.
        classes: their names, by label.
        fractions: splits that the publisher does not give -> the share that they take of what is left of "training".

    Raises:
        ConfigurationError: if there are fewer items than recordings, or a split is left without any.
    """
    total = sum(len(part) for part in parts.values())
    if total < config.recordings:
        raise ConfigurationError(
            f"config: recordings = {config.recordings}: {config.path} has {total} items; set it to at most that number"
        )
    drawn: dict[Split, list[tuple[Any, int]]] = {}
    passed = 0
    for split, part in parts.items():
        before, passed = passed, passed + len(part)
        count = passed * config.recordings // total - before * config.recordings // total
        order = np.random.default_rng(stable_seed(config.seed, "items", split)).permutation(len(part))
        drawn[split] = [part[index] for index in order[:count]]
    for split, fraction in fractions.items():
        count = round(fraction * len(drawn["training"]))
        drawn["training"], drawn[split] = drawn["training"][count:], drawn["training"][:count]
    for split in SPLITS:
        if not drawn[split]:
            raise ConfigurationError(
                f"config: recordings = {config.recordings}: too few to leave one for {split}; take more"
            )
    items = [Item(place, label, split) for split in SPLITS for place, label in drawn[split]]
    return Listing(items, list(classes))


def picture_of(config: PictureSet, item: Item) -> dict[str, np.ndarray]:
    """A picture file as a recording: video uint8 [1, size, size, 3], truth.vision_label int64 [1].

    Raises:
        BadRecordingError: if it cannot be read.
    """
    picture = read_picture(Path(item.place), config.size)
    return {"video": picture[None], "truth.vision_label": np.array([item.label], np.int64)}


def sound_of(config: SoundSet, item: Item) -> dict[str, np.ndarray]:
    """A sound file as a recording: audio int16 [frames * 1000], truth.audio_label int64 [frames], -1 after its end.

    Raises:
        BadRecordingError: if it cannot be read.
    """
    audio, length = read_sound(Path(item.place), config.frames * SAMPLES, SAMPLE_RATE)
    heard = np.arange(config.frames) * SAMPLES < length
    return {"audio": audio, "truth.audio_label": np.where(heard, item.label, -1).astype(np.int64)}


def picture_details(config: PictureSet, listing: Listing, licence: str) -> dict[str, Any]:
    """What holds for all recordings of a set of pictures."""
    return {
        **_details(config.source, licence),
        "still": True,
        "sample_rate": 0,
        "samples_per_frame": 0,
        "size": config.size,
        "labels": {"vision": {"name": "class", "classes": list(listing.classes)}},
    }


def sound_details(config: SoundSet, listing: Listing, licence: str) -> dict[str, Any]:
    """What holds for all recordings of a set of sounds."""
    return {
        **_details(config.source, licence),
        "frames_per_second": FRAME_RATE,
        "sample_rate": SAMPLE_RATE,
        "samples_per_frame": SAMPLES,
        "size": 0,
        "may_be_silent": False,
        "labels": {"audio": {"name": "class", "classes": list(listing.classes)}},
    }


def _details(source: str, licence: str) -> dict[str, Any]:
    return {"source": source, "licence": licence, "action": None, "body": 0, "state_names": []}
