"""Skips, the first bad place, gates and measures of collapse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sensorium.training.collapse import effective_rank, mean_difference, relative_std
from sensorium.training.health import Skips, UnhealthyError, Verdict
from sensorium.training.learner import Gate
from sensorium.training.watch import first_bad_place


def test_ten_in_a_row_are_borne_and_eleven_are_not() -> None:
    skips = Skips()
    for step in range(10):
        skips.skipped(step, "x")
    skips.passed()
    skips = Skips(skips.values())
    for step in range(10):
        skips.skipped(20 + step, "x")
    with pytest.raises(UnhealthyError, match=r"11 steps in a row"):
        skips.skipped(30, "x")


def test_a_large_share_is_not_borne() -> None:
    skips = Skips({"total": 5, "consecutive": 0})
    skips.skipped(99, "x")  # too early to tell
    skips.passed()
    with pytest.raises(UnhealthyError, match=r"7 of 100 steps were not finite"):
        skips.skipped(100, "x")
    Skips({"total": 4, "consecutive": 0}).skipped(100, "x")


class Root(nn.Module):
    """sqrt of the output: finite at 0, its gradient is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """A scalar."""
        return self.last(self.first(x)).abs().sqrt().mean()


def test_the_first_bad_place() -> None:
    model, x = Root(), torch.ones(3, 2)
    assert first_bad_place(model, lambda: model(x * float("inf"))) == "output of first (Linear)"
    assert first_bad_place(model, lambda: model(x) / 0) == "the loss"
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    model(x).backward()
    assert first_bad_place(model, lambda: model(x)) == "gradient of last.bias"
    with torch.no_grad():
        model.first.bias[0] = float("nan")
    assert first_bad_place(model, lambda: model(x)) == "weight first.bias"
    assert not model.first._forward_hooks


def test_gates() -> None:
    good = Gate("a", 2.0, 1.0, "x")
    Verdict({}, [good]).check()
    for value in (0.5, float("nan")):
        verdict = Verdict({"health/b": value}, [good, Gate("b", value, 1.0, "more data")])
        with pytest.raises(UnhealthyError, match=r"^gate b: .*at least 1 is needed; try: more data$"):
            Verdict.from_values(verdict.values()).check()


def test_measures_of_collapse() -> None:
    torch.manual_seed(0)
    spread = torch.randn(400, 16)
    point = torch.ones(400, 16)
    line = torch.randn(400, 1) * torch.randn(1, 16)
    assert effective_rank(spread) > 14
    assert effective_rank(point) == 0
    assert effective_rank(line) == pytest.approx(1, abs=0.01)
    assert relative_std(spread) == pytest.approx(1, abs=0.05)
    assert relative_std(point) < 1e-6
    assert mean_difference(spread) == pytest.approx(1, abs=0.05)
    assert abs(mean_difference(point)) < 1e-5
