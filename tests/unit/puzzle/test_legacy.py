"""Presets of earlier work: their sizes, and the faults that are not copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_puzzles import legacy_puzzle

from sensorium.puzzle.collect_texts import StoredText
from sensorium.puzzle.config import SIDE, LegacyConfig
from sensorium.puzzle.legacy import CHARACTERS, PRESETS
from sensorium.puzzle.legacy_learner import LegacyLearner
from sensorium.puzzle.sizes import LEGACY
from sensorium.puzzle.text_windows import STRIDE, TextWindows
from sensorium.randomness import Draw

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "count"), [("sound", 83_777), ("sight", 349_187), ("text", 76_896)])
def test_they_have_the_sizes_that_are_known_of_them(name: str, count: int) -> None:
    model = PRESETS[f"{name}_legacy"](LegacyConfig(), {"size": 32})
    assert sum(weights.numel() for weights in model.parameters()) == count == LEGACY[name]


@pytest.mark.parametrize(("name", "steps"), [("sound_legacy", 5), ("text_legacy", 40)])
def test_they_learn_and_decode_from_codes_alone(name: str, steps: int) -> None:
    torch.manual_seed(0)
    learner, batch = legacy_puzzle(name)
    assert isinstance(learner, LegacyLearner)
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    errors = []
    for step in range(steps):
        loss, metrics = learner(batch, Draw(0, step, 0, 4, 4, CPU))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append(float(metrics["error"]))
    assert errors[-1] < 0.9 * errors[0]
    model = learner.code.eval()
    seen = model.view(batch)
    decoded, quantised = model(seen)
    assert quantised.codes.shape == (4, SIDE, SIDE)
    torch.testing.assert_close(model.decode(quantised.codes), decoded)


def test_no_example_depends_on_its_batch() -> None:
    """Neither the scale nor a norm does."""
    torch.manual_seed(0)
    learner, batch = legacy_puzzle("sound_legacy")
    assert isinstance(learner, LegacyLearner)
    model = learner.code.train()
    seen = model.view(batch)
    torch.testing.assert_close(model.view({"audio": batch["audio"][:1]}), seen[:1])
    torch.testing.assert_close(model(seen)[0][:1], model(seen[:1])[0], atol=1e-5, rtol=0)


def test_a_blank_is_a_character_like_others() -> None:
    """It has an embedding of its own and counts in the objective."""
    torch.manual_seed(0)
    learner, _ = legacy_puzzle("text_legacy")
    assert isinstance(learner, LegacyLearner)
    blanks = torch.full((2, CHARACTERS), 32)
    assert learner.code.encoder is not None
    logits = learner.code(blanks)[0]
    wanted = -logits.log_softmax(2)[..., 32].mean()
    torch.testing.assert_close(learner.code.error(logits, blanks), wanted)
    assert wanted > 1


def test_a_text_has_one_symbol_a_row_of_its_grid() -> None:
    """A known fault, which is shown and not mended: of 900 cells 30 say something."""
    learner, batch = legacy_puzzle("text_legacy")
    assert isinstance(learner, LegacyLearner)
    codes = learner.code.encode(learner.code.view(batch)).codes
    assert (codes == codes[:, :, :1]).all()


def test_windows_of_texts_overlap_by_half() -> None:
    long, short = bytes(range(97, 123)) * 20, b"too short"
    texts = [
        StoredText("python", str(number), "counted", content) for number, content in enumerate((short, long, long))
    ]
    pool = TextWindows(texts)
    each = (len(long) - CHARACTERS) // STRIDE + 1
    assert len(pool) == 2 * each
    found = pool.batch(np.array([0, 1, each, 2 * each - 1]))["text"].numpy()
    for row, start in zip(found, (0, STRIDE, 0, (each - 1) * STRIDE), strict=True):
        assert row.tobytes() == long[start : start + CHARACTERS]
    foreign = TextWindows([StoredText("ru", "a", "counted", "ж".encode() * 64)])
    assert foreign.batch(np.array([0]))["text"].unique().tolist() == [CHARACTERS - 1]
    with pytest.raises(ValueError, match="no window of 128"):
        TextWindows([texts[0]])
