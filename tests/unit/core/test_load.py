"""Models come back as they were exported, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from toys import SHAPES, ToyConfig, ToyModel

from sensorium.artifacts import ArtifactError, digest, write_json, write_manifest
from sensorium.config import canonical_json
from sensorium.models.load import load


class OtherModel(ToyModel):
    """A model of another kind."""

    kind = "fusion"


@pytest.fixture
def exported(tmp_path: Path) -> tuple[ToyModel, Path]:
    """A model and its manifest."""
    torch.manual_seed(7)
    config = ToyConfig(width=5)
    model = ToyModel(config, SHAPES)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    files = {"model": tmp_path / "model.safetensors"}
    section = canonical_json(config)
    write_manifest(tmp_path, kind="toy", section_json=section, inputs={}, files=files, details={"shapes": SHAPES})
    return model, tmp_path / "manifest.json"


def test_round_trip(exported: tuple[ToyModel, Path]) -> None:
    model, manifest = exported
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    loaded = load(ToyModel, manifest)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))


def test_untrained(exported: tuple[ToyModel, Path]) -> None:
    model, manifest = exported
    one, same, other = (load(ToyModel, manifest, untrained_seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.last.weight, same.last.weight)
    assert not torch.equal(one.last.weight, other.last.weight)
    assert not torch.equal(one.last.weight, model.last.weight)


class Measured(ToyModel):
    """A model with a mean of its inputs."""

    def __init__(self, config: ToyConfig, shapes: dict[str, int]) -> None:
        super().__init__(config, shapes)
        self.register_buffer("mean", torch.zeros(3))


def test_an_untrained_model_keeps_what_was_measured(tmp_path: Path) -> None:
    """Or every untrained floor would be weaker than it can be."""
    model = Measured(ToyConfig(width=5), SHAPES)
    model.mean += 3
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    files, section = {"model": tmp_path / "model.safetensors"}, canonical_json(ToyConfig(width=5))
    write_manifest(tmp_path, kind="toy", section_json=section, inputs={}, files=files, details={"shapes": SHAPES})
    assert load(Measured, tmp_path / "manifest.json", untrained_seed=1).mean.tolist() == [3, 3, 3]


@pytest.mark.parametrize("untrained", [None, 1])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, torch.int8, torch.bool, torch.float64])
def test_weights_of_another_kind_are_refused(
    exported: tuple[ToyModel, Path], value: float | torch.dtype, untrained: int | None
) -> None:
    """Although their digest is right."""
    model, manifest = exported
    weights, path = model.state_dict(), manifest.with_name("model.safetensors")
    old = weights["last.bias"]
    weights["last.bias"] = old.to(value) if isinstance(value, torch.dtype) else torch.full_like(old, value)
    save_file(weights, path)
    content = json.loads(manifest.read_text())
    content["files"]["model"]["sha256"] = digest(path)
    write_json(manifest, content)
    with pytest.raises(ArtifactError, match=r"does not fit ToyModel .*last\.bias is .*train again"):
        load(ToyModel, manifest, untrained)


def test_what_does_not_fit_is_refused(exported: tuple[ToyModel, Path]) -> None:
    _, manifest = exported
    with pytest.raises(ArtifactError, match=r"expected the manifest of a 'fusion'"):
        load(OtherModel, manifest)
    weights = manifest.with_name("model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"its content is not what"):
        load(ToyModel, manifest)
