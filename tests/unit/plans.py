"""What each evaluation draws, tried on recordings that hold nothing: are there windows, classes, enough recordings?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import PlayroomConfig, Recordings
from sensorium.data.recording import RecordingSet, Split
from sensorium.data.shards import draw_splits
from sensorium.data.windows import Windows
from sensorium.evaluation.harness import WindowPool
from sensorium.evaluation.sample import of_other_recordings
from sensorium.evaluation.statistics import resampled_weights
from sensorium.generation.evaluation.sound_reconstruction import BANDS
from sensorium.models.spectrogram import LogMel
from sensorium.perception.evaluation import few_shot, impact_features, zero_shot
from sensorium.perception.evaluation.labelled import BEFORE, labelled_windows
from sensorium.perception.evaluation.matching import draw_candidates
from sensorium.settings import Config

FIELDS = ("video", "audio", "action", "body", "latent", "truth.state", "truth.vision_label", "truth.audio_label")
MATERIALS = 4
MOST = 400  # enough for any evaluation, and quick
SECOND = 16  # frames
HEARD = 0.15  # share of frames in which a body sounds


class Stand(RecordingSet):
    """Recordings of a source, at most MOST, without pictures and sounds: their splits and their bodies are real."""

    def __init__(self, data: Recordings) -> None:
        count = min(data.episodes(), MOST)
        splits = draw_splits(data.seed, count, data.validation_fraction, data.test_fraction)
        names = [f"{data.source}-{number:06d}" for number in range(count)]
        entries = [
            {"name": name, "frames": data.frames, "split": split} for name, split in zip(names, splits, strict=True)
        ]
        labels = {
            "vision": {"name": "bodies", "classes": list("1234")},
            "audio": {"name": "m", "classes": list("mwpr")},
        }
        details = {"recordings": entries, "samples_per_frame": data.samples_per_frame, "labels": labels}
        if not isinstance(data, PlayroomConfig):
            del details["labels"]
        self.manifest, self.details, self._data = Path("manifest.json"), details, data
        self._entries = {entry["name"]: entry for entry in entries}
        self._numbers = {name: number for number, name in enumerate(names)}

    def has(self, field: str) -> bool:
        return field in FIELDS

    def field(self, name: str, field: str) -> np.ndarray:
        """Zeros, or the classes of a playroom's recording."""
        data, random = self._data, np.random.default_rng([self._data.seed, self._numbers[name]])
        if field == "audio":
            return np.broadcast_to(np.int16(0), data.frames * data.samples_per_frame)
        if field == "truth.vision_label":
            assert isinstance(data, PlayroomConfig)
            return np.full(data.frames, random.integers(data.min_bodies, data.max_bodies + 1) - 1)
        if field == "truth.audio_label":
            heard = random.random(data.frames) < HEARD
            return np.where(heard, random.integers(MATERIALS, size=data.frames), -1)
        return np.broadcast_to(np.float32(0), (data.frames, 1))


def windows(recordings: Stand, frames: int, split: Split = "test", count: int = 40) -> np.ndarray:
    """The recording of each of some windows; there are enough for an interval, and for the actions of others."""
    sample = WindowPool(recordings, split, (), frames).sample(count, np.random.default_rng(0))
    if split == "test":
        resampled_weights(sample.names, 0, draws=2)
        of_other_recordings(sample.groups, np.random.default_rng(0))
    return sample.groups


def probes(config: Config, recordings: Stand, *senses: str) -> None:
    """Windows of two classes at least, for training and for testing."""
    for sense in senses:
        if config.probed_set(sense) == "playroom":
            frames = 1 if sense == "vision" else config.encoders.audio.frames
            labelled_windows(recordings, sense, frames, config.evaluations.probe)


def retrieval(config: Config, recordings: Stand) -> None:
    """Candidates of other recordings."""
    groups = windows(recordings, config.fusion.frames, count=min(100, config.evaluations.retrieval.queries))
    draw_candidates(groups, config.evaluations.retrieval.candidates, np.random.default_rng(0))


def few(config: Config, recordings: Stand) -> None:
    """A task of each sense that the world labels, and of both together."""
    if config.data.source != "playroom":
        return
    section = config.evaluations.few_shot
    frames = {"vision": 1, "audio": config.encoders.audio.frames, "fusion": config.fusion.frames}
    places = {"vision": 0, "audio": BEFORE, "fusion": config.fusion.frames - 1 - few_shot.AFTER}
    for task, length in frames.items():
        if task != "fusion" and config.probed_set(task) != "playroom":
            continue
        pool, senses = WindowPool(recordings, "test", (), length), ("vision", "audio") if task == "fusion" else (task,)
        options = [few_shot.sense_labels(pool, sense, places[task]) for sense in senses]
        both = [few_shot.together(*options)] if task == "fusion" else []
        few_shot.draw_task(pool, [*both, *options[::-1]], section)


def unseen(config: Config, recordings: Stand) -> None:
    """Trials with kinds that are withheld."""
    pools = [WindowPool(recordings, split, (), config.encoders.audio.frames) for split in zero_shot.SPLITS]
    count, rng = config.evaluations.zero_shot.samples, np.random.default_rng(0)
    parts = [zero_shot.sample(pool, zero_shot.labelled_in_both(pool, count, rng)) for pool in pools]
    zero_shot.Trials(*parts, 4, MATERIALS)


def drift(config: Config, recordings: Stand) -> None:
    """Real pieces, and beginnings of dreams."""
    section = config.evaluations.drift
    windows(recordings, config.tokenizers.video.past + section.piece, "training")
    windows(recordings, section.context + section.piece)


def control(config: Config, recordings: Stand) -> None:
    """Beginnings of dreams, recordings to replay, and pictures."""
    section = config.evaluations.control
    length = min(section.context + section.frames, config.data.frames)
    windows(recordings, length)
    for frames in (length, config.tokenizers.video.past + 1):
        windows(recordings, frames, "training")


def dream(name: str) -> Callable[[Config, Stand], object]:
    """The windows of a dream with a horizon."""

    def plan(config: Config, recordings: Stand) -> object:
        section: Any = getattr(config.evaluations, name)
        return windows(recordings, section.context + section.horizon)

    return plan


def motion(config: Config, recordings: Stand) -> None:
    """Windows to forecast, and others to check the forecasts' variance."""
    frames = config.state_dynamics.context + config.state_dynamics.horizon
    windows(recordings, frames, "validation")
    windows(recordings, frames)


def sounds(config: Config, recordings: Stand) -> None:
    """Windows of sound, and their spectra."""
    windows(recordings, config.evaluations.sound_reconstruction.frames)
    LogMel(BANDS, config.data.sample_rate, config.data.samples_per_frame)


def properties(config: Config, recordings: Stand) -> None:
    """Frames around an impact."""
    windows(recordings, impact_features.EARLIEST + 1 + impact_features.LATEST)


def finetuning(config: Config, recordings: Stand) -> None:
    """The battery: probes by the world's labels, retrieval, the readout of the truth."""
    if config.data.source == "playroom":
        for sense, frames in (("vision", 1), ("audio", config.encoders.audio.frames)):
            labelled_windows(recordings, sense, frames, config.evaluations.finetuning.probe)
    retrieval(config, recordings)


PLANS: dict[str, Callable[[Config, Stand], object]] = {
    "probe_vision": lambda config, recordings: probes(config, recordings, "vision"),
    "probe_audio": lambda config, recordings: probes(config, recordings, "audio"),
    "retrieval": retrieval,
    "few_shot": few,
    "properties": properties,
    "zero_shot": unseen,
    "world_state": lambda config, recordings: windows(recordings, config.fusion.frames),
    "finetuning": finetuning,
    "motion": motion,
    "causal": motion,
    "fields": motion,
    "reconstruction": lambda config, recordings: windows(recordings, config.tokenizers.video.frames),
    "sound_reconstruction": sounds,
    "rollout": dream("rollout"),
    "uncertainty": dream("uncertainty"),
    "counterfactual": dream("counterfactual"),
    "drift": drift,
    "control": control,
    "dreamed_sound": dream("dreamed_sound"),
    "agent_return": lambda config, recordings: windows(recordings, config.dynamics.window),
    "puzzle_sound": lambda config, recordings: config.puzzle.sound.data or windows(recordings, SECOND),
    "puzzle_sight": lambda config, recordings: config.puzzle.sight.data or windows(recordings, 1),
    "puzzle_common": lambda config, recordings: windows(recordings, SECOND),
    "puzzle_next": lambda config, recordings: windows(recordings, 3),
    "puzzle_text": lambda config, recordings: None,  # it reads no recordings
    "music_transfer": lambda config, recordings: None,  # nor does it
    "cascade_transfer": lambda config, recordings: None,
    "sound_coding": lambda config, recordings: None,  # nor does it
}


def training_windows(config: Config) -> dict[str, int]:
    """Frames of the windows of each training on the world's recordings."""
    encoders, fusion, states = config.encoders, config.fusion, config.state_dynamics
    frames = {
        "encoders/vision": 1 if encoders.vision.data else encoders.vision.neighbours + 1,
        "encoders/audio": 1 if encoders.audio.data else encoders.audio.frames,
        "fusion": fusion.frames + max(fusion.offsets),
        "finetuned": fusion.frames + max(fusion.offsets),
        "state_dynamics": states.context + states.horizon,
        "tokenizers/video": config.tokenizers.video.frames,
        "tokenizers/audio": config.tokenizers.audio.frames,
        "dynamics": config.dynamics.long_frames,
        "clone": config.dynamics.long_frames + config.agent.cloning.distances,
        "agent": config.agent.imagination.context,
        "puzzle/sound": 1 if config.puzzle.sound.data else SECOND,
        "puzzle/sight": 1,
        "puzzle/joint": SECOND,
        "puzzle/next": 3,
        "music/mask": 1,  # it has songs of its own
        "music/cascade": 1,
        "music/codec": 1,  # as the mask
        "puzzle/sound_list": 1 if config.puzzle.sound.data else SECOND,
        "puzzle/sound_legacy": 1 if config.puzzle.sound.data else SECOND,
        "puzzle/sight_legacy": 1,
        "puzzle/text_legacy": 1,  # of texts, which are no recordings
    }
    return {name: frames[name] for name in config.trained()}


def check_plans(config: Config, recordings: Stand) -> None:
    """Draw the windows of every training and of every evaluation that runs."""
    for frames in training_windows(config).values():
        for split in ("training", "validation"):
            Windows(recordings, split, (), frames)
    for name in config.evaluations_on():
        PLANS[name](config, recordings)
