"""How many numbers networks and recordings hold, by arithmetic: what memory and disk are planned by, without torch.

The counts of every preset are compared with the networks themselves in tests (tests/unit/faces/test_sizes.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sensorium.config.films import FileSource, FilmSource, VideoConfig
from sensorium.config.gymnasium import GymnasiumConfig, described
from sensorium.config.offline import EpisodesConfig
from sensorium.config.offline import described as listed
from sensorium.config.section import Training
from sensorium.config.sets import LabelledSet, PictureSet, SoundSet
from sensorium.config.sources import AtariConfig, PlayroomConfig, Recordings, Source
from sensorium.config.transformer import Transformer

FLOAT = 4  # bytes of a float32
_PLAYROOM_TRUTH = 164  # bytes a frame of all fields truth.*
_FIELD = 110  # bytes of a field's entry in the header of a shard


@dataclass(frozen=True)
class Counts:
    """Numbers of a network.

    Attributes:
        matrices: parameters that Muon would train: matrices of transformer blocks.
        others: all other parameters that are trained.
        buffers: numbers that are stored with them and not trained.
        rivals: parameters of a critic, which has no average.
    """

    matrices: int = 0
    others: int = 0
    buffers: int = 0
    rivals: int = 0

    def __add__(self, more: Counts) -> Counts:
        return Counts(
            self.matrices + more.matrices,
            self.others + more.others,
            self.buffers + more.buffers,
            self.rivals + more.rivals,
        )

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return self.matrices + self.others + self.rivals

    def model(self) -> int:
        """Bytes of the weights and buffers in float32, the size of model.safetensors but for its header."""
        return FLOAT * (self.parameters + self.buffers)

    def checkpoint(self, training: Training) -> int:
        """Bytes of a checkpoint but for its header: weights, buffers, moments (Muon has one) and the average."""
        by_muon = self.matrices if training.muon else 0
        moments = 2 * (self.parameters - by_muon) + by_muon
        return self.model() + FLOAT * (moments + (self.parameters - self.rivals if training.ema else 0))


def linear(inputs: int, outputs: int, *, bias: bool = True) -> Counts:
    """An affine map, or a convolution whose `inputs` are channels times places of the kernel."""
    return Counts(others=inputs * outputs + bias * outputs)


def vectors(width: int, count: int = 1) -> Counts:
    """Learned vectors: scales, shifts, embeddings."""
    return Counts(others=width * count)


def blocks(config: Transformer, layers: int, key_heads: int | None = None) -> Counts:
    """Transformer layers (`models.layers.Block`)."""
    dim, width = config.dim, config.dim // config.heads
    hidden = -(-int(dim * 8 / 3) // 8) * 8
    matrices = dim * (config.heads + 2 * (key_heads or config.heads)) * width + dim * dim + 3 * dim * hidden
    return Counts(matrices=layers * matrices, others=layers * (2 * width + 2 * dim))


@dataclass(frozen=True)
class Recorded:
    """What the recordings of a source hold.

    Attributes:
        sample_rate, samples: of the sound, a second and a frame; 0 without sound.
        body: numbers of the body sense.
        action: {"kind", "size"} as in manifests; None: there are no actions.
        truth: bytes a frame that only evaluations read.
        fields: of a recording.
    """

    sample_rate: int = 16_000
    samples: int = 1000
    body: int = 0
    action: dict[str, Any] | None = None
    truth: int = 0
    fields: int = 2


def recorded(data: Source) -> Recorded:
    """What a source records, without importing it.

    Raises:
        ConfigurationError: if it is an environment that cannot be tried on this machine.
    """
    if isinstance(data, PlayroomConfig):
        action = {"kind": "continuous", "size": 2}
        return Recorded(body=12, action=action, truth=_PLAYROOM_TRUTH, fields=17)
    if isinstance(data, AtariConfig):
        return Recorded(
            sample_rate=60 * 512, samples=4 * 512, action={"kind": "discrete", "size": 18}, truth=512, fields=5
        )
    if isinstance(data, GymnasiumConfig):
        known = described(data)
        return Recorded(sample_rate=0, samples=0, body=known.body, action=known.action, truth=1, fields=6)
    if isinstance(data, PictureSet):
        return Recorded(sample_rate=0, samples=0, truth=8)
    if isinstance(data, SoundSet):
        return Recorded(truth=8)
    if isinstance(data, VideoConfig):
        return _filmed(data)
    if isinstance(data, EpisodesConfig):
        known_set = listed(data)
        return Recorded(data.sample_rate, data.samples_per_frame, known_set.body, known_set.action, fields=6)
    silent = isinstance(data, FilmSource) and not data.has("audio")
    return Recorded(sample_rate=0) if silent else Recorded()


def _filmed(data: VideoConfig) -> Recorded:
    """What long videos hold, with the signals beside them."""
    rate, samples = (data.sample_rate, data.samples_per_frame) if data.has("audio") else (0, 0)
    beside = data.signals
    body, action = (len(beside.body), beside.action()) if beside else (0, None)
    return Recorded(sample_rate=rate, samples=samples, body=body, action=action, fields=5)


def frame_bytes(data: Any) -> int:
    """Bytes of one frame of a recording: picture, sound, body, action, reward and truth."""
    known = recorded(data)
    picture = 0 if isinstance(data, SoundSet) else 3 * data.size**2
    sound = 2 * known.samples if known.sample_rate else 0
    rewards = FLOAT * (data.has_rewards() + data.has_ends()) if isinstance(data, Recordings) else 0
    action = 0
    if known.action:
        action = FLOAT * known.action["size"] if known.action["kind"] == "continuous" else 8
    return picture + sound + FLOAT * known.body + action + rewards + known.truth


def set_bytes(data: Any) -> int:
    """Bytes of all shards of a set of recordings; films and sounds of a folder may be shorter than `frames`."""
    headers = _FIELD * recorded(data).fields // (16 if isinstance(data, PictureSet) else 1)
    return int(data.episodes()) * (int(data.frames) * frame_bytes(data) + headers)


def held_bytes(data: Any) -> int:
    """Bytes of a set that `collect` holds: a shard, or of files, whose shards are written as they fill, a recording."""
    frames: int = data.frames
    if isinstance(data, FileSource | LabelledSet):
        return frames * frame_bytes(data)
    return set_bytes(data) // int(data.shards)


def split_frames(data: Any, split: str) -> int:
    """Frames in the training, validation or test recordings of a source whose splits are drawn."""
    test, validation = (getattr(data, f"{name}_fraction", 0.1) for name in ("test", "validation"))
    if isinstance(data, LabelledSet):
        validation *= 1 - test
    share = {"test": test, "validation": validation, "training": 1 - test - validation}[split]
    return round(share * data.episodes()) * int(data.frames)
