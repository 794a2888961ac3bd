"""Latents on disk: what the tokenizer makes of each frame, with the actions, under the splits of the recordings."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sensorium.artifacts import ArtifactError, digest, read_json, write_json, write_manifest
from sensorium.config import LatentsConfig, Section, canonical_json
from sensorium.data import collect, index
from sensorium.data.recording import SPLITS, RecordingSet
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.data.windows import Windows
from sensorium.generation import encode_latents
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.train_dynamics import token_statistics

DATA = '{"source": "playroom", "recordings": 12, "frames": 16, "size": 16, "shards": 2}'
SHARDS = (0, 1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Manifests of some recordings and of a tokenizer."""
    folder = tmp_path_factory.mktemp("inputs")
    shards = [folder / "data" / f"shard-{shard:04d}.safetensors" for shard in SHARDS]
    for shard, path in zip(SHARDS, shards, strict=True):
        collect.main(["--config", DATA, "--shard", str(shard), "--output", str(path)])
    data = folder / "data" / "manifest.json"
    lists = [str(path.with_suffix(".json")) for path in shards]
    index.main(["--config", DATA, "--shards", *lists, "--output", str(data)])
    torch.manual_seed(0)
    config = VideoTokenizerConfig(width=4, channels=3)
    tokenizer = VideoTokenizer(config, {"size": 16})
    return data, write_tokenizer(folder / "tokenizer", tokenizer, "tokenizer_video", config, {"size": 16})


def write_tokenizer(folder: Path, tokenizer: nn.Module, kind: str, config: Section, shapes: dict[str, int]) -> Path:
    """An exported tokenizer; its manifest."""
    weights = folder / "model.safetensors"
    weights.parent.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in tokenizer.state_dict().items()}, weights)
    write_manifest(
        folder,
        kind=kind,
        section_json=canonical_json(config),
        inputs={},
        files={"model": weights},
        details={"shapes": shapes},
    )
    return folder / "manifest.json"


def encode(inputs: tuple[Path, Path], folder: Path, shard: int, config: LatentsConfig, stream: str = "video") -> Path:
    """Run the stage for one shard; the list that it wrote."""
    output = folder / f"shard-{shard:04d}.safetensors"
    words = ["--config", canonical_json(config), "--data", str(inputs[0]), "--tokenizer", str(inputs[1])]
    encode_latents.main([stream, *words, "--shard", str(shard), "--output", str(output), "--device", "cpu"])
    return output.with_suffix(".json")


@pytest.fixture(scope="module")
def latents(inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> RecordingSet:
    folder = tmp_path_factory.mktemp("latents")
    lists = [str(encode(inputs, folder, shard, LatentsConfig())) for shard in SHARDS]
    manifest = folder / "manifest.json"
    section = canonical_json(LatentsConfig())
    index.main(["--config", section, "--like", str(inputs[0]), "--shards", *lists, "--output", str(manifest)])
    return RecordingSet.open(manifest)


def test_the_set_is_like_its_recordings(inputs: tuple[Path, Path], latents: RecordingSet) -> None:
    recordings = RecordingSet.open(inputs[0])
    for split in SPLITS:
        assert latents.names(split) == recordings.names(split)
    assert latents.details["action"] == recordings.details["action"]
    assert latents.details["tokenizer"] == digest(inputs[1])
    for name in recordings.names("training"):
        assert np.array_equal(latents.field(name, "action"), recordings.field(name, "action"))


def test_latents_are_what_the_tokenizer_makes(inputs: tuple[Path, Path], latents: RecordingSet) -> None:
    recordings = RecordingSet.open(inputs[0])
    torch.manual_seed(0)
    tokenizer = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16})
    name = recordings.names("test")[0]
    images = to_images(torch.from_numpy(recordings.field(name, "video").copy()))
    latent = latents.field(name, "latent")
    assert latent.dtype == np.float16
    assert latent.shape == (16, 4, 3)
    assert np.abs(latent.astype(np.float32) - tokenizer.encode(images).detach().numpy()).max() < 1e-3


def test_a_shard_whose_recordings_are_all_left_out_is_encoded_empty(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = tmp_path / "data" / "manifest.json"
    shutil.copytree(inputs[0].parent, manifest.parent)
    content = read_json(manifest)
    every = content["details"]["recordings"]
    good = [entry for entry in every if entry["shard"] == "shard-0001"]
    content["details"]["quarantine"] = [{"name": e["name"], "reason": "a copy"} for e in every if e not in good]
    for path in manifest.parent.glob("shard-*.json"):  # they know the splits of before
        path.unlink()
    content["details"]["recordings"] = [{**entry, "split": SPLITS[place % 3]} for place, entry in enumerate(good)]
    write_json(manifest, content)
    lists = [str(encode((manifest, inputs[1]), tmp_path, shard, LatentsConfig())) for shard in SHARDS]
    section, output = canonical_json(LatentsConfig()), tmp_path / "manifest.json"
    index.main(["--config", section, "--like", str(manifest), "--shards", *lists, "--output", str(output)])
    assert len(RecordingSet.open(output).names("test")) == len(good) // 3


def test_dtype_and_passes(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    encode(inputs, tmp_path, 0, LatentsConfig(dtype="float32"))
    video = np.random.default_rng(0).integers(256, size=(5, 16, 16, 3), dtype=np.uint8)
    tokenizer = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16})
    whole, parts = (
        encode_latents.encode_video(tokenizer, video, "float32", torch.device("cpu"), frames) for frames in (8, 2)
    )
    assert whole.dtype == np.float32
    assert np.allclose(whole, parts, atol=1e-5)


def test_a_shard_that_the_data_lack_is_refused(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="shard-0007"):
        encode(inputs, tmp_path, 7, LatentsConfig())


def test_token_statistics(latents: RecordingSet) -> None:
    statistics = token_statistics(latents)
    assert all(values.shape == (latents.details["tokens"], latents.details["channels"]) for values in statistics)
    mean, deviation, change = (values[0] for values in statistics)
    windows = Windows(latents, "training", ("latent",), 16)
    tokens = windows.batch(np.arange(len(windows)))["latent"].double()
    assert torch.allclose(mean.double(), tokens.mean((0, 1, 2)), atol=1e-6)
    expected = tokens.std((0, 1, 2), correction=0).clamp_min(0.01)
    assert torch.allclose(deviation.double(), expected, atol=1e-6)
    assert torch.allclose(change.double(), tokens.diff(dim=1).square().mean((0, 1, 2)), atol=1e-8)


def test_sound_beside_video(inputs: tuple[Path, Path], latents: RecordingSet, tmp_path: Path) -> None:
    """The same recordings, splits and frames; the tokens are those of the whole recording; nothing else is copied."""
    torch.manual_seed(0)
    config, shapes = AudioTokenizerConfig(width=8, channels=3), {"samples_per_frame": 1000}
    tokenizer = AudioTokenizer(config, shapes)
    own = inputs[0], write_tokenizer(tmp_path / "tokenizer", tokenizer, "tokenizer_audio", config, shapes)
    lists = [str(encode(own, tmp_path / "latents", shard, LatentsConfig(), "audio")) for shard in SHARDS]
    manifest, section = tmp_path / "latents" / "manifest.json", canonical_json(LatentsConfig())
    index.main(["--config", section, "--like", str(own[0]), "--shards", *lists, "--output", str(manifest)])
    heard, recordings = RecordingSet.open(manifest), RecordingSet.open(inputs[0])
    details = {key: heard.details[key] for key in ("tokens", "channels", "tokenizer")}
    assert details == {"tokens": 4, "channels": 3, "tokenizer": digest(own[1])}
    assert not heard.has("action")
    for split in SPLITS:
        assert heard.names(split) == latents.names(split)
    for name in recordings.names("training"):
        tokens = heard.field(name, "latent")
        assert tokens.shape == (*latents.field(name, "latent").shape[:1], 4, 3)
        sound = to_sounds(torch.from_numpy(recordings.field(name, "audio").copy()))[None]
        assert np.abs(tokens.astype(np.float32) - tokenizer.encode(sound)[0].detach().numpy()).max() < 1e-3


def test_passes_of_sound_change_nothing() -> None:
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(AudioTokenizerConfig(width=8, channels=3), {"samples_per_frame": 1000})
    for name, weight in tokenizer.named_parameters():
        if ".mix." in name:
            nn.init.normal_(weight, std=0.2)
    audio = np.random.default_rng(0).integers(-9999, 9999, 7000, dtype=np.int16)
    whole, parts = (
        encode_latents.encode_audio(tokenizer, audio, "float32", torch.device("cpu"), frames) for frames in (8, 2)
    )
    assert np.abs(whole - parts).max() < 1e-5


@pytest.mark.parametrize("kind", ["bands", "learned"])
def test_latents_of_bands_say_where_the_onset_flag_is(inputs: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    config = AudioTokenizerConfig.model_validate({"kind": kind, "channels": 12, "tokens": 8, "width": 8, "frames": 8})
    shapes = {"samples_per_frame": 1000}
    tokenizer = AudioTokenizer(config, shapes)
    own = inputs[0], write_tokenizer(tmp_path / "tokenizer", tokenizer, "tokenizer_audio", config, shapes)
    details = read_json(encode(own, tmp_path / "latents", 0, LatentsConfig(), "audio"))["details"]
    assert details.get("flag") == (7 if kind == "bands" else None)
    if tokenizer.bands is not None:
        sound = torch.zeros(1, 4000)
        sound[:, 2000:] = 0.5 * torch.randn(2000, generator=torch.Generator().manual_seed(0))
        assert tokenizer.encode(sound)[0, :, 0, 7].tolist() == [0, 0, 1, 0]
