"""Run recordings of the playroom again with other actions, after a check that the simulator still repeats them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sensorium.artifacts import ArtifactError, read_manifest
from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json, parse_stored
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom


def playroom_settings(recordings: RecordingSet) -> PlayroomConfig:
    """The settings that the playroom made these recordings with.

    Raises:
        ConfigurationError: if they come from another source, because only the playroom can be run again.
    """
    section = read_manifest(recordings.manifest)["config"]
    if section.get("source") != "playroom":
        raise ConfigurationError(
            f"{recordings.manifest}: recordings of {section.get('source')!r} cannot be run again, "
            "only the playroom's can"
        )
    config: PlayroomConfig = parse_stored(PlayroomConfig, section, recordings.manifest)
    return config


def simulator(recordings: RecordingSet) -> Callable[[str, np.ndarray], dict[str, np.ndarray]]:
    """A function (recording's name, actions) -> the recording that these actions would have made.

    The first call for a recording checks that the simulator repeats it with its own actions.

    Raises (here or when the function is called):
        ConfigurationError: if the recordings come from another source than the playroom.
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    config = playroom_settings(recordings)
    numbers = {entry["name"]: int(entry["number"]) for entry in recordings.details["recordings"]}
    checked: set[str] = set()

    def run_with(name: str, actions: np.ndarray) -> dict[str, np.ndarray]:
        return playroom.simulate(config, numbers[name], playroom.Intervention(actions=actions))

    def check_repeats(name: str) -> None:
        video = recordings.field(name, "video")
        actions = np.array(recordings.field(name, "action"))
        if len(video) != config.frames or not np.array_equal(video, run_with(name, actions)["video"]):
            raise ArtifactError(
                f"{recordings.manifest}: the simulator does not repeat recording {name} ({canonical_json(config)}): "
                "it has changed since, or ran on another processor; record the set again here"
            )
        checked.add(name)

    def rerun(name: str, actions: np.ndarray) -> dict[str, np.ndarray]:
        if name not in checked:
            check_repeats(name)
        return run_with(name, actions)

    return rerun
