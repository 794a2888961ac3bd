"""Memory and operations of dreams as they are planned, compared with dreams themselves, and what presets ask for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import materialise

from sensorium.evaluation.harness import ROWS
from sensorium.generation import dream_costs
from sensorium.generation.dream import Dreamer
from sensorium.generation.evaluation import sampling
from sensorium.models import cache
from sensorium.planning.configuration import DEFAULT, read_settings
from sensorium.planning.dreams import dreams_estimate
from sensorium.planning.footprint import operations
from sensorium.planning.learners import stage
from sensorium.planning.resources import LEAST_MINUTES, memory_mb, minutes
from sensorium.planning.table import size
from sensorium.settings import Config

ROOT = Path(__file__).parents[3]
H200, A100 = 141e9, 80e9


def preset(*names: str) -> Config:
    return read_settings([ROOT / f"config/{name}.yaml" for name in names], ROOT / DEFAULT)


@pytest.mark.parametrize("names", [("tiny",), ("convolutional", "tiny")], ids=["fine", "filtered"])
def test_a_dream_holds_the_planned_ring_and_takes_the_planned_operations(names: tuple[str, ...]) -> None:
    settings = preset(*names)
    learner = stage(settings, "dynamics").learner
    materialise(learner)
    dynamics: Any = learner.eval().get_submodule("dynamics")
    context, actions = torch.zeros(2, 4, dynamics.tokens, dynamics.channels), torch.zeros(2, 6, 2)
    dreamer = Dreamer(dynamics, denoising_steps=2)

    def dreamed() -> None:
        dreamer.begin(context, actions[:, :4])
        for frame in (4, 5):
            dreamer.step(actions[:, frame])

    counted = operations(dreamed)
    rings = [getattr(ring, side) for ring in dreamer._memory.caches.values() for side in ("_keys", "_values")]
    assert sum(ring.nbytes for ring in rings) == 2 * dream_costs.ring_bytes(settings)
    planned = dream_costs.Dreams(2, 4, 2, 2).frames * dream_costs.frame_operations(settings)
    assert 1 / 1.6 < counted / planned < 1.6


def test_counts_are_those_of_the_evaluations() -> None:
    assert dream_costs.AHEAD == cache.AHEAD
    assert (dream_costs.FINE, dream_costs.NEAR) == (sampling.FINE, sampling.NEAR)
    assert dream_costs.FINE_DREAMS == sampling.FINE_DREAMS
    assert dream_costs.Dreams(3, 5, 7, 2).frames == 3 * (4 + 7 * 3)


@pytest.mark.parametrize(("name", "limit"), [("h200", H200), ("h200", A100), ("a100", A100)])
def test_all_dreams_of_the_large_presets_fit(name: str, limit: float) -> None:
    """64 windows side by side would not fit with the models of h200.yaml: their rows are halved until they do."""
    settings = preset(name)
    found = dreams_estimate(settings, 0, limit)
    assert set(found) == set(dream_costs.dreams(settings)) & set(settings.evaluations_on())
    assert all(each["fits"] for each in found.values())
    unlimited = dreams_estimate(settings, 0, math.inf)["rollout"]
    assert unlimited["rows_a_pass"] == ROWS
    assert (found["rollout"]["rows_a_pass"] < ROWS) == (unlimited["memory_bytes"] > limit)
    assert not dreams_estimate(settings, 0, 1e8)["rollout"]["fits"]


def test_what_dreams_long_asks_for_the_minutes() -> None:
    large, small = preset("h200"), preset("tiny")
    assert {minutes(small, name) for name in dream_costs.dreams(small)} == {LEAST_MINUTES}
    assert minutes(large, "rollout") > 3 * LEAST_MINUTES
    assert minutes(large, "reconstruction") == LEAST_MINUTES


def test_the_page_names_what_asks_for_more_than_the_least() -> None:
    table = (ROOT / "docs/planning.md").read_text().partition("<!-- dreams:")[2].partition("\n\n")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[3:]]
    expected = []
    for name in ("h200", "a100"):
        settings = preset(name)
        large, small = (dreams_estimate(settings, 0, limit) for limit in (H200, A100))
        for each, found in large.items():
            if found["minutes"] > LEAST_MINUTES:
                both = large[each], small[each]
                memory = [f"{part['rows_a_pass']}: {size(part['memory_bytes'])}" for part in both]
                counted = float(f"{found['operations'] / 1e12:.3g}")
                expected.append([name, each, f"{counted:,.0f}", *memory, str(found["minutes"])])
    assert [[cell.replace(" windows", "") for cell in row] for row in rows] == expected


def test_the_largest_preset_names_the_host_memory_of_eight_ranks() -> None:
    header = (ROOT / "config/h200.yaml").read_text().partition("\nlines:")[0]
    asked = int(header.partition("gpu: 8, mem_mb: ")[2].partition("}")[0])
    assert 0 <= asked - memory_mb(preset("h200"), "train_dynamics", 8) < 1000


def test_each_further_rank_asks_for_its_weights() -> None:
    large = preset("h200")
    one, eight = memory_mb(large, "train_dynamics"), memory_mb(large, "train_dynamics", 8)
    assert eight - one > 7 * 4 * 1417
