"""The cascade of earlier work: its sizes to the number, its formulas by hand, its objective."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from toy_music import noisy_stems

from sensorium.music.evaluation.popular_numbers import of_masks, of_outputs
from sensorium.music.legacy_agents import Composer, CompositionalAgent, MaskingAgent, ScaleExtractor, positions
from sensorium.music.legacy_cascade import (
    LegacyAnswer,
    LegacyCascade,
    LegacyCritic,
    LegacyStage,
    critic_losses,
    loudness,
    restoring_factor,
)
from sensorium.music.legacy_learner import LegacyCascadeLearner, both_songs, correlation, envelope
from sensorium.music.sizes import LATENTS
from sensorium.randomness import Draw

FLAT = [1.0] * LATENTS
SIZES = {
    ("none", 4): 10_341_632,
    ("masking", 4): 11_623_362,
    ("compositional", 4): 24_856_710,
    ("none", 6): 15_470_080,
    ("masking", 6): 16_751_810,
    ("compositional", 6): 29_985_158,
}


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("agent", "layers"), SIZES, ids=str)
def test_sizes_are_exact(agent, layers) -> None:
    with torch.device("meta"):
        assert count(LegacyCascade(agent, layers, FLAT)) == SIZES[agent, layers]


def test_sizes_of_the_parts_are_exact() -> None:
    assert count(LegacyStage(2, 6)) == 4_772_480
    assert count(LegacyStage(3, 6)) == 10_697_600
    assert count(MaskingAgent()) == 1_281_730
    assert count(ScaleExtractor()) == 722_048
    assert count(Composer()) == 12_970_880
    assert count(CompositionalAgent()) == 14_515_078
    assert count(LegacyCritic()) == 3_802_881


def test_positions_are_those_of_the_paper() -> None:
    found = positions(5, 8)
    for place in range(5):
        for pair in range(4):
            angle = place / 10_000 ** (2 * pair / 8)
            assert float(found[place, 2 * pair]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(found[place, 2 * pair + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.parametrize("sounds", [2, 3])
def test_a_stage_that_writes_nothing_gives_the_mean_at_the_loudness_of_both(sounds: int) -> None:
    stage = LegacyStage(sounds, 1).eval()
    stage.write = nn.Linear(sounds * LATENTS, LATENTS)
    nn.init.zeros_(stage.write.weight)
    nn.init.zeros_(stage.write.bias)
    songs = torch.randn(2, 2, LATENTS, 20) * torch.tensor([1.0, 3.0])[:, None, None]
    given = [songs[:, 0], songs[:, 1], torch.randn(2, LATENTS, 20)][:sounds]
    mean = sum(given) / sounds
    wanted = ((songs[:, 0].square().mean((1, 2)) + songs[:, 1].square().mean((1, 2))) / 2).sqrt()
    factor = (wanted / mean.square().mean((1, 2)).sqrt()).clamp(0.7, 1.5)[:, None, None]
    torch.testing.assert_close(stage(given, songs), mean * factor)


def test_loudness_is_restored_within_limits() -> None:
    songs = torch.ones(1, 2, 3, 4)
    for level, factor in ((0.1, 1.5), (0.8, 1.25), (1.0, 1.0), (5.0, 0.7)):
        assert float(restoring_factor(torch.full((1, 3, 4), level), songs)) == pytest.approx(factor, rel=1e-4)


def test_the_last_layer_has_a_spectral_norm_of_one() -> None:
    stage = LegacyStage(2, 1)
    with torch.no_grad():
        stage.write.parametrizations.weight.original.mul_(50)
        for _ in range(20):
            stage([torch.randn(1, LATENTS, 4)] * 2, torch.randn(1, 2, LATENTS, 4))
    assert float(torch.linalg.matrix_norm(stage.write.weight, 2)) == pytest.approx(1, rel=0.02)


def test_untrained_it_is_a_cross_fade_with_the_popular_numbers() -> None:
    """Before any learning: complementarity 75 %, masks of a half, loudness of the songs, both songs alike."""
    cascade = LegacyCascade("masking", 1, FLAT)
    songs = torch.randn(3, 2, LATENTS, 60) * 2
    with torch.no_grad():
        answer = cascade(songs)
    masks = of_masks(answer.masks.numpy())
    assert masks["complementarity"] == pytest.approx(0.75, abs=0.02)
    assert masks["balance"] < 1e-3
    assert float(answer.masks.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(loudness(answer.latents).mean() / loudness(songs).mean()) == pytest.approx(1, abs=0.05)
    gains = np.linalg.lstsq(songs.transpose(0, 1).flatten(1).T.numpy(), answer.latents.flatten().numpy(), rcond=None)[0]
    assert gains == pytest.approx([0.7, 0.7], abs=0.1)


def test_costs_of_masks_by_hand() -> None:
    """Constant masks of a half: overlap 0.25, no coverage, both still (0.1), balanced."""
    cost, balance = MaskingAgent.costs(torch.full((2, 2, LATENTS, 30), 0.5))
    assert float(cost) == pytest.approx(0.25 + 5 * 0.1)
    assert float(balance) == 0
    masks = torch.rand(2, 2, LATENTS, 30)
    found = of_masks(masks.numpy())
    still = sum(max(0.0, 0.05 - float(masks[:, song].var(-1).mean())) for song in (0, 1))
    cost, balance = MaskingAgent.costs(masks)
    assert float(cost) == pytest.approx(found["overlap"] + 0.5 * found["coverage"] + 5 * still, rel=1e-5)
    assert float(balance) == pytest.approx(found["balance"], rel=1e-4)


def test_masked_songs_are_as_loud_as_before() -> None:
    songs = torch.randn(2, 2, LATENTS, 20)
    masked, masks = MaskingAgent()(songs)
    torch.testing.assert_close(loudness(masked), loudness(songs))
    torch.testing.assert_close(masked / loudness(masked), songs * masks / loudness(songs * masks))


def test_the_composer_stands_for_song_a_alone() -> None:
    cascade = LegacyCascade("compositional", 1, FLAT).eval()
    songs = torch.randn(1, 2, LATENTS, 20)
    composed, cost = cascade.agent(songs * 5.67)
    answer = cascade(songs)
    a_and_b = torch.stack((composed, 5.67 * songs[:, 1]), 1)
    out = cascade.first([composed, 5.67 * songs[:, 1]], a_and_b)
    out = cascade.second([composed, out, 5.67 * songs[:, 1]], a_and_b)
    torch.testing.assert_close(answer.latents, out / 5.67, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(answer.regularisation, cost)


def test_the_anti_modulation_cost_is_the_one_that_is_reported() -> None:
    rng = np.random.default_rng(0)
    songs = rng.standard_normal((3, 2, 9000)).astype(np.float32) * np.abs(np.sin(np.arange(9000) / 700))
    found = (songs[:, 0] * 0.7 + 0.2 * songs[:, 1]).astype(np.float32)
    nothing = torch.zeros(())
    answer = LegacyAnswer(nothing, None, torch.tensor(2.0), torch.tensor(0.5))
    cost = both_songs(torch.from_numpy(found), torch.from_numpy(songs.astype(np.float32)), answer)
    errors = sum(np.sqrt(((found - songs[:, song]) ** 2).mean()) for song in (0, 1))
    followed = of_outputs(found, songs)["anti_modulation_quadratic"]
    assert float(cost) == pytest.approx(0.3 * errors + 0.5 * followed + 0.1 * 2 + 15 * 0.5, rel=1e-4)


def test_silence_has_a_finite_gradient() -> None:
    silence = torch.zeros(2, 5000, requires_grad=True)
    cost = correlation(envelope(silence), envelope(torch.randn(2, 5000))).square().sum()
    cost.backward()
    assert float(cost.detach()) == 0
    assert torch.isfinite(silence.grad).all()


def test_the_least_error_to_both_songs_is_any_weighted_mean_of_them() -> None:
    """Of all gains of two songs that have nothing in common: roots of squares add up to the same between A and B."""
    songs = torch.randn(4, 2, 60_000)
    answer = LegacyAnswer(songs, None, torch.zeros(()), torch.zeros(()))

    def cost(a: float, b: float) -> float:
        found = a * songs[:, 0] + b * songs[:, 1]
        followed = sum(correlation(envelope(found), envelope(song)).square().mean() for song in songs.unbind(1))
        return float(both_songs(found, songs, answer) - 0.5 * followed) / 0.3

    for a in range(11):
        assert cost(a / 10, 1 - a / 10) == pytest.approx(2**0.5, rel=0.01)
        assert min(cost(a / 10, 0.9 - a / 10), cost(a / 10, 1.1 - a / 10)) > 2**0.5 * 1.002


@pytest.mark.parametrize("objective", ["both songs", "the answer"])
def test_both_objectives_move_every_weight_but_the_unused(objective) -> None:
    learner = LegacyCascadeLearner(LegacyCascade("masking", 1, [0.1] * LATENTS), objective)
    loss, metrics = learner(noisy_stems(), Draw(0, 0, 0, 6, 6, torch.device("cpu")))
    loss.backward()
    still = [name for name, each in learner.named_parameters() if each.grad is None or not each.grad.abs().sum()]
    assert still == ["cascade.agent.unused"]
    assert math.isfinite(float(metrics["error_db"]))


def test_the_critic_and_its_rival_want_the_opposite() -> None:
    critic = LegacyCritic()
    real, found = torch.randn(2, LATENTS, 40), torch.randn(2, LATENTS, 40, requires_grad=True)
    own, fooled = critic_losses(critic, real, found)
    assert float(own) == pytest.approx(2 * math.log(2), abs=0.1)
    assert float(fooled) == pytest.approx(math.log(2), abs=0.1)
    own.backward()
    assert found.grad is None
    fooled.backward()
    assert found.grad is not None
