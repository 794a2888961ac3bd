"""The video tokenizer: shapes, bounds, its loss, and gates that a dead one fails."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sensorium.data.sample_formats import WHITE
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner, edge_error, psnr
from sensorium.models.streaming import Causal
from sensorium.randomness import Draw

SIZE = 16
CONFIG = VideoTokenizerConfig(width=8, channels=4)


@pytest.fixture
def tokenizer():
    torch.manual_seed(0)
    return VideoTokenizer(CONFIG, {"size": SIZE})


def discs(count: int) -> torch.Tensor:
    """Frames uint8 [count, 1, SIZE, SIZE, 3] with a disc at random places, of random colours."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.rand(count, 2, generator=generator) * SIZE
    colours = torch.rand(count, 3, generator=generator)
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    inside = (rows - centres[:, :1, None]).square() + (columns - centres[:, 1:, None]).square() < 16
    frames = torch.where(inside[..., None], colours[:, None, None], 0.2)
    return (WHITE * frames).to(torch.uint8)[:, None]


def in_steps(stream: Causal[Any, torch.Tensor, torch.Tensor], frames: torch.Tensor, pieces: list[int]) -> torch.Tensor:
    """The output of a stream that reads frames [B, T, ...] in pieces."""
    memory = stream.remember()
    return torch.cat([stream.step(memory, piece) for piece in frames.split(pieces, dim=1)], dim=1)


def draw(rows: int) -> Draw:
    return Draw(0, 0, 0, rows, rows, torch.device("cpu"))


def test_shapes_and_bounds(tokenizer):
    images = torch.rand(3, 3, SIZE, SIZE)
    tokens = tokenizer.encode(images)
    assert tokens.shape == (3, tokenizer.tokens, 4) == (3, 4, 4)
    assert tokens.abs().max() < 1
    assert tokenizer.decode(tokens).shape == images.shape


def test_frames_do_not_mix(tokenizer):
    images = torch.rand(4, 3, SIZE, SIZE)
    together, alone = tokenizer(images)[0], torch.cat([tokenizer(image[None])[0] for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_clips_are_frames_one_by_one(tokenizer):
    """The same interface as a tokenizer that looks back: leading dimensions of any number."""
    clips = torch.rand(2, 5, 3, SIZE, SIZE)
    reconstructions, tokens = tokenizer(clips)
    assert tokens.shape == (2, 5, 4, 4)
    assert torch.allclose(reconstructions.flatten(0, 1), tokenizer(clips.flatten(0, 1))[0], atol=1e-5)
    assert (tokenizer.frames, tokenizer.past) == (1, 0)


def test_a_stream_is_the_batch(tokenizer):
    images = torch.rand(2, 5, 3, SIZE, SIZE)
    reconstructions, tokens = tokenizer(images)
    assert torch.allclose(in_steps(tokenizer.encoding, images, [1] * 5), tokens, atol=1e-5)
    assert torch.allclose(in_steps(tokenizer.decoding, tokens, [2, 1, 1, 1]), reconstructions, atol=1e-5)


def test_size_must_be_a_multiple_of_the_stride():
    with pytest.raises(ValueError, match="20"):
        VideoTokenizer(VideoTokenizerConfig(), {"size": 20})


def test_psnr():
    assert psnr(torch.tensor(0.01)).item() == pytest.approx(20)


def test_edge_error_ignores_a_constant_and_sees_an_edge_at_every_size():
    images = torch.rand(2, 3, 8, 8)
    assert edge_error(images + 0.3, images).max() < 1e-10
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1  # one of 7, of 3 and of 1 horizontal differences is 1, no vertical one
    assert edge_error(edge, torch.zeros_like(edge)).item() == pytest.approx((1 / 7 + 1 / 3 + 1) / 2 / 3)


def test_the_loss_is_the_mean_over_rows(tokenizer):
    learner = TokenizerLearner(tokenizer, CONFIG)
    video = discs(6)
    whole = learner({"video": video}, draw(6))[0]
    parts = [learner({"video": part}, draw(len(part)))[0] * len(part) for part in (video[:2], video[2:])]
    assert torch.allclose(whole, sum(parts) / 6, atol=1e-6)


def test_it_learns_and_only_then_passes_its_gates(tokenizer):
    learner = TokenizerLearner(tokenizer, CONFIG)
    video = discs(64)
    before = {gate.name for gate in learner.eval().gates({"video": video}) if not gate.passed}
    assert "gain_over_mean_image_db" in before
    optimiser = torch.optim.Adam(learner.parameters(), lr=5e-3)
    for _ in range(80):
        loss = learner({"video": video}, draw(64))[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert [gate.name for gate in learner.gates({"video": video}) if not gate.passed] == []
    assert learner.show({"video": video})["reconstruction"].pixels.shape == (3, 2 * SIZE, 8 * SIZE)


def test_a_collapsed_tokenizer_fails_its_gates(tokenizer):
    """Tokens that are the same for every frame: whatever the decoder does, its pictures are all alike."""
    torch.nn.init.zeros_(tokenizer.network.encoder[-2].weight)
    failed = {gate.name for gate in TokenizerLearner(tokenizer, CONFIG).gates({"video": discs(16)}) if not gate.passed}
    assert {"token_std", "token_rank", "output_difference", "gain_over_mean_image_db"} <= failed
