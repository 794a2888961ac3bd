"""The common space: what a cell sees, what counting knows, what other senses tell, and what shuffled ones do not."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from toy_puzzle_artifacts import write_model
from toy_puzzles import JOINT, joint_puzzle, related_grids

from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom import simulate
from sensorium.evaluation.harness import Bench
from sensorium.models.parts import Parts
from sensorium.puzzle import sentences
from sensorium.puzzle.common_space import CommonSpace, content
from sensorium.puzzle.common_space_learner import CommonSpaceLearner
from sensorium.puzzle.config import PuzzleCommonConfig
from sensorium.puzzle.context_coder import ContextCoder
from sensorium.puzzle.evaluation import other_senses, puzzle_common
from sensorium.puzzle.moments import HEADER, SENSES, Moments
from sensorium.randomness import Draw
from sensorium.training.execution import Execution
from sensorium.training.learner import Learner

CPU = torch.device("cpu")


def shown(rows: int, *names: str) -> torch.Tensor:
    return torch.tensor([name in names for name in SENSES]).expand(rows, -1)


@pytest.mark.parametrize("sense", range(3))
def test_a_cell_sees_what_was_read_before_it_and_the_grids_that_are_shown(sense: int) -> None:
    torch.manual_seed(0)
    learner, batch = joint_puzzle()
    model, codes = learner.model, batch["grids"].long()
    both = shown(6, *SENSES)

    def changed(of: int, row: int, column: int, given: torch.Tensor) -> torch.Tensor:
        """Cells whose probabilities change with one cell, bool [900]."""
        other = codes.clone()
        other[:, of, row, column] = (other[:, of, row, column] + 1) % 10
        found = (model(codes, given, sense) - model(other, given, sense)).abs().amax((0, 1)) > 1e-6
        return found.flatten()

    own = changed(sense, 10, 10, both)
    assert not own[: 10 * 30 + 11].any()
    assert own[10 * 30 + 11]
    beside = (sense + 1) % 3
    assert changed(beside, 20, 20, both).all()
    assert not changed(beside, 20, 20, shown(6, SENSES[sense])).any()


def test_an_untrained_space_is_what_counting_knows() -> None:
    torch.manual_seed(0)
    model, grids = CommonSpace(JOINT, {}), related_grids(40)
    model.describe(grids, grids[:40])
    codes = torch.from_numpy(grids).long()
    for sense in range(3):
        found = [model.bits(codes, given, sense) for given in (shown(40), shown(40, *SENSES))]
        assert torch.equal(*found)
        model.weights.data[sense] = torch.tensor([1.0, 0.0])  # neighbours alone
        counted = ContextCoder(grids[:, sense])
        if SENSES[sense] != "text":
            assert np.allclose(model.bits(codes, shown(40), sense).detach(), counted.bits(grids[:, sense]), atol=0.1)


def test_a_header_is_no_content() -> None:
    cells = torch.zeros(2, 30, 30)
    cells.view(2, -1)[:, HEADER - 1 : HEADER + 1] = torch.tensor([5.0, 7.0])
    assert content(cells, SENSES.index("sound")).tolist() == [12, 12]
    assert content(cells, SENSES.index("text")).tolist() == [7, 7]


@cache
def trained(mixed: bool) -> CommonSpace:
    """A space that learned from moments whose grids know of each other, or from mixed ones."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    grids = related_grids(240)
    if mixed:
        rng = np.random.default_rng(1)
        grids = np.stack([rng.permutation(grids[:, sense]) for sense in range(3)], 1)
    model = CommonSpace(JOINT, {})
    model.describe(grids, grids[:40])
    learner: Learner = CommonSpaceLearner(model)
    steps = torch.optim.Adam(learner.parameters(), lr=1e-2)
    for step in range(90):
        rows = torch.from_numpy(grids[np.arange(24 * step, 24 * step + 24) % len(grids)])
        loss, _ = learner({"grids": rows}, Draw(0, step, 0, 24, 24, CPU))
        steps.zero_grad()
        loss.backward()
        steps.step()
    return model.eval().requires_grad_(False)


def test_what_other_senses_tell_is_learned_and_only_where_they_do() -> None:
    """A number that all three repeat is worth some bits; of mixed moments nothing can be learned."""
    codes = torch.from_numpy(related_grids(60, seed=2)).long()
    for mixed in (False, True):
        saved = [
            (
                trained(mixed).bits(codes, shown(60), sense) - trained(mixed).bits(codes, shown(60, *SENSES), sense)
            ).mean()
            for sense in range(3)
        ]
        assert all(value < 2 for value in saved) if mixed else all(value > 8 for value in saved)


def test_simple_means_find_what_is_there_and_no_more() -> None:
    known, seen = related_grids(300), related_grids(60, seed=2)
    model = CommonSpace(JOINT, {})
    model.describe(known, seen)
    rng = np.random.default_rng(0)
    saved = {}
    for name, judged in (
        ("own", seen),
        ("mixed", np.stack([seen[:, 0], *(rng.permutation(seen[:, s]) for s in (1, 2))], 1)),
    ):
        parts = (known, related_grids(60, seed=1), judged)
        moments = tuple(Moments(grids, np.arange(len(grids)).astype(str), []) for grids in parts)
        found = puzzle_common.taken_by_others(model, moments, 0, 0)
        assert found["counts, weighted"].mean() < found["shares of the codes"].mean()
        plain, linear = found["by neighbours"], found["counts, weighted"]
        saved[name] = [(plain - found["by neighbours, in clusters"]).mean(), (linear - found["logistic"]).mean()]
    assert saved["own"][0] > saved["mixed"][0] + 2
    assert saved["own"][1] > saved["mixed"][1] + 2
    assert np.allclose(
        other_senses.by_neighbours(known[:, 0], seen[:, 0], 0), ContextCoder(known[:, 0]).bits(seen[:, 0])
    )


def test_a_regression_of_nothing_costs_next_to_nothing() -> None:
    """Where the senses tell nothing of each other validation moments say so, and the counts are left."""
    known, held, seen = (related_grids(count, seed) for seed, count in enumerate((100, 40, 60)))
    for grids in (known, held, seen):
        grids[:, 1:] = np.random.default_rng(len(grids)).permuted(grids[:, 1:], axis=0)
    model = CommonSpace(JOINT, {})
    model.describe(known, held)
    moments = tuple(Moments(grids, np.arange(len(grids)).astype(str), []) for grids in (known, held, seen))
    found = puzzle_common.taken_by_others(model, moments, 0, 0)
    assert found["logistic"].mean() < 1.01 * found["counts, weighted"].mean()


class Few:
    """Codes that know of moments already."""

    def moments(self, recordings: None, split: str, count: int, seed: int) -> Moments:
        grids = related_grids(count, seed={"training": 0, "validation": 1, "test": 2}[split])
        return Moments(grids, np.array([f"{split} {number // 4}" for number in range(count)]), ["a sentence"] * count)


def judged(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, untrained: int | None) -> dict[str, Any]:
    """Metrics of the space that learned."""
    folder = tmp_path / f"joint {untrained}"
    manifest = write_model(folder, trained(False), JOINT, {})
    monkeypatch.setattr(puzzle_common, "three_codes", lambda parts: Few())
    monkeypatch.setattr(Parts, "recordings", lambda parts, place="data": None)
    monkeypatch.setattr(Bench, "untrained_seed", untrained)
    bench = Bench(CPU, Execution(device="cpu"), Parts({"puzzle/joint": manifest}))
    return dict(puzzle_common.judge(bench, PuzzleCommonConfig(moments=60, examples=240)).metrics)


def test_a_trained_space_passes_and_an_untrained_one_fails(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = judged(tmp_path, monkeypatch, None)
    for name in SENSES:
        baselines = {each["name"]: each for each in metrics[f"saved_{name}"]["baselines"]}
        assert metrics[f"saved_{name}"]["value"] > 8
        assert baselines["shown another's"]["value"] < 0
        assert baselines["shown another's"]["margin"]["low"] > 0
        floors = {each["name"]: each["margin"] for each in metrics[f"bits_{name}"]["baselines"]}
        assert floors["model that is shown nothing"]["low"] > 0
    metrics = judged(tmp_path, monkeypatch, 101)
    assert all(not metrics[f"saved_{name}"]["passed"] for name in SENSES)
    assert all(not metrics[f"bits_{name}"]["passed"] for name in SENSES)


def test_a_sentence_says_what_the_simulator_knows() -> None:
    truth = {
        "truth.state": np.zeros((16, 13), np.float32),
        "truth.material": np.array([1, 2, -1, -1]),
        "truth.shape": np.array([1, 0, -1, -1]),
        "truth.size": np.array([0.12, 0.05, np.nan, np.nan], np.float32),
        "truth.position": np.full((16, 4, 2), np.nan, np.float32),
        "truth.audio_label": np.full(16, -1),
    }
    truth["truth.state"][-1, :2] = 0.1, 0.9
    truth["truth.position"][-1, :2] = [[0.9, 0.5], [0.2, 0.1]]
    bodies = (
        "The hand is at the bottom left. 2 bodies: a small glass ball at the top left; a big metal box at the right."
    )
    assert sentences.sentence(truth) == f"{bodies} Heard: nothing."
    truth["truth.state"][3, -1] = 1
    assert sentences.sentence(truth) == f"{bodies} Heard: something."
    truth["truth.audio_label"][[2, 3, 15]] = 2, 2, 1
    assert sentences.sentence(truth) == f"{bodies} Heard: glass early; metal late."


def test_sentences_can_be_made_of_every_second_of_the_playroom() -> None:
    said = set()
    for number in range(3):
        recording = simulate(PlayroomConfig(frames=32), number)
        for start in (0, 16):
            cut = {name: recording[name][start : start + 16] for name in sentences.OF_FRAMES}
            said.add(sentences.sentence({name: cut.get(name, recording[name]) for name in sentences.FIELDS}))
    assert len(said) == 6
    assert all(text.startswith("The hand is at the ") and len(text.encode()) < 291 for text in said)
