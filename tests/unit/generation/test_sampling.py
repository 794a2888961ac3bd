"""Scores of samples: known values, and few steps that sample what many do, or a blur of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_generation import DYNAMICS, TOKENIZER
from toy_world import DETAILS

from sensorium.evaluation.scores import crps
from sensorium.evaluation.statistics import NOTHING, baseline_values
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.evaluation import sampling
from sensorium.generation.evaluation.poison import with_finest_steps

WINDOWS, FRAMES, SIZE = 40, 3, 8


def films(rng: np.random.Generator, count: int, middle: np.ndarray, spread: float) -> np.ndarray:
    """Noise of a spread around pictures that are known, [count, n, H, 3, SIZE, SIZE]."""
    return middle + spread * rng.normal(size=(count, *middle.shape))


def judged(spread: float, fine_spread: float = 0.1) -> dict[str, dict[str, Any]]:
    """The metrics of few steps that sample a spread, where the truth has 0.1."""
    rng = np.random.default_rng(0)
    middle = 0.5 + 0.2 * rng.normal(size=(WINDOWS, FRAMES, 3, SIZE, SIZE))
    truth = films(rng, 1, middle, 0.1)[0]
    flat = {
        "dreams": films(rng, 8, middle, spread),
        "fine": films(rng, 4, middle, fine_spread),
        "mean picture": np.full((1, *middle.shape), 0.5),
    }

    def squares(pictures: np.ndarray) -> np.ndarray:
        return pictures.reshape(*pictures.shape[:-3], -1)

    scores = {name: sampling.energy(squares(shown), squares(truth)).mean(1) for name, shown in flat.items()}
    edges = {name: sampling.sharpness(shown, truth, np.full((1, 1, 3, 1, 1), 0.5)) for name, shown in flat.items()}
    spreads = {name: sampling.spread(squares(flat[name])).mean(1) for name in ("dreams", "fine")}
    return sampling.few_steps(scores, edges, spreads, [str(row) for row in range(WINDOWS)], NOTHING, 0)


def test_the_energy_score_of_single_numbers_is_the_crps() -> None:
    rng = np.random.default_rng(0)
    dreams, truth = rng.normal(size=(5, 30, 4, 1)), rng.normal(size=(30, 4, 1))
    assert sampling.energy(dreams, truth) == pytest.approx(crps(dreams, truth)[..., 0])
    assert sampling.energy(dreams[:1], truth) == pytest.approx(np.abs(dreams[0] - truth)[..., 0])


def test_nothing_scores_less_than_the_true_distribution() -> None:
    """And the number of dreams changes nothing on average."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 1, 6))
    scores = {
        scale: sampling.energy(scale * rng.normal(size=(8, 4000, 1, 6)), truth).mean() for scale in (0, 0.6, 1, 1.5)
    }
    assert min(scores, key=lambda scale: scores[scale]) == 1
    assert sampling.energy(rng.normal(size=(2, 4000, 1, 6)), truth).mean() == pytest.approx(scores[1], rel=0.02)


def test_few_steps_that_sample_what_many_do_pass() -> None:
    for record in judged(0.1).values():
        assert record["passed"], record


@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_few_steps_that_blur_or_roughen_fail(spread: float) -> None:
    for record in judged(spread).values():
        assert not record["passed"], record
        assert record["floor_name"].startswith("64 steps")


def test_sharpness_is_that_of_edges_and_their_loss_counts_either_way() -> None:
    picture = np.zeros((1, 1, 1, 3, 4, 4))
    picture[..., 2:] = 1.0
    assert sampling.edges(picture).ravel() == pytest.approx([1 / 3])
    for scale in (0.5, 2.0):
        samples = sampling.sharpness(3 + scale * picture, 3 + picture[0], np.full_like(picture[0], 3.0))
        assert sampling.blur(samples, np.ones(1)) == pytest.approx(2 * np.log(2))
        assert sampling.blur(samples + np.array([0, 0, 0.05]), np.ones(1)) == pytest.approx(2 * np.log(2) + 0.05)


def test_what_stands_still_is_not_sharp() -> None:
    """A frame held still has all edges of the truth, and none of its changes."""
    rng = np.random.default_rng(0)
    last = rng.random((5, 1, 3, SIZE, SIZE))
    truth = np.repeat(last, 2, 1)
    truth[..., 2, 2] += 0.5
    held = np.repeat(last, 2, 1)[None]
    assert sampling.blur(sampling.sharpness(held, truth, last), np.ones(5)) > 5
    assert sampling.blur(sampling.sharpness(truth[None], truth, last), np.ones(5)) == pytest.approx(0)


def test_fewer_windows_do_not_make_passing_easier() -> None:
    """No harm must be shown: as good, but within the noise of the allowance, does not pass."""
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 0.3, (2, 8))
    edges = np.stack([many, np.ones(8), np.zeros(8)], 1)
    names = [str(row) for row in range(8)]
    both = {"dreams": edges, "fine": edges}
    scores, spreads = {"dreams": few, "fine": many}, {"dreams": np.ones(8), "fine": np.ones(8)}
    records = sampling.few_steps(scores, both, spreads, names, NOTHING, 0)
    assert not records["few_steps_energy"]["passed"]
    assert set(baseline_values(records["few_steps_energy"])) == {"64 steps and 2%"}


def test_a_network_that_knows_the_finest_step_alone_has_no_other_difference() -> None:
    shapes = {"video": 4, "grid": True, "audio": 0, "channels": TOKENIZER.channels, "action": DETAILS["action"]}
    dynamics = Dynamics(DYNAMICS, shapes)
    poisoned = with_finest_steps(dynamics)
    assert (poisoned.sizes.weight == dynamics.sizes.weight[-1]).all()
    assert not (dynamics.sizes.weight == dynamics.sizes.weight[-1]).all()
    others = zip(dynamics.named_parameters(), poisoned.parameters(), strict=True)
    assert all(before.equal(after) for (name, before), after in others if name != "sizes.weight")
