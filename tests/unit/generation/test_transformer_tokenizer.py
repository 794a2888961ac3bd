"""The block-causal transformer tokenizer: who sees whom, streams, hidden patches, collapses that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_tokenizers import SIZE, discs, draw, in_steps

from sensorium.config import Training
from sensorium.data.sample_formats import to_images
from sensorium.generation.encode_latents import encode_video
from sensorium.generation.tokenizer_config import TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner
from sensorium.randomness import Draw
from sensorium.training.execution import Execution
from sensorium.training.health import UnhealthyError
from sensorium.training.learner import Batch, Learner
from sensorium.training.stage import train_stage

SHAPE = TransformerTokenizerConfig(dim=32, heads=2, layers=4, time_every=2, patch=4, frames=3, mask=0.5, mask_warmup=4)
CONFIG = VideoTokenizerConfig(kind="transformer", transformer=SHAPE, channels=4)


@pytest.fixture
def tokenizer() -> VideoTokenizer:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return VideoTokenizer(CONFIG, {"size": SIZE}).eval()


def clips(count: int, frames: int) -> torch.Tensor:
    return torch.rand(count, frames, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def test_shapes_and_bounds(tokenizer: VideoTokenizer) -> None:
    images = clips(2, 5)
    reconstructions, tokens = tokenizer(images)
    assert tokens.shape == (2, 5, tokenizer.tokens, 4) == (2, 5, 4, 4)
    assert reconstructions.shape == images.shape
    assert tokens.abs().max() < 1
    assert (tokenizer.frames, tokenizer.patches, tokenizer.past) == (3, 16, 4)
    assert torch.allclose(tokenizer.encode(images[0]), tokens[0], atol=1e-6)  # a clip alone
    assert torch.allclose(tokenizer.decode(tokens[0]), reconstructions[0], atol=1e-6)


def test_the_wrong_patch_is_refused() -> None:
    config = CONFIG.model_copy(update={"transformer": SHAPE.model_copy(update={"patch": 5})})
    with pytest.raises(ValueError, match="patch is 5: size"):
        VideoTokenizer(config, {"size": SIZE})


def changes(before: torch.Tensor, after: torch.Tensor) -> list[bool]:
    """Which frames differ, of two clips."""
    return [not torch.allclose(a, b, atol=1e-6) for a, b in zip(before[0], after[0], strict=True)]


def test_time_is_causal_and_its_window_bounded(tokenizer: VideoTokenizer) -> None:
    """Frame 3 affects itself and the next `past` frames: two layers over time reach two frames each."""
    images, tokens = clips(1, 12), 0.5 * torch.randn(1, 12, 4, 4)
    other_images, other_tokens = images.clone(), tokens.clone()
    other_images[:, 3], other_tokens[:, 3] = 1 - images[:, 3], -tokens[:, 3]
    affected = [3 <= frame <= 3 + tokenizer.past for frame in range(12)]
    assert changes(tokenizer.encode(images), tokenizer.encode(other_images)) == affected
    assert changes(tokenizer.decode(tokens), tokenizer.decode(other_tokens)) == affected


def test_a_stream_is_the_batch(tokenizer: VideoTokenizer) -> None:
    """Frame by frame, far beyond the window, and after a beginning of several frames."""
    images = clips(2, 60)
    tokens = tokenizer.encode(images)
    pictures = tokenizer.decode(tokens)
    for pieces in ([1] * 60, [7, 1, 2, *[1] * 50]):
        assert (in_steps(tokenizer.encoding, images, pieces) - tokens).abs().max() < 1e-5
        assert (in_steps(tokenizer.decoding, tokens, pieces) - pictures).abs().max() < 1e-5


def test_recordings_are_encoded_in_passes_of_any_length(tokenizer: VideoTokenizer) -> None:
    video = np.random.default_rng(0).integers(256, size=(23, SIZE, SIZE, 3), dtype=np.uint8)
    whole, parts = (encode_video(tokenizer, video, "float32", torch.device("cpu"), size) for size in (64, 5))
    assert whole.shape == (23, 4, 4)
    assert np.abs(whole - parts).max() < 1e-5


def test_who_sees_whom_in_a_frame(tokenizer: VideoTokenizer) -> None:
    """Row by row: patches see patches, latents see all; decoding, patches see all, latents see latents."""
    is_latent = [False] * 16 + [True] * 4
    encoding, decoding = tokenizer.network.seen_encoding.tolist(), tokenizer.network.seen_decoding.tolist()
    assert encoding == [[asks or not seen for seen in is_latent] for asks in is_latent]
    assert decoding == [[not asks or seen for seen in is_latent] for asks in is_latent]
    block = tokenizer.network.encoder.blocks[0]
    x = torch.randn(1, 20, 32)
    other = x.clone()
    other[:, 17] += 1
    moved = (block(x, tokenizer.network.seen_encoding) - block(other, tokenizer.network.seen_encoding)).abs().amax(-1)
    assert (moved[0] > 1e-6).tolist() == is_latent  # patches know nothing of a latent, the latents do


def test_hidden_patches_change_nothing(tokenizer: VideoTokenizer) -> None:
    images, hidden = clips(1, 2), torch.zeros(1, 2, 16, dtype=torch.bool)
    hidden[:, :, 5] = True  # rows 4 to 7, columns 4 to 7
    other = images.clone()
    other[..., 4:8, 4:8] = 0
    assert not torch.allclose(tokenizer.encode(images), tokenizer.encode(other), atol=1e-5)
    assert torch.allclose(tokenizer.encode(images, hidden), tokenizer.encode(other, hidden), atol=1e-6)


def test_shares_of_hidden_patches_grow_and_differ_by_frame(tokenizer: VideoTokenizer) -> None:
    learner = TokenizerLearner(tokenizer, CONFIG).train()
    shares = {}
    for step in (0, 3, 100):
        hidden = learner._hidden(Draw(0, step, 0, 4000, 4000, torch.device("cpu")), 3)
        shares[step] = hidden.float().mean(-1)
    assert shares[0].mean().item() == pytest.approx(
        0.5 / 4 / 2, abs=0.01
    )  # a quarter of the warm-up, half of the largest
    assert shares[3].mean().item() == pytest.approx(0.25, abs=0.01)
    assert shares[100].mean().item() == pytest.approx(0.25, abs=0.01)
    assert shares[100].std(1).mean() > 0.1  # within a clip too
    assert learner.eval()._hidden(draw(4), 3) is None


def test_the_loss_does_not_depend_on_the_micro_batch(tokenizer: VideoTokenizer) -> None:
    learner, video, whole = TokenizerLearner(tokenizer, CONFIG).train(), discs(6), draw(6)
    loss = learner({"video": video}, whole)[0]
    parts = [learner({"video": video[a:b]}, whole.rows(a, b))[0] * (b - a) for a, b in ((0, 2), (2, 6))]
    assert torch.allclose(loss, sum(parts) / 6, atol=1e-6)


class Discs:
    """Windows of clips of discs."""

    def __init__(self, count: int) -> None:
        self._video = discs(count)

    def __len__(self) -> int:
        return len(self._video)

    def batch(self, indices: np.ndarray, seeds: object = None) -> Batch:
        """Rows by index."""
        return {"video": self._video[torch.from_numpy(indices)]}


def train(folder: Path, config: VideoTokenizerConfig, spoil: Any = None) -> None:
    """Train the tokenizer of a section on discs, as the stage does; `spoil` breaks it before."""
    (folder / "input.json").write_text("{}")

    def build() -> tuple[Learner, Discs, Discs]:
        tokenizer = VideoTokenizer(config, {"size": SIZE})
        if spoil:
            spoil(tokenizer)
        return TokenizerLearner(tokenizer, config), Discs(200), Discs(64)

    train_stage(
        stage="tokenizer_video", revision=1, section=config, inputs={"data": folder / "input.json"},
        output=folder / "out", build=build, execution=Execution(device="cpu"), shapes={"size": SIZE},
    )  # type: ignore[arg-type]  # fmt: skip


def longer(steps: int, **changes: Any) -> VideoTokenizerConfig:
    shape = SHAPE.model_copy(update={"frames": 1, "mask": 0.3} | changes)
    training = Training(steps=steps, batch=16, lr=4e-3, warmup=5)
    return CONFIG.model_copy(update={"transformer": shape, "channels": 8, "training": training})


def everything_hidden(tokenizer: VideoTokenizer) -> None:
    """What a mask of everything does: the encoder learns nothing of any patch."""
    encode = tokenizer.network.encode
    tokenizer.network.encode = (
        lambda images, hidden, rings=None: encode(  # type: ignore[method-assign]
            images, torch.ones(*images.shape[:2], tokenizer.patches, dtype=torch.bool), rings
        )
    )


def dead_bottleneck(tokenizer: VideoTokenizer) -> None:
    """A read-out that says the same to everything, and cannot learn."""
    layer = tokenizer.network.bottleneck[1]
    torch.nn.init.zeros_(layer.weight)
    layer.requires_grad_(False)


def even_attention(tokenizer: VideoTokenizer) -> None:
    """Every layer of the encoder looks everywhere alike, and no latent begins at a place of its own."""
    tokenizer.network.pool.fill_(1 / tokenizer.patches)
    for block in tokenizer.network.encoder.blocks:
        torch.nn.init.zeros_(block.attention.query_norm.weight)
        block.attention.query_norm.requires_grad_(False)


def test_a_healthy_training_is_exported(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    train(tmp_path, longer(60))
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("spoil", "gates"),
    [
        (everything_hidden, {"token_std", "token_rank", "output_difference", "gain_over_mean_image_db"}),
        (dead_bottleneck, {"token_std", "token_rank", "output_difference", "gain_over_mean_image_db"}),
        (even_attention, {"gain_over_tinted_mean_image_db"}),
    ],
)
def test_a_collapsed_training_is_refused(tmp_path: Path, spoil: Any, gates: set[str]) -> None:
    """The same training as above, broken for real: it ends in the mean image, and with exit 70."""
    torch.set_num_threads(1)
    with pytest.raises(UnhealthyError) as refusal:
        train(tmp_path, longer(60), spoil)
    named = {gate for gate in str(refusal.value).replace(":", " ").split() if gate.endswith(("db", "std", "k", "e"))}
    assert gates <= named, refusal.value
    assert "mask_warmup" in str(refusal.value)
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_the_mean_image_is_what_a_dead_bottleneck_learns(tokenizer: VideoTokenizer) -> None:
    """The collapse as it was met: pictures alike to eight digits whatever is seen."""
    dead_bottleneck(tokenizer)
    images = to_images(discs(8))
    assert tokenizer(images)[0].std(0).max() < 1e-6
