"""The study of tokenizers: what it concludes, and that its stages fit together."""

from __future__ import annotations

import pytest

from sensorium.config import PlayroomConfig, Training
from sensorium.generation.config import ReconstructionConfig
from sensorium.generation.tokenizer_config import TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.studies.config import TokenizersStudyConfig
from sensorium.studies.tokenizers import COMPONENTS, JPEG, KINDS, MEAN, SCORES, Life, judge, score_seed
from sensorium.training.health import Verdict

FEW = Training(steps=2, batch=4, warmup=1)


def life(convolutional: float, transformer: float) -> Life:
    """What codes score, in dB and in sixtieths of SSIM."""
    decibels = {
        "convolutional": convolutional,
        "transformer": transformer,
        "untrained convolutional": 8.0,
        "untrained transformer": 7.0,
        COMPONENTS: 25.0,
        JPEG: 34.0,
        MEAN: 18.0,
        "8 bits": 59.0,
    }
    return {code: {"psnr": value, "ssim": value / 60} for code, value in decibels.items()}


def test_what_beats_the_components_with_every_seed_passes() -> None:
    found = judge([life(30.0, 27.2), life(29.0, 27.5), life(31.0, 26.9)])
    assert all(metric["passed"] for metric in found.metrics.values())
    assert found.metrics["transformer_psnr"]["floor"] == 25.0
    assert not any(control["passed"] for control in found.controls.values())


def test_what_beats_them_on_average_alone_does_not_pass() -> None:
    found = judge([life(30.0, 40.0), life(29.0, 24.0), life(31.0, 24.0)])
    assert found.metrics["convolutional_psnr"]["passed"]
    assert not found.metrics["transformer_psnr"]["passed"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"convolutional": VideoTokenizerConfig(kind="transformer")}, "convolutional.kind is transformer"),
        ({"transformer": VideoTokenizerConfig(kind="transformer", channels=8)}, "transformer.channels is 8"),
    ],
)
def test_a_section_of_the_wrong_kind_is_refused(wrong, named) -> None:
    with pytest.raises(ValueError, match=named):
        TokenizersStudyConfig(**wrong)


def test_more_numbers_than_components_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match="2304 numbers a frame"):
        TokenizersStudyConfig(data=PlayroomConfig(size=96))


def test_the_stages_fit_together(monkeypatch) -> None:
    """From recordings to scores with hardly any training, so nothing is asked of the gates."""
    monkeypatch.setattr(Verdict, "check", lambda self: None)
    shape = TransformerTokenizerConfig(dim=16, layers=2, heads=2, time_every=2)
    config = TokenizersStudyConfig(
        data=PlayroomConfig(size=16, frames=16, recordings=16, shards=2),
        convolutional=VideoTokenizerConfig(width=8, channels=4, training=FEW),
        transformer=VideoTokenizerConfig(kind="transformer", transformer=shape, channels=4, training=FEW),
        reconstruction=ReconstructionConfig(frames=40),
    )
    found = score_seed(config, 3)
    assert set(found) >= {*KINDS, *(f"untrained {kind}" for kind in KINDS), COMPONENTS, JPEG, MEAN, "8 bits"}
    assert all(set(scores) == set(SCORES) for scores in found.values())
    assert found["convolutional"] != found["untrained convolutional"]
