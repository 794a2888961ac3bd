"""Episodes of robots and of offline sets: folders of LeRobot, .npz, HDF5 of Minari and robomimic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.config import ConfigurationError, EpisodesConfig
from sensorium.config.folders import skipped_below
from sensorium.config.offline import described
from sensorium.data.recording import Split
from sensorium.data.shards import draw_splits
from sensorium.data.sources.films import PIECES


def origin(config: EpisodesConfig, number: int) -> str:
    """File of the episode of recording `number`, below the folder, and its name in there behind a colon."""
    return place(config, number // PIECES)


def place(config: EpisodesConfig, number: int) -> str:
    """File of episode `number`, below the folder, and its name in there behind a colon."""
    places = described(config).places
    if number >= len(places):
        raise ConfigurationError(f"recordings = {config.recordings}: {config.path} has {len(places)} episodes")
    return places[number]


def file(config: EpisodesConfig, number: int) -> Path:
    """Path of the file that holds episode `number`."""
    found = place(config, number)
    return Path(config.path, found if config.layout == "npz" else found.rpartition(":")[0])


def splits(config: EpisodesConfig) -> list[Split]:
    """Split of each episode: drawn, or as the set says."""
    if config.split_by == "set":
        stated: Any = described(config).splits[: config.recordings]
        return list(stated)
    return draw_splits(config.seed, config.recordings, config.validation_fraction, config.test_fraction)


def job(config: EpisodesConfig, number: int) -> dict[str, Any]:
    """Episode `number`, for `data.file_worker`."""
    known = described(config)
    return {
        "layout": config.layout,
        "folder": str(Path(config.path).absolute()),
        "place": place(config, number),
        "wanted": {"size": config.size, "fit": config.fit},
        "cuts": {"frames": config.frames, "shortest": config.shortest},
        **{part: config.name(part) for part in ("picture", "action", "body", "reward", "end", "led")},
        "kind": known.action["kind"] if known.action else "",
        "choices": known.action["size"] if known.action else 0,
        "sound": config.sound,
        "samples": config.samples_per_frame,
        "scales": known.scales,
        "shapes": known.shapes,
    }


def details(config: EpisodesConfig) -> dict[str, Any]:
    """Details of all recordings.

    Raises:
        ConfigurationError: if the set cannot be listed.
    """
    known = described(config)
    named = {f"{part}_names": names for part, names in known.names.items() if names}
    return {
        **named,
        "source": "episodes",
        "layout": config.layout,
        "licence": "of the set itself: not known here",
        "skipped": skipped_below(Path(config.path)),
        "frames_per_second": known.rate,
        "sample_rate": config.sample_rate,
        "samples_per_frame": config.samples_per_frame,
        "size": config.size,
        "action": known.action,
        "body": known.body,
        "state_names": [],
        "may_be_silent": True,
    }
