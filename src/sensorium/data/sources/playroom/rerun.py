"""Run recordings of the playroom again with other actions, after a check that the simulator still repeats them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sensorium.artifacts import ArtifactError, read_manifest
from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json, parse_stored
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom
from sensorium.data.sources.playroom import physics, render
from sensorium.data.sources.playroom.scene import ROOM, Scene, draw_scene


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
            raise _changed(recordings, name, config)
        checked.add(name)

    def rerun(name: str, actions: np.ndarray) -> dict[str, np.ndarray]:
        if name not in checked:
            check_repeats(name)
        return run_with(name, actions)

    return rerun


@dataclass(frozen=True)
class Film:
    """What a room would have shown, and the truth about it.

    Attributes:
        video: uint8 [T, H, W, 3].
        hand: its place, float64 [T, 2] in room widths.
        scene: with the colours of the bodies.
    """

    video: np.ndarray
    hand: np.ndarray
    scene: Scene


def filming(recordings: RecordingSet) -> Callable[[str, np.ndarray], Film]:
    """A function (recording's name, actions [T, 2]) -> its room under these actions, silent, for any number of frames.

    As far as the actions are the recorded ones, the frames must be, too.

    Raises (here or when the function is called):
        ConfigurationError: if the recordings come from another source than the playroom.
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    config = playroom_settings(recordings)
    numbers = {entry["name"]: int(entry["number"]) for entry in recordings.details["recordings"]}

    def film(name: str, actions: np.ndarray) -> Film:
        room = config.model_copy(update={"frames": len(actions)})
        scene = playroom.Intervention(actions=actions).apply(draw_scene(room, numbers[name]))
        motion = physics.run(scene, room.frames)
        video, recorded = render.draw(scene, motion, room.size), recordings.field(name, "action")
        both = min(len(recorded), len(actions))
        changed = np.flatnonzero((recorded[:both] != motion.action[:both]).any(1))
        same = int(changed[0]) if len(changed) else both
        if not np.array_equal(video[:same], recordings.field(name, "video")[:same]):
            raise _changed(recordings, name, config)
        return Film(video, motion.hand_position / ROOM, scene)

    return film


def _changed(recordings: RecordingSet, name: str, config: PlayroomConfig) -> ArtifactError:
    return ArtifactError(
        f"{recordings.manifest}: the simulator does not repeat recording {name} ({canonical_json(config)}): "
        "it has changed since, or ran on another processor; record the set again here"
    )
