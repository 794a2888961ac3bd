"""What labelled sets have in common: the listing of their items, with the split and the class of each.

Each process lists a set once. Item k of the listing becomes recording k. The splits of the publisher are kept.
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
    """One picture or sound: its place (a path, or a number), its class and its split."""

    place: Any
    label: int
    split: Split


@dataclass(frozen=True)
class Listing:
    """The items of a set, in the order of their recordings, and the names of the classes."""

    items: Sequence[Item]
    classes: Sequence[str]


Part = Sequence[tuple[Any, int]]  # (place, label) of every item


def arrange(
    config: LabelledSet, parts: Mapping[Split, Part], classes: Sequence[str], fractions: Mapping[Split, float]
) -> Listing:
    """Draw `config.recordings` items, the same fraction of every part, in random order.

    Args:
        config: with `recordings` and `seed`.
        parts: split -> its items, as published.
        classes: names of the classes, by label.
        fractions: split that is not published -> its fraction of what is left of "training".

    Raises:
        ConfigurationError: if there are fewer items than recordings, or a split is left without any.
    """
    total = sum(len(part) for part in parts.values())
    if total < config.recordings:
        raise ConfigurationError(
            f"config: recordings = {config.recordings}: {config.path} has {total} items; set it to at most that number"
        )
    drawn: dict[Split, list[tuple[Any, int]]] = {}
    end = 0
    for split, part in parts.items():
        start, end = end, end + len(part)
        count = end * config.recordings // total - start * config.recordings // total
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
    """A sound file as a recording: audio int16 [frames * 1000], truth.audio_label int64 [frames], -1 after the end.

    Raises:
        BadRecordingError: if it cannot be read.
    """
    audio, length = read_sound(Path(item.place), config.frames * SAMPLES, SAMPLE_RATE)
    sounding = np.arange(config.frames) * SAMPLES < length
    return {"audio": audio, "truth.audio_label": np.where(sounding, item.label, -1).astype(np.int64)}


def picture_details(config: PictureSet, listing: Listing, licence: str) -> dict[str, Any]:
    """Details of all recordings of a set of pictures."""
    return {
        **_details(config.source, licence),
        "still": True,
        "sample_rate": 0,
        "samples_per_frame": 0,
        "size": config.size,
        "labels": {"vision": {"name": "class", "classes": list(listing.classes)}},
    }


def sound_details(config: SoundSet, listing: Listing, licence: str) -> dict[str, Any]:
    """Details of all recordings of a set of sounds."""
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
