"""Memory of a training step as `sensorium estimate` plans it, compared with what torch really allocates on a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from toys import materialise

from sensorium.models.layers import Attention
from sensorium.models.recompute import recompute_layers
from sensorium.perception.sizes import sense_widths
from sensorium.planning.configuration import DEFAULT, read_settings
from sensorium.planning.estimate import stage_estimate
from sensorium.planning.footprint import fused_attention, operations, saved_bytes
from sensorium.planning.learners import stage
from sensorium.randomness import Draw
from sensorium.settings import Config

ROOT = Path(__file__).parents[3]
LEARNED = [ROOT / "config/convolutional.yaml", ROOT / "config/tiny.yaml"]  # tokenizers that take steps
ROWS = 4


def batch_of(settings: Config, folder: str) -> dict[str, Tensor]:
    """Some rows as the data pipeline gives them."""
    size, fusion, frames = settings.data.size, settings.fusion, settings.dynamics.long_frames
    if folder == "dynamics":
        shapes = {"latent": (frames, 16, 16), "sound": (frames, 4, 16), "scene": (16, 16), "action": (frames, 2)}
        return {name: torch.randn(ROWS, *shape) for name, shape in shapes.items()}
    if folder == "fusion":
        window, widths = fusion.frames + max(fusion.offsets), sense_widths(settings)
        names = {"vision": "vision_embedding", "audio": "audio_embedding", "body": "body"}
        return {names[sense]: torch.randn(ROWS, window, width) for sense, width in widths.items()}
    if folder == "tokenizers/audio":
        return {"audio": torch.randint(-9999, 9999, (ROWS, 4000), dtype=torch.int16)}
    frames = 1 if folder == "tokenizers/video" else settings.encoders.vision.neighbours + 1
    return {"video": torch.randint(0, 255, (ROWS, frames, size, size, 3), dtype=torch.uint8)}


def measured_peak(step: Callable[[], None]) -> int:
    """Largest sum of bytes that torch had allocated at once during a step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def planned_and_measured(settings: Config, folder: str, recomputed: bool = False) -> tuple[int, int]:
    """Bytes that a step keeps and its gradients take, as planned, and the largest sum while it ran."""
    planned = stage(settings, folder)
    learner = planned.learner
    assert not recomputed or recompute_layers(learner)
    with planned.mode:
        kept = saved_bytes(learner, lambda: planned.run(ROWS))
    materialise(learner)
    learner.train()
    gradients = sum(4 * parameter.numel() for parameter in learner.parameters())
    rows = batch_of(settings, folder)

    def step() -> None:
        loss, _ = learner(rows, Draw(0, 3, 0, ROWS, ROWS, torch.device("cpu")))
        loss.backward()

    return kept + gradients, measured_peak(step)


@pytest.mark.parametrize("folder", ["encoders/vision", "fusion", "tokenizers/video", "tokenizers/audio", "dynamics"])
def test_a_step_takes_the_estimated_memory_within_a_factor_of_1_6(folder):
    planned, measured = planned_and_measured(read_settings(LEARNED, ROOT / DEFAULT), folder)
    assert 1 / 1.6 < measured / planned < 1.6


def test_layers_that_recompute_their_activations_take_the_estimated_memory():
    tiny = read_settings(LEARNED, ROOT / DEFAULT)
    deep = tiny.model_copy(update={"dynamics": tiny.dynamics.model_copy(update={"layers": 8})})
    planned, measured = planned_and_measured(deep, "dynamics", recomputed=True)
    assert 1 / 1.6 < measured / planned < 1.6
    kept = stage(deep, "dynamics")
    with kept.mode:
        assert planned < saved_bytes(kept.learner, lambda: kept.run(ROWS)) / 3


def test_what_autograd_keeps_of_two_layers_is_counted_by_hand():
    layers = nn.Sequential(nn.Linear(3, 5, bias=False), nn.Tanh(), nn.Linear(5, 7, bias=False))
    x = torch.randn(2, 3)
    assert saved_bytes(layers, lambda: layers(x)) == 4 * (2 * 3 + 2 * 5)  # the input, and the output of tanh once
    assert operations(lambda: layers(x)) == 2 * 2 * (3 * 5 + 5 * 7)


def test_a_gpu_stores_no_logits_and_counts_the_same_operations():
    layer, x = Attention(8, 1), torch.randn(1, 64, 8)
    plain, count = saved_bytes(layer, lambda: layer(x)), operations(lambda: layer(x))
    with fused_attention():
        assert saved_bytes(layer, lambda: layer(x)) == plain - 4 * 64 * 64 + 4 * 64  # one sum of each row instead
        assert operations(lambda: layer(x)) == count
    assert saved_bytes(layer, lambda: layer(x)) == plain


@pytest.mark.parametrize("stream", ["video", "audio"])
def test_what_is_fitted_is_planned_without_a_step(stream: str) -> None:
    found = stage_estimate(Config(), f"tokenizers/{stream}", "cpu", 0, math.inf)
    assert (found["parameters"], found["operations_a_step"], found["activation_bytes"]) == (0, 0, 0)
