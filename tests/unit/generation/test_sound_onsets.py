"""Sound whose onsets are drawn from the picture: the head, its likelihood and draws; how it is trained and dreamed."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from toy_generation import awake, fine_dynamics

from sensorium.generation.config import LAST_FRAMES
from sensorium.generation.dream import dream
from sensorium.generation.dynamics_learner import tokens_of
from sensorium.generation.sound_onsets import Onset, OnsetHead
from sensorium.randomness import Draw

N, C, FLAG, COLOURS, BODY, PIXELS = 4, 6, 3, 3, 5, 8
LEVEL = FLAG - 1  # channel of a part's level


def head(body: int = BODY) -> OnsetHead:
    torch.manual_seed(0)
    return awake(OnsetHead(N, C, FLAG, COLOURS, body))


def inputs(rows: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    pictures = torch.rand(rows, LAST_FRAMES + 1, COLOURS, PIXELS, PIXELS)
    return pictures, torch.randn(rows, LAST_FRAMES, N, C), torch.randn(rows, 2, BODY)


def test_the_class_is_how_far_the_level_rises_within_the_last_parts():
    before, tokens = torch.zeros(4, N, C), torch.zeros(4, N, C)
    tokens[1, 2, LEVEL] = 0.6  # above .5
    before[2, 0, LEVEL], tokens[2, :, LEVEL] = -2.0, -0.1  # long ago
    tokens[3, :, LEVEL] = torch.tensor([0.6, 1.2, 1.8, 2.4])  # little by little: 1.8 within three parts
    assert head().classes(tokens, before).tolist() == [0, 2, 0, 4]


def test_draws_are_as_frequent_as_their_chances():
    rows = 4000
    chances, struck = torch.tensor([0.5, 0.1, 0.2, 0.15, 0.05]), torch.tensor([0.0, 0.1, 0.3, 0.5, 0.9])
    levels = torch.linspace(-2, 2, 5)[:, None].expand(5, N * FLAG)
    heard = Onset(*(part.expand(rows, *part.shape) for part in (chances.log(), struck.logit(), levels, levels)))
    uniform = (torch.arange(rows) + 0.5) / rows
    noised = torch.zeros(rows, N, C)
    noised[:, 0, -1] = 0.6 * torch.special.ndtri(uniform)
    drawn = head().draw(heard, noised, torch.full((rows,), 0.4))
    which = drawn[:, 0, 0].long() + 2
    assert torch.equal(drawn[..., :FLAG] + 2, which[:, None, None].expand(rows, N, FLAG).float())
    assert torch.bincount(which, minlength=5).float() / rows == pytest.approx(chances.numpy(), abs=1e-3)
    for each, chance in enumerate(struck):
        assert float(drawn[which == each, :, FLAG].mean()) == pytest.approx(float(chance), abs=0.02)
    assert not drawn[..., FLAG + 1 :].any()


def test_the_mean_is_that_of_the_draws():
    torch.manual_seed(2)
    rows = 20000
    heard = Onset(torch.randn(1, 5), torch.randn(1, 5), torch.rand(1, 5, N * FLAG), torch.zeros(1, 5, N * FLAG))
    many = Onset(*(part.expand(rows, *part.shape[1:]) for part in heard))
    drawn = head().draw(many, torch.randn(rows, N, C), torch.zeros(rows))
    assert torch.allclose(drawn.mean(0), head().mean(heard)[0], atol=0.05)


def test_surprise_is_the_likelihood_of_class_flag_and_levels():
    model = head()
    pictures, recent, felt = inputs()
    heard, before, tokens = model(pictures, recent, felt), recent[:, -1], torch.randn(2, N, C)
    tokens[..., FLAG] = torch.tensor([-0.3, 3.0])[:, None]
    which, each = model.classes(tokens, before), torch.arange(2)
    student = torch.distributions.StudentT(4.0, heard.levels[each, which], heard.scale[each, which].exp())
    nats = -student.log_prob(tokens[..., :FLAG].flatten(1)).mean(1)
    constant = -torch.distributions.StudentT(4.0).log_prob(torch.zeros(()))
    flag = F.logsigmoid(torch.tensor([-1.0, 1.0]) * heard.flag[each, which])
    wanted = nats - constant - flag - heard.classes.log_softmax(1)[each, which]
    assert torch.allclose(model.surprise(heard, tokens, before), wanted, atol=1e-5)


@pytest.mark.parametrize("part", ["picture", "body"])
def test_when_something_sounds_depends_on_sight_and_body(part):
    model, (pictures, recent, felt) = head(), inputs()
    chances = model(pictures, recent, felt).classes
    if part == "picture":
        pictures[:, -1, :, 2:5, 2:5] = 1
    else:
        felt[:, 1] += 1
    assert not torch.allclose(model(pictures, recent, felt).classes, chances, atol=1e-3)


def test_when_something_sounds_does_not_depend_on_the_last_sound():
    model, (pictures, recent, felt) = head(), inputs()
    heard = model(pictures, recent, felt)
    other = model(pictures, recent + 1, felt)
    assert torch.equal(other.classes, heard.classes)
    assert not torch.allclose(other.levels, heard.levels, atol=1e-2)


def test_levels_of_a_dream_do_not_run_away():
    model, (pictures, recent, felt) = head(), inputs()
    heard = model(pictures, recent + 100, felt)
    made = (model.mean(heard), model.draw(heard, torch.zeros(2, N, C), torch.zeros(2)))
    assert all(float(part[..., :FLAG].detach().abs().max()) == 2 for part in made)


def test_flags_are_standardised_as_their_tokens_are():
    model = head()
    mean, std = torch.arange(6.0), torch.full((6,), 0.5)
    model.describe(mean, std)
    assert model.flags.tolist() == [-2 * FLAG, 2 * (1 - FLAG)]


def test_tokens_without_a_channel_for_draws_are_refused():
    with pytest.raises(ValueError, match=r"6 are used.*tokenizers.audio.channels.*dynamics.fine.onsets"):
        OnsetHead(N, C, C - 1, COLOURS, BODY)


@pytest.mark.parametrize("crops", [1.0, 0.0])
def test_sound_is_learned_in_all_steps_and_does_not_lead_sight(crops):
    torch.manual_seed(1)
    learner, batch = fine_dynamics(crops, body=5, flag=7)
    learner = awake(learner)  # of a head whose last layers are zero nothing comes back
    rows = len(batch["latent"])
    seen = []
    learner.scale.forward = lambda losses: seen.append(losses) or losses["audio"]
    loss, _ = learner(batch, Draw(0, 0, 0, rows, rows, torch.device("cpu")))
    loss.backward()
    led = {name for name, value in learner.dynamics.named_parameters() if value.grad is not None and value.grad.any()}
    assert led
    assert all(name.startswith("paths.onsets.") for name in led)


@pytest.mark.parametrize(("sharpness", "varies"), [(1.0, False), (4.0, True)])
def test_sharp_dreams_draw_onsets_and_their_seed_decides(sharpness, varies):
    torch.manual_seed(1)
    learner, batch = fine_dynamics(0.0, body=5, flag=7)
    model, tokens = awake(learner).dynamics, tokens_of(batch)
    with torch.no_grad():  # sight and body, which a seed changes, too, are not asked
        for layer in (model.paths.onsets.choose, model.paths.onsets.leave, model.paths.onsets.decay):
            layer.weight.zero_()
        model.paths.onsets.leave.bias.normal_()

    def sound(seed: int) -> torch.Tensor:
        made = dream(model, tokens[:, :4], batch["action"], 4, denoising_steps=2, seed=seed, sharpness=sharpness)
        return model.split(made)["audio"]

    assert torch.equal(sound(1), sound(1))
    assert torch.allclose(sound(1), sound(2), atol=1e-4) == (not varies)
    assert torch.allclose(sound(1)[..., 8:], torch.zeros(()), atol=1e-4)
