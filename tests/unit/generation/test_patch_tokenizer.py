"""Patches as tokens: nothing is lost, changes are white, statistics come from training recordings alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_world import FRAMES, RECORDINGS, write_recordings

from sensorium.config import ConfigurationError, PlayroomConfig, canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_images, to_video
from sensorium.generation import train_tokenizer
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.encode_latents import encode_video
from sensorium.generation.patch_tokenizer import SMALLEST_CHANGE, PatchTokenizer
from sensorium.generation.tokenizer_config import Tokenizers, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.settings import Config
from sensorium.training.health import UnhealthyError

SIZE = 16
CONFIG = VideoTokenizerConfig(kind="patches", channels=12)


def films(still: bool = False) -> np.ndarray:
    """uint8 [recordings, frames, SIZE, SIZE, 3]: bright squares that move over a dark ramp."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(10, 90, SIZE)[:, None, None] * np.array([1.0, 0.5, 0.2])
    video = np.tile(ramp, (RECORDINGS, FRAMES, 1, SIZE, 1))
    for number in range(RECORDINGS):
        colour, (row, column) = rng.integers(90, 256, 3), rng.integers(0, SIZE - 5, 2)
        for frame in range(FRAMES):
            right = column if still else (column + frame) % (SIZE - 4)
            video[number, frame, row : row + 4, right : right + 4] = colour
    return video.astype(np.uint8)


def recordings(folder: Path, video: np.ndarray) -> Path:
    named = {f"toy-{n:03d}": {"video": film} for n, film in enumerate(video)}
    return write_recordings(folder / "data", named, PlayroomConfig(recordings=RECORDINGS, size=SIZE))


def fit(data: Path, output: Path) -> Path:
    arguments = ["--config", canonical_json(CONFIG), "--data", str(data), "--output", str(output), "--device", "cpu"]
    train_tokenizer.main(["video", *arguments])
    return output / "manifest.json"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordingSet, Path]:
    folder = tmp_path_factory.mktemp("patches")
    data = recordings(folder, films())
    return RecordingSet.open(data), fit(data, folder / "tokenizer")


def test_the_statistics_are_those_of_the_training_recordings(fitted: tuple[RecordingSet, Path]) -> None:
    known, manifest = fitted
    network = load(VideoTokenizer, manifest).network
    assert isinstance(network, PatchTokenizer)
    video = np.stack([known.field(name, "video") for name in known.names("training")]) / 255
    cells = video.reshape(*video.shape[:2], SIZE // 2, 2, SIZE // 2, 2, 3).transpose(0, 1, 2, 4, 6, 3, 5)
    patches = cells.reshape(*video.shape[:2], -1, 12)
    assert np.allclose(network.mean, patches.mean((0, 1, 2)), atol=1e-5)
    changes = np.diff(patches, axis=1).reshape(-1, 12)
    white = network.whiten.numpy() @ (changes.T @ changes / len(changes)) @ network.whiten.numpy().T
    expected = np.diag(white).copy()
    assert np.allclose(white, np.diag(expected), atol=1e-4)
    spread = np.linalg.eigvalsh(changes.T @ changes / len(changes))
    assert np.allclose(np.sort(expected), np.sort(spread / (spread + SMALLEST_CHANGE**2)), atol=1e-4)
    details = json.loads(manifest.read_text())["details"]
    assert (details["steps"], details["parameters"]) == (0, 0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_every_pixel_comes_back_from_stored_tokens(fitted: tuple[RecordingSet, Path], dtype: str) -> None:
    known, manifest = fitted
    tokenizer, device = load(VideoTokenizer, manifest), torch.device("cpu")
    video = np.concatenate(
        [
            known.field(known.names("test")[0], "video"),
            np.random.default_rng(1).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8),
        ]
    )
    tokens = encode_video(tokenizer, video, dtype, device)
    assert tokens.shape == (2 * FRAMES, tokenizer.tokens, tokenizer.channels) == (2 * FRAMES, 64, 12)
    pictures = tokenizer.decode(torch.from_numpy(tokens).float())
    assert np.array_equal(to_video(pictures.clamp(0, 1)).numpy(), video)


def test_tokens_lie_row_by_row_and_a_stream_is_the_batch(fitted: tuple[RecordingSet, Path]) -> None:
    known, manifest = fitted
    tokenizer = load(VideoTokenizer, manifest)
    images = to_images(torch.from_numpy(known.field(known.names("test")[0], "video").copy()))[None]
    tokens = tokenizer.encode(images)
    changed = images.clone()
    changed[:, :, :, 2:4, 6:8] = 0.9  # the patch of row 1, column 3
    other = (tokenizer.encode(changed) - tokens).abs().amax((0, 1, 3)) > 1e-4
    assert other.nonzero().flatten().tolist() == [SIZE // 2 + 3]
    memory = tokenizer.encoding.remember()
    streamed = torch.cat([tokenizer.encoding.step(memory, frame) for frame in images.split(1, dim=1)], dim=1)
    assert torch.allclose(streamed, tokens, atol=1e-6)
    assert (tokenizer.frames, tokenizer.past, tokenizer.patches) == (1, 0, 0)


def test_pictures_that_are_all_alike_give_no_tokenizer(tmp_path: Path) -> None:
    alike = np.full_like(films(), 80)
    with pytest.raises(UnhealthyError, match=r"gate token_std: .* try: recordings whose pictures differ"):
        fit(recordings(tmp_path, alike), tmp_path / "tokenizer")
    assert not (tmp_path / "tokenizer/manifest.json").exists()


def test_what_never_changes_is_not_scaled_up(tmp_path: Path) -> None:
    """Unit noise on tokens of still films is small noise on pictures: 3 grey levels in every direction."""
    network = load(VideoTokenizer, fit(recordings(tmp_path, films(still=True)), tmp_path / "tokenizer")).network
    assert isinstance(network, PatchTokenizer)
    assert torch.allclose(network.colour @ network.colour.T, SMALLEST_CHANGE**2 * torch.eye(12), atol=1e-6)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"channels is 16: with kind patches it must be 3 times a square"):
        VideoTokenizerConfig(kind="patches")
    with pytest.raises(ConfigurationError, match=r"video\.channels is 27: size \(32\) must be a multiple of 3"):
        VideoTokenizerConfig(kind="patches", channels=27).check_size(32)


def test_what_loses_nothing_is_not_asked_how_much() -> None:
    assert "reconstruction" not in Config().evaluations_on()
    learned = Config(tokenizers=Tokenizers(), dynamics=DynamicsConfig())
    assert "reconstruction" in learned.evaluations_on()
