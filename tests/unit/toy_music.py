"""A small set of songs, a tiny mask and a tiny cascade, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sensorium.artifacts import digest, write_manifest
from sensorium.config import Section, Training, canonical_json
from sensorium.models.load import Loadable
from sensorium.music.cascade import Cascade
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.cascade_learner import CascadeLearner
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_config import CodecConfig, CodecCriticConfig, CodecQuantiserConfig
from sensorium.music.codec_learner import CodecLearner
from sensorium.music.collect_songs import main as collect_songs
from sensorium.music.config import RATE, MaskConfig, MusicTransferConfig, SongsConfig
from sensorium.music.evaluation import music_transfer
from sensorium.music.mask_learner import MaskLearner
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sizes import LATENTS
from sensorium.training.learner import Batch, Learner

SONGS = SongsConfig(songs=16, bars=1, tempi=(120, 160), instruments=6, validation_fraction=0.25, test_fraction=0.25)
MASK = MaskConfig(width=4, layers=1, seconds=1.0)
SMALL = Training(steps=40, batch=4, warmup=5)
CASCADE = CascadeConfig(dim=16, heads=2, layers=1, reach=6, seconds=0.8, training=SMALL)
SCALE = {"scale": [0.1] * LATENTS}
# many levels: in bfloat16 some numbers round to the next one, which is a small step then
QUANTISER = CodecQuantiserConfig(channels=6, levels=15, stages=3, words=8, dim=4)
CODEC = CodecConfig(width=16, layers=2, seconds=0.5, quantiser=QUANTISER)


def write_songs(folder: Path) -> Path:
    """Collect the songs by their command; the manifest."""
    collect_songs(["--config", canonical_json(SONGS), "--output", str(folder)])
    return folder / "manifest.json"


def write_mask(folder: Path, songs: Path) -> Path:
    """The mask with fresh weights, as if it had learned from a set of songs; its manifest."""
    return _write(MaskNetwork, MASK, {"rate": RATE}, folder, songs)


def write_cascade(folder: Path, songs: Path) -> Path:
    """The cascade, likewise."""
    return _write(Cascade, CASCADE, SCALE, folder, songs)


def _write(cls: type[Loadable], config: Section, shapes: dict[str, Any], folder: Path, songs: Path) -> Path:
    torch.manual_seed(5)
    build: Any = cls
    path = folder / "model.safetensors"
    folder.mkdir()
    save_file(build(config, shapes).state_dict(), path)
    write_manifest(
        folder,
        kind=cls.kind,
        section_json=canonical_json(config),
        inputs={"songs": digest(songs)},
        files={"model": path},
        details={"shapes": shapes, "parameters": 1, "steps": 1},
    )
    return folder / "manifest.json"


def write_codec(folder: Path, kind: str = "fsq", seed: int = 5, songs: Path | None = None) -> Path:
    """The codec with fresh weights, as if it had learned from a set of songs; its manifest."""
    torch.manual_seed(seed)
    config, shapes = tiny_codec(kind), {"rate": RATE}
    network, path = MusicCodec(config, shapes), folder / "model.safetensors"
    folder.mkdir()
    save_file(network.state_dict(), path)
    write_manifest(
        folder,
        kind=MusicCodec.kind,
        section_json=canonical_json(config),
        inputs={"songs": digest(songs)} if songs else {},
        files={"model": path},
        details={"shapes": shapes, "parameters": 1, "steps": 1},
    )
    return folder / "manifest.json"


def judge(made: dict[str, Path], folder: Path, *more: str) -> dict[str, Any]:
    """Evaluate two pairs of each source by the command; the result."""
    argv = ["--config", canonical_json(MusicTransferConfig(pairs=2, seconds=1.4)), "--device", "cpu", "--threads", "1"]
    inputs = ["--songs", str(made["songs"]), "--mask", str(made["mask"])]
    files = {"output": "r.json", "figure": "f.png", "sound": "s.wav"}
    outputs = [word for option, name in files.items() for word in (f"--{option}", str(folder / name))]
    music_transfer.main([*argv, *inputs, *outputs, *more])
    return dict(json.loads((folder / "r.json").read_text()))


def music_mask() -> tuple[Learner, Batch]:
    """The mask, with half a second of noise whose drums are short."""
    return MaskLearner(MaskNetwork(MASK, {"rate": RATE}), 6.0), noisy_stems()


def music_cascade() -> tuple[Learner, Batch]:
    """The cascade, with the same."""
    return CascadeLearner(Cascade(CASCADE, SCALE), 6.0), noisy_stems()


def noisy_stems() -> Batch:
    """Half a second of noise whose drums are short."""
    stems = torch.randn(6, 4, RATE // 2) * 2000
    stems[:, 0::2] *= (torch.arange(RATE // 2) % 3000 < 300) * 4
    return {"stems": stems.short()}


def tiny_codec(kind: str = "fsq") -> CodecConfig:
    """The section of the tiny codec with a quantiser of this kind."""
    return CODEC.model_copy(update={"quantiser": QUANTISER.model_copy(update={"kind": kind})})


def music_codec(kind: str = "fsq") -> tuple[Learner, Batch]:
    """The codec, with the batch of the mask."""
    config = tiny_codec(kind)
    return CodecLearner(MusicCodec(config, {"rate": RATE}), config), music_mask()[1]


def codec_with_critic() -> tuple[Learner, Batch]:
    """The codec, with a small critic."""
    critic = CodecCriticConfig(channels=4, ffts=(256, 64), penalty=0.1)
    config = tiny_codec().model_copy(update={"critic": critic})
    return CodecLearner(MusicCodec(config, {"rate": RATE}), config), music_mask()[1]
