"""Trained parts are read once, when they are needed, and only together with what they were made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_perception import FUSION, FUSION_SHAPES, VISION
from toy_world import ENCODER_SHAPES, write_model

from sensorium.artifacts import ArtifactError
from sensorium.models.catalogue import CLASSES, MADE_FROM, PLACES
from sensorium.models.parts import Parts
from sensorium.perception.encoders import VisionEncoder
from sensorium.perception.fusion import Fusion


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A vision encoder and a fusion that was made from it and from an audio encoder that is not there."""
    vision = write_model(
        tmp_path / "encoders/vision", VisionEncoder(VISION, ENCODER_SHAPES), "encoder_vision", VISION, ENCODER_SHAPES
    )
    fusion = Fusion(FUSION, FUSION_SHAPES)
    write_model(tmp_path / "fusion", fusion, "fusion", FUSION, FUSION_SHAPES, vision=vision, audio=vision)
    return tmp_path


def changed(manifest: Path) -> None:
    """The same artifact, as if it had been made again."""
    manifest.write_text(manifest.read_text() + "\n")


def test_a_trained_part_is_read_once_and_a_fresh_one_is_always_new(results: Path) -> None:
    parts = Parts(results)
    assert parts.load(VisionEncoder) is parts.load(VisionEncoder)
    one, other = parts.load(VisionEncoder, 1), parts.load(VisionEncoder, 1)
    assert one is not other
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert isinstance(parts.load_any("encoders/vision"), VisionEncoder)


@pytest.mark.parametrize("order", [(VisionEncoder, Fusion), (Fusion, VisionEncoder)])
def test_parts_that_are_used_together_must_belong_together(results: Path, order: tuple[type, type]) -> None:
    """Whichever comes first; a part that is not used does no harm."""
    changed(results / "encoders/vision/manifest.json")
    parts = Parts(results)
    parts.load(order[0])
    with pytest.raises(ArtifactError, match=r"fusion/manifest.json: not made from .*results/fusion/manifest.json"):
        parts.load(order[1])
    with pytest.raises(ArtifactError, match="not made from"):  # a second time as well
        parts.load(order[1])


def test_an_input_that_was_not_recorded_does_not_match(results: Path) -> None:
    given = {place: results / place / "manifest.json" for place in ("encoders/vision", "fusion")}
    parts = Parts(given | {"finetuned": results / "fusion/manifest.json"})  # of no such part
    parts.use("encoders/vision", "fusion")
    with pytest.raises(ArtifactError, match="not made from"):
        parts.use("finetuned")


def test_what_is_missing_is_named_with_the_command(results: Path) -> None:
    with pytest.raises(ArtifactError, match=r"dynamics/manifest.json: not there.*-j1 results/dynamics/manifest.json"):
        Parts(results).path("dynamics")
    with pytest.raises(ArtifactError, match=r"dynamics: not given.*-j1 results/dynamics/manifest.json"):
        Parts({}).path("dynamics")


def test_the_catalogue_is_consistent_and_brings_no_torch() -> None:
    assert set(CLASSES) <= set(PLACES)
    known = {*PLACES.values(), "data", "latents/video", "latents/audio", "puzzle/texts", "music/songs"}
    assert {*MADE_FROM, *(place for roles in MADE_FROM.values() for place in roles.values())} <= known
    code = "import sys, sensorium.models.catalogue; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
