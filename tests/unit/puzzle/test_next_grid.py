"""Discrete dynamics: what a cell of the next grid sees, what counts know of it, what the action tells."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from toy_puzzle_artifacts import write_model
from toy_puzzles import NEXT, SIGHT, fitted, moving_grids, next_puzzle, pictures

from sensorium.evaluation.harness import Bench
from sensorium.models.parts import Parts
from sensorium.puzzle.config import PuzzleNextConfig
from sensorium.puzzle.evaluation import puzzle_next
from sensorium.puzzle.grid_clips import GridClips
from sensorium.puzzle.next_grid import CONTEXTS, NextGrid, shares
from sensorium.puzzle.next_grid_learner import NextGridLearner
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.train_puzzle_next import counted
from sensorium.randomness import Draw
from sensorium.training.execution import Execution

CPU = torch.device("cpu")
SHAPES: dict[str, Any] = {"action": {"kind": "continuous", "size": 2}}


def clips(count: int, seed: int) -> GridClips:
    grids, action = moving_grids(count, seed)
    names = np.array([f"{seed} {number // 4}" for number in range(count)])
    return GridClips(grids, action, names, np.zeros((count, 30, 30), bool))


def test_a_cell_sees_both_grids_before_it_the_action_and_what_was_read() -> None:
    torch.manual_seed(0)
    learner, batch = next_puzzle()
    model, codes, action = learner.model, batch["grids"].long(), batch["action"]
    found = model(codes, action)

    def changed(frame: int) -> torch.Tensor:
        other = codes.clone()
        other[:, frame, 10, 10] = (other[:, frame, 10, 10] + 1) % 10
        return ((model(other, action) - found).abs().amax((0, 1)) > 1e-7).flatten()

    own = changed(2)
    assert not own[: 10 * 30 + 11].any()
    assert own[10 * 30 + 11]
    assert all(changed(frame)[10 * 30 + 10] for frame in (0, 1))
    assert ((model(codes, -action - 1) - found).abs().amax((0, 1)) > 1e-7).all()


def test_shares_are_counted_and_fade_into_those_of_the_code_before() -> None:
    contexts, codes = np.array([0, 0, 0, 125]), np.array([3, 3, 4, 7])
    found = shares(contexts, codes)
    assert found.shape == (CONTEXTS, 10)
    assert np.allclose(found.sum(1), 1)
    coarse = (2 + 1 + 0, 3 + 10)  # of code 3 after code 0: seen twice in three cells, each code once more
    assert found[0, 3] == pytest.approx((2 + 8 * coarse[0] / coarse[1]) / (3 + 8))
    assert found[1, 3] == pytest.approx(coarse[0] / coarse[1])
    assert found[125, 7] > 0.25


@cache
def trained() -> NextGrid:
    """Dynamics of a block that goes where the action says."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    known = clips(240, 0)
    model = NextGrid(NEXT.model_copy(update={"width": 16}), SHAPES)
    model.describe(known.grids)
    learner = NextGridLearner(model, counted(model, clips(40, 1)))
    steps = torch.optim.Adam(learner.parameters(), lr=1e-2)
    for step in range(80):
        loss, _ = learner(known.batch(np.arange(16 * step, 16 * step + 16) % len(known)), Draw(0, step, 0, 16, 16, CPU))
        steps.zero_grad()
        loss.backward()
        steps.step()
    return model.eval().requires_grad_(False)


def test_gates_refuse_what_is_not_better_than_counts() -> None:
    batch = clips(40, 1).batch(np.arange(40))
    fresh = NextGrid(NEXT, SHAPES)
    fresh.describe(clips(60, 0).grids)
    assert not NextGridLearner(fresh, counted(fresh, clips(40, 1))).gates(batch)[0].passed
    assert NextGridLearner(trained(), counted(fresh, clips(40, 1))).gates(batch)[0].passed


def judged(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, untrained: int | None) -> Any:
    """Result of the dynamics that learned."""
    config = NEXT.model_copy(update={"width": 16})
    manifest = write_model(tmp_path / f"next {untrained}", trained(), config, SHAPES)
    torch.manual_seed(0)
    sight = fitted(SightMap(SIGHT, {"size": 32}), {"video": pictures(6)})
    seen = write_model(tmp_path / f"sight {untrained}", sight, SIGHT, {"size": 32})
    monkeypatch.setattr(
        puzzle_next, "draw_clips", lambda data, split, *more: clips(*{"training": (240, 0), "test": (60, 2)}[split])
    )
    monkeypatch.setattr(Parts, "recordings", lambda parts, place="data": None)
    monkeypatch.setattr(Parts, "use", lambda parts, *places: parts.path(places[-1]))
    monkeypatch.setattr(Bench, "untrained_seed", untrained)
    bench = Bench(CPU, Execution(device="cpu"), Parts({"puzzle/next": manifest, "puzzle/sight": seen}))
    return puzzle_next.judge(bench, PuzzleNextConfig(clips=60, examples=240))


def test_trained_dynamics_pass_and_untrained_ones_fail(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(tmp_path, monkeypatch, None)
    for metric in result.metrics.values():
        assert metric["passed"]
        assert {each["name"]: each for each in metric["baselines"]}["action of another"]["margin"]["low"] > 0
    assert result.notes["ratio"] < 0.75
    result = judged(tmp_path, monkeypatch, 101)
    assert not any(metric["passed"] for metric in result.metrics.values())
