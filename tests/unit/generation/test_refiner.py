"""A second pass over dreamed frames: what harms them, what mends them, and when."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from toy_generation import awake, fine_dynamics

from sensorium.generation import fine_objective
from sensorium.generation.config import RefinerConfig
from sensorium.generation.dream import dream
from sensorium.generation.harm import harmed
from sensorium.generation.refiner import Refiner, felt_maps
from sensorium.randomness import Draw

SIZE = 16
ROWS = Draw(0, 0, 0, 4, 4, torch.device("cpu"))


def rooms(rows: int, seed: int, frames: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Films of a bright body on a wall of a shade of its own, [B, T, 3, S, S], and where it is, [B, T, 2]."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(rows, frames, 2, generator=generator) * 1.4 - 0.7
    body = felt_maps(places.flatten(0, 1), SIZE)[:, :1].unflatten(0, (rows, frames)) > 0.02
    shades = 0.6 + 0.4 * torch.rand(rows, 1, 3, 1, 1, generator=generator)
    walls = shades * torch.linspace(0.2, 0.6, SIZE).expand(rows, frames, 3, SIZE, SIZE)
    return torch.where(body, torch.tensor([1.0, 0.1, 0.6])[:, None, None], walls), places


def test_each_frame_is_harmed_in_its_own_way_whatever_the_rows_beside_it():
    films, places = rooms(4, seed=0)
    harm = harmed(films, places, films[:, 0], ROWS)
    assert harm.shape == (16, 3, SIZE, SIZE)
    assert ((harm - films.flatten(0, 1)).abs().amax((1, 2, 3)) > 0.02).all()
    parts = [
        harmed(films[part], places[part], films[part, 0], ROWS.rows(part.start, part.stop))
        for part in (slice(0, 1), slice(1, 4))
    ]
    assert torch.equal(torch.cat(parts), harm)
    assert not torch.equal(harmed(films, places, films[:, 0], Draw(0, 1, 0, 4, 4, torch.device("cpu"))), harm)


def test_what_is_felt_is_lost_more_often_than_what_is_not(monkeypatch):
    """In about 0.45 of the frames, and there it is another frame of the same window that is seen."""
    for name in ("_SMEAR", "_TINT", "_STREAKS", "_GRAIN", "_REMAINS"):
        monkeypatch.setattr(f"sensorium.generation.harm.{name}", 0.0)
    monkeypatch.setattr("sensorium.generation.harm._CONTRAST", (1.0, 1.0))
    films, places = rooms(64, seed=1)
    harm = harmed(films, places, films[:, 0], Draw(0, 0, 0, 64, 64, torch.device("cpu")))
    at_body = felt_maps(places.flatten(0, 1), SIZE)[:, :1] > 0.3
    changed = ((harm - films.flatten(0, 1)).abs() > 0.05).any(1, keepdim=True)
    lost = (changed & at_body).flatten(1).any(1).float().mean()
    assert 0.3 < lost < 0.5
    colours = harm[changed.expand_as(harm)].unique()
    assert colours.min() >= 0.1 - 1e-6  # nothing that no frame of the window shows
    assert colours.max() <= 1


def test_the_scene_shows_through_in_half_of_the_frames(monkeypatch):
    for name in ("_SMEAR", "_TINT", "_STREAKS", "_GRAIN", "_LOST"):
        monkeypatch.setattr(f"sensorium.generation.harm.{name}", 0.0)
    monkeypatch.setattr("sensorium.generation.harm._CONTRAST", (1.0, 1.0))
    films, places = rooms(64, seed=1)
    scene = torch.full_like(films[:, 0], 9.0)
    through = (harmed(films, places, scene, Draw(0, 0, 0, 64, 64, torch.device("cpu"))) - films.flatten(0, 1)) / 9
    seen = through.abs().amax((1, 2, 3)) > 1e-3
    assert 0.35 < seen.float().mean() < 0.6
    assert 0.05 < (through[seen] > 0.05).float().mean() < 0.4  # a part of the picture
    assert through.max() < 0.7


def test_surprise_is_that_of_a_mixture_of_four_pictures():
    torch.manual_seed(0)
    refiner = awake(Refiner(RefinerConfig(every=1, width=8, blocks=1), 3, 2, felt=True))
    truth, frames = torch.rand(2, 4, 3, 8, 8)
    scene, places = torch.rand(2, 3, 8, 8), torch.rand(4, 2)
    pictures, logits = refiner(frames, scene, places)
    assert torch.equal(pictures[0], frames)
    assert torch.equal(pictures[1], scene[[0, 0, 1, 1]])
    s, chances = refiner.config.spread, logits.double().softmax(1)
    density = torch.zeros(4, 8, 8, dtype=torch.float64)
    for number, picture in enumerate(pictures):
        density += chances[:, number] * torch.exp(-(picture - truth).double().square().sum(1) / (2 * s**2))
    assert torch.allclose(refiner.surprise(truth, frames, scene, places).double(), -density.log(), atol=1e-4)
    refined = refiner.refine(frames, scene, places, 1.0)
    mean = sum(chances[:, [k]] * picture for k, picture in enumerate(pictures))
    assert torch.allclose(refined.double(), mean.clamp(0, 1), atol=1e-5)
    sharp = torch.stack(refiner(frames, scene, places, 1e6)[0], 1)
    choice = sharp.gather(1, logits.argmax(1)[:, None, None].expand(-1, -1, 3, -1, -1))
    assert torch.allclose(refiner.refine(frames, scene, places, 1e6), choice[:, 0].clamp(0, 1), atol=1e-4)


@pytest.fixture(scope="module")
def mended() -> dict[str, float]:
    """PSNR of unseen frames as harmed, and after a second pass that learned with what is felt and without it.

    No scene shows through: in so few steps it would not be learned, too.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sensorium.generation.harm._REMAINS", 0.0)
        return learned()


def learned() -> dict[str, float]:
    films, places = rooms(24, seed=3)
    unseen, where = rooms(16, seed=4)
    found = {}
    for felt in (True, False):
        torch.manual_seed(0)
        refiner = Refiner(RefinerConfig(every=1, width=12, blocks=2), 3, 2, felt=felt)
        optimiser = torch.optim.AdamW(refiner.parameters(), lr=5e-3)
        for step in range(150):
            rows = slice(8 * (step % 3), 8 * (step % 3) + 8)
            film, place = films[rows], places[rows].flatten(0, 1)
            harm = harmed(film, places[rows], film[:, 0], Draw(0, step, 0, 8, 8, torch.device("cpu")))
            loss = refiner.surprise(film.flatten(0, 1), harm, film[:, 0], place).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        harm = harmed(unseen, where, unseen[:, 0], Draw(1, 0, 0, 16, 16, torch.device("cpu")))
        with torch.no_grad():
            made = refiner.refine(harm, unseen[:, 0], where.flatten(0, 1), 4.0)
        found["felt" if felt else "blind"] = psnr(made, unseen.flatten(0, 1))
        found["harmed"] = psnr(harm, unseen.flatten(0, 1))
    return found


def psnr(pictures: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10(float((pictures - truth).square().mean()))


def test_a_second_pass_mends_unseen_frames_and_finds_the_body_where_it_is_felt(mended):
    assert mended["felt"] > mended["harmed"] + 1.5
    assert mended["felt"] > mended["blind"] + 0.8


def refined_dynamics(every: int):
    torch.manual_seed(1)
    learner, batch = fine_dynamics(crops=0.0, refiner=RefinerConfig(every=every, width=8, blocks=1, frames=2))
    awake(learner)
    return learner, batch


def test_every_nth_frame_of_a_dream_is_refined_and_sight_alone():
    learner, batch = refined_dynamics(every=3)
    dynamics = learner.dynamics
    context = torch.cat([batch["latent"], batch["sound"]], dim=2).float()[:, :4]
    plain = copy.deepcopy(dynamics)
    plain.fine.refiner = None
    actions = torch.zeros(len(context), 12, 2)
    ways = {"denoising_steps": 1, "seed": 1, "sharpness": 4.0}
    made, without = (dream(model, context, actions, 4, **ways) for model in (dynamics, plain))
    assert torch.equal(made[:, :2], without[:, :2])  # frames 4 and 5
    assert not torch.equal(made[:, 2, :16], without[:, 2, :16])  # frame 6
    assert torch.equal(made[:, 2, 16:], without[:, 2, 16:])
    scene = dynamics.encode_scene(context[:, 0])
    before = dynamics.standardise(without[:, 2])[:, :16]
    wanted = dynamics.fine.refine(before, scene, None, 4.0)
    assert torch.allclose(dynamics.standardise(made[:, 2])[:, :16], wanted, atol=1e-4)


def test_a_dream_of_the_mean_is_not_refined():
    learner, batch = refined_dynamics(every=1)
    context = torch.cat([batch["latent"], batch["sound"]], dim=2).float()[:, :4]
    plain = copy.deepcopy(learner.dynamics)
    plain.fine.refiner = None
    actions = torch.zeros(len(context), 12, 2)
    made, without = (dream(model, context, actions, 4, denoising_steps=1) for model in (learner.dynamics, plain))
    assert torch.equal(made, without)


def test_the_second_pass_learns_beside_the_dynamics_and_changes_nothing_there():
    learner, batch = refined_dynamics(every=99)  # no frame of a walk goes through it
    draw = Draw(0, 0, 0, len(batch["latent"]), len(batch["latent"]), torch.device("cpu"))
    loss, metrics = learner(batch, draw)
    loss.backward()
    assert metrics["refined"] > 0
    assert all(p.grad is not None and p.grad.any() for p in learner.dynamics.fine.refiner.parameters())
    other, _ = refined_dynamics(every=99)
    other.dynamics.load_state_dict(learner.dynamics.state_dict())
    other.dynamics.fine.refiner = None
    other.scale.load_state_dict(learner.scale.state_dict(), strict=False)
    loss, metrics = other(batch, draw)
    loss.backward()
    assert "refined" not in metrics
    own = {name: p.grad for name, p in learner.dynamics.named_parameters() if p.grad is not None}
    for name, parameter in other.dynamics.named_parameters():
        assert torch.equal(own[name], parameter.grad) if parameter.grad is not None else name not in own


def test_it_learns_from_true_frames_of_the_window_beside_the_scene(monkeypatch):
    learner, batch = refined_dynamics(every=1)
    seen = {}

    def watch(truth, frames, scene, places):
        seen.update(truth=truth, frames=frames, scene=scene, places=places)
        return truth.new_zeros(len(truth), 8, 8)

    fine, dynamics = learner.dynamics.fine, learner.dynamics
    monkeypatch.setattr(fine.refiner, "surprise", watch)
    monkeypatch.setattr(fine_objective, "harmed", lambda frames, places, scene, draw: frames.flatten(0, 1) + 1)
    learner(batch, Draw(0, 0, 0, len(batch["latent"]), len(batch["latent"]), torch.device("cpu")))
    true = dynamics.standardise(torch.cat([batch["latent"], batch["sound"]], 2).float())[:, :, :16]
    films = torch.stack([fine.show(row.transpose(1, 2).unflatten(2, (4, 4))) for row in true])
    assert torch.equal(seen["frames"], seen["truth"] + 1)
    assert seen["places"] is None
    for row, frames in enumerate(seen["truth"].unflatten(0, (len(films), 2))):
        for frame in frames:
            assert (films[row] - frame).abs().amax((1, 2, 3)).min() < 1e-5
    scene = fine.show(dynamics.encode_scene(batch["scene"]).transpose(1, 2).unflatten(2, (4, 4)))
    assert torch.allclose(seen["scene"], scene)
