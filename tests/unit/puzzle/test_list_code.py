"""The list: digits of principal components in order, of which any prefix decodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_puzzles import LIST, list_puzzle

from sensorium.evaluation.baselines.component_codes import deal
from sensorium.puzzle import list_learner
from sensorium.puzzle.list_code import DIGITS, ListCode, dealt, principal
from sensorium.puzzle.list_learner import ListLearner
from sensorium.puzzle.sound_list import SoundList
from sensorium.randomness import Draw
from sensorium.training.learner import Batch

CPU = torch.device("cpu")
SHAPE = (6, 10)


class Plain(ListCode):
    """A list of small examples, without a correction."""

    stream = "audio"

    def __init__(self) -> None:
        super().__init__(LIST, {}, SHAPE)

    def view(self, batch: Batch) -> Tensor:
        return batch["audio"]

    def corrected(self, linear: Tensor, share: Tensor) -> Tensor:
        return linear


@pytest.fixture(scope="module")
def plain() -> tuple[Plain, Tensor]:
    """A list that was fitted to Gaussian examples with variances from large to small, and others of them."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    turn = torch.linalg.qr(torch.randn(60, 60))[0]
    drawn = torch.randn(900, 60) * torch.logspace(0, -3, 60) @ turn + 2
    model = Plain()
    model.describe(drawn[:600].view(-1, *SHAPE))
    return model, drawn[600:].view(-1, *SHAPE)


def error(model: ListCode, seen: Tensor, digits: int) -> float:
    codes = model.encode(seen).codes
    return float((model.decode_first(codes, torch.full((len(seen),), digits)) - seen).square().mean())


def test_the_next_digit_goes_where_most_is_left() -> None:
    spread = np.array([1.0, 0.5, 0.02])
    component, place = dealt(spread, 6)
    assert component.tolist() == [0, 1, 0, 1, 2, 0]  # 1, 0.5, then 0.1, 0.05, 0.02, then 0.01
    assert place.tolist() == [0, 0, 1, 1, 0, 2]
    wide = np.sort(np.random.default_rng(0).exponential(size=300))[::-1]
    for digits in (30, 300, 900):
        assert np.array_equal(np.bincount(dealt(wide, digits)[0], minlength=300), deal(wide, digits))


def test_components_are_those_of_either_product() -> None:
    torch.manual_seed(0)
    wide = torch.randn(20, 50, dtype=torch.double) * torch.logspace(0, -2, 50)
    wide -= wide.mean(0)
    spread, axes = principal(wide)
    assert len(spread) == 19  # the mean took one
    torch.testing.assert_close(axes @ axes.T, torch.eye(19, dtype=torch.double))
    scores = wide @ axes.T
    torch.testing.assert_close(scores.square().mean(0).sqrt(), spread)
    torch.testing.assert_close(scores @ axes, wide)
    tall = torch.cat([wide, wide, wide])
    again, others = principal(tall)
    torch.testing.assert_close(again[:19], spread)
    torch.testing.assert_close((others[:19] * axes).sum(1).abs(), torch.ones(19, dtype=torch.double))


def test_every_digit_more_is_worth_something(plain: tuple[Plain, Tensor]) -> None:
    """Each tenfold finer step of a component divides what it adds to the error by a hundred; none makes it worse."""
    model, seen = plain
    errors = [error(model, seen, digits) for digits in (0, 1, 5, 20, 60, 120, 900)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(float((seen - model.mean.view(SHAPE)).square().mean()), rel=1e-5)
    assert errors[-1] < 1e-4 * errors[0]


def test_digits_beyond_a_prefix_are_not_read(plain: tuple[Plain, Tensor]) -> None:
    model, seen = plain
    codes = model.encode(seen).codes
    other = codes.flatten(1).clone()
    other[:, 50:] = 9 - other[:, 50:]
    counts = torch.full((len(seen),), 50)
    first, second = (model.decode_first(each, counts) for each in (codes, other.view_as(codes)))
    assert torch.equal(first, second)
    assert not torch.equal(model.decode(codes), model.decode(other.view_as(codes)))


def test_prefixes_of_different_lengths_in_one_batch(plain: tuple[Plain, Tensor]) -> None:
    model, seen = plain
    codes = model.encode(seen[:3]).codes
    together = model.decode_first(codes, torch.tensor([3, 40, DIGITS]))
    for row, count in enumerate((3, 40, DIGITS)):
        alone = model.decode_first(codes[row : row + 1], torch.tensor([count]))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-6, rtol=0)


def test_what_all_digits_say_is_what_was_coded(plain: tuple[Plain, Tensor]) -> None:
    """Codes of what codes decode to are the same codes, but for rounding in the last digits of float32."""
    model, seen = plain
    codes = model.encode(seen).codes
    again = model.encode(model.decode(codes)).codes
    first = codes.flatten(1)[:, :100]
    assert float((again.flatten(1)[:, :100] == first).float().mean()) > 0.99
    assert codes.dtype == torch.int64
    assert (codes.min(), codes.max()) == (0, 9)


def test_examples_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all alike"):
        Plain().describe(torch.ones(5, *SHAPE))


def test_an_untrained_list_is_the_linear_code_and_never_below_silence() -> None:
    torch.manual_seed(0)
    learner, batch = list_puzzle()
    assert isinstance(learner, ListLearner)
    fresh = SoundList(LIST, {})
    fresh.load_state_dict(
        fresh.state_dict() | {name: part for name, part in learner.list.named_buffers() if "." not in name}
    )
    codes = fresh.encode(fresh.view(batch)).codes
    counts = torch.full((len(codes),), 300)
    linear = fresh.linear(codes, counts)
    assert linear.min() < 0
    assert torch.equal(fresh.decode_first(codes, counts), linear.clamp_min(0))


def test_training_cuts_lists_at_random_and_weighs_all_lengths_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    learner, batch = list_puzzle()
    assert isinstance(learner, ListLearner)
    learner.eval()
    counts: list[Tensor] = []
    linear = ListCode.linear
    monkeypatch.setattr(ListCode, "linear", lambda self, codes, n: counts.append(n) or linear(self, codes, n))
    for step in range(40):
        with torch.no_grad():
            loss, metrics = learner(batch, Draw(0, step, 0, 6, 6, CPU))
        assert float(loss) == pytest.approx(float(metrics["relative"]))
    drawn = torch.cat(counts)
    assert drawn.min() >= list_learner.SHORTEST
    assert 0.1 < float((drawn == DIGITS).float().mean()) < 0.4
    assert 0.2 < float((drawn < 165).float().mean()) < 0.6  # the middle of 30 and 900 in their logarithm


def test_gates_refuse_a_correction_that_is_worth_nothing() -> None:
    torch.manual_seed(0)
    learner, batch = list_puzzle()
    assert isinstance(learner, ListLearner)
    with torch.no_grad():
        for weight in learner.list.corrections.parameters():
            weight.zero_()
        learner.list.mean += 5  # so that nothing is clipped
        found = {gate.name: gate for gate in learner.eval().gates(batch)}
    assert set(found) == {"code_share", "code_perplexity", "gain_db"}
    assert found["gain_db"].value == pytest.approx(0, abs=1e-4)
    assert not found["gain_db"].passed
