"""Recorded rooms simulated again: what other actions would have led to."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from sensorium.artifacts import ArtifactError, read_json
from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json, parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom


def playroom_settings(recordings: RecordingSet) -> PlayroomConfig:
    """What the playroom recorded these with.

    Raises:
        ConfigurationError: if they are not of the playroom, the only world that can be run again.
    """
    section = read_json(recordings.manifest)["config"]
    if section.get("source") != "playroom":
        raise ConfigurationError(
            f"{recordings.manifest}: recordings of {section.get('source')!r} cannot be run again, "
            "only the playroom's can"
        )
    config: PlayroomConfig = parse_section(PlayroomConfig, json.dumps(section))
    return config


def simulator(recordings: RecordingSet) -> Callable[[str, np.ndarray], dict[str, np.ndarray]]:
    """What runs a recording, by its name, again under other actions; before the first time it checks that it can.

    Raises (both at once or when it is called):
        ConfigurationError: if the recordings are not of the playroom, the only world that can be run again.
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    manifest, config = recordings.manifest, playroom_settings(recordings)
    numbers = {entry["name"]: int(entry["number"]) for entry in recordings.details["recordings"]}
    repeated: set[str] = set()

    def again(name: str, actions: np.ndarray) -> dict[str, np.ndarray]:
        film = recordings.field(name, "video")
        recorded = playroom.Intervention(actions=np.array(recordings.field(name, "action")))
        if name not in repeated and not (
            len(film) == config.frames
            and np.array_equal(film, playroom.simulate(config, numbers[name], recorded)["video"])
        ):
            raise ArtifactError(
                f"{manifest}: the simulator does not repeat recording {name} ({canonical_json(config)}): it has "
                "changed since, or ran on another processor; record the set again here"
            )
        repeated.add(name)
        return playroom.simulate(config, numbers[name], playroom.Intervention(actions=actions))

    return again
