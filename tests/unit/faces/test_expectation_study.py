"""Expectations: geometry holds in each law's scenes, and what sees no law cannot tell the impossible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sensorium.cognition.expectation import (
    FAR,
    Around,
    Expectation,
    Watched,
    advance,
    hidden_depth,
    nearest_point,
    surprise,
)
from sensorium.studies import impossible, violations
from sensorium.studies.config import ViolationsConfig
from sensorium.studies.impossible import LAWS, fours
from sensorium.studies.violations import TRUE_ROOM, expectation, hidden, judge, stillness

CONFIG = ViolationsConfig(seeds=2, fours=10, scenes=60, steps=100)
FRAME = 1 / 16
GUESSING = pytest.approx((0.5, 0.5))


def around(ledge: tuple[float, ...] = (FAR,) * 4, hand: tuple[float, float] = (FAR, FAR), moves: float = 0.0) -> Around:
    return Around(torch.tensor([[ledge]]), 1.6, torch.tensor([hand]), torch.tensor([[moves, 0.0]]), 10.0)


def later(around: Around, *state: float, gravity: float = 0.0) -> list[float]:
    return advance(TRUE_ROOM, around, torch.tensor([state]), torch.tensor([8.0]), FRAME, gravity)[0].tolist()


def test_contact_is_geometry() -> None:
    """A hand that arrives takes a ball along, one that stops short does not, and nothing is pushed from afar."""
    arrives = later(around(hand=(31.0, 50.0), moves=4.0), 50.0, 50.0, 0.0, 0.0)
    assert arrives[0] == pytest.approx(53.0, abs=0.1)
    assert arrives[2] == pytest.approx(4.0, abs=0.1)
    assert later(around(hand=(27.0, 50.0), moves=4.0), 50.0, 50.0, 0.0, 0.0) == [50.0, 50.0, 0.0, 0.0]


def test_ledges_are_solid_and_hold() -> None:
    ledge = (4.0, 60.0, 34.0, 60.0)
    assert later(around(ledge), 20.0, 50.4, 0.0, 0.0, gravity=160.0) == pytest.approx([20.0, 50.4, 0.0, 0.0], abs=0.01)
    assert later(around(ledge), 20.0, 48.0, 0.0, 9.0)[1] == pytest.approx(50.4, abs=0.01)
    assert later(around(ledge), 60.0, 50.4, 0.0, 0.0, gravity=160.0)[1] > 50.6
    point = nearest_point(torch.tensor([[0.0, 0.0, 10.0, 0.0]]), torch.tensor([[14.0, 3.0]]))
    torch.testing.assert_close(point, torch.tensor([[10.0, 0.0]]))


def test_a_screen_hides_what_it_covers() -> None:
    depth = hidden_depth(torch.tensor([[30.0, 60.0]]), torch.tensor([[45.0, 9.0]]), torch.tensor([10.0]))
    assert depth.item() == 5.0
    assert impossible.covered(np.array([39.0, 45.0, 51.0]), 10.0, (30.0, 60.0)).tolist() == [False, True, False]


def test_what_is_hidden_goes_on() -> None:
    """A ball at a steady pace is expected where it would be by now, not where it was seen last."""
    x = 30 + 4 * torch.arange(9.0)
    seen = torch.tensor([[True] * 3 + [False] * 4 + [True] * 2])
    state = torch.stack([x, torch.full((9,), 50.0), torch.full((9,), 4.0), torch.zeros(9)], dim=1)[None]
    nothing = torch.full((1, 9, 2), FAR)
    watched = Watched(
        torch.where(seen[..., None], state, torch.nan),
        seen,
        torch.tensor([8.0]),
        nothing,
        torch.full((1, 1, 4), FAR),
        torch.tensor([[33.0, 64.0]]),
        torch.eye(8)[:1],
        1.6,
        10.0,
    )
    back = replace(watched, state=watched.state - torch.tensor([16.0, 0, 0, 0]) * (torch.arange(9) > 6)[:, None])
    floating = Expectation(replace(TRUE_ROOM, gravity=0.0, damping=1.0), FRAME, 8, 4, 0)
    goes_on, comes_out_where_it_went_in = (surprise(floating, scene).item() for scene in (watched, back))
    assert goes_on < 5
    assert comes_out_where_it_went_in > goes_on + 5


@pytest.fixture(scope="module")
def scenes() -> dict[str, dict[str, Watched]]:
    return {law: fours(law, 100, CONFIG.fours, CONFIG.noise) for law in LAWS}


def test_the_fours_are_matched(scenes: dict[str, dict[str, Watched]]) -> None:
    """Possible and impossible scenes hold the same motions and the same surroundings; A and B do differ."""
    for law, four in scenes.items():
        for one, other in (("Aa", "Ab"), ("Bb", "Ba")):
            assert torch.equal(four[one].state.nan_to_num(), four[other].state.nan_to_num()), law
            assert torch.equal(four[one].seen, four[other].seen), law
        for one, other in (("Aa", "Ba"), ("Bb", "Ab")):
            for name in ("hand", "ledges", "screen", "context"):
                assert torch.equal(getattr(four[one], name), getattr(four[other], name)), law
        moved = (four["Aa"].state - four["Bb"].state).nan_to_num().abs().amax((1, 2)) > 2
        differs = moved | (four["Aa"].seen != four["Bb"].seen).any(1)
        assert differs.all(), law
        assert four["Aa"].seen[:, 0].all()


def test_geometry_is_surprised_where_a_law_breaks_and_the_lawless_guess(scenes: dict[str, dict[str, Watched]]) -> None:
    geometry = expectation(CONFIG, 100)
    found = judge(scenes, lambda watched: surprise(geometry, watched))
    assert found["gravity"] == GUESSING  # geometry knows no colours
    assert all(min(values) > 0.7 for law, values in found.items() if law != "gravity"), found
    for lawless in (lambda watched: surprise(geometry, hidden(watched)), stillness):
        assert all(values == GUESSING for values in judge(scenes, lawless).values())


@pytest.mark.parametrize(
    ("law", "broken"), [("support", "ledges"), ("solidity", "ledges"), ("permanence", "screen"), ("contact", "hand")]
)
def test_without_its_geometry_a_law_is_not_known(scenes: dict[str, dict[str, Watched]], law: str, broken: str) -> None:
    """Mutation: one sort of thing is not taken into account."""
    geometry = expectation(CONFIG, 100)

    def mutant(watched: Watched) -> torch.Tensor:
        return surprise(geometry, replace(watched, **{broken: torch.full_like(getattr(watched, broken), FAR)}))

    assert judge({law: scenes[law]}, mutant)[law] == GUESSING


def test_a_study_of_two_seeds_learns_the_colour_of_balloons() -> None:
    """Only the colour shows whether gravity holds, so this needs training."""
    found = violations.run(CONFIG)
    assert set(found.metrics) == {f"{law}_{measure}" for law in LAWS for measure in ("accuracy", "auc")}
    assert found.metrics["gravity_accuracy"]["low"] > 0.7
    assert not any(record["passed"] for record in found.controls.values())
