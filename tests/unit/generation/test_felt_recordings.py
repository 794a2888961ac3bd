"""Whether the training of the dynamics is given recordings for their body sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.artifacts import ArtifactError, write_manifest
from sensorium.data.recording import KIND
from sensorium.generation.config import DynamicsConfig, FineConfig
from sensorium.generation.train_dynamics import felt_recordings

FEELING = DynamicsConfig(path="fine", fine=FineConfig(body=True))


def latents(folder: Path, body: int) -> Path:
    """Manifest of latents of recordings with so many numbers of a body sense."""
    write_manifest(folder, kind=KIND, section_json="{}", inputs={}, files={}, details={"body": body})
    return folder / "manifest.json"


def test_recordings_without_a_body_sense_are_dreamed_without_one(tmp_path: Path) -> None:
    assert felt_recordings(None, latents(tmp_path, 0), FEELING) is None
    with pytest.raises(ArtifactError, match="hold 0 numbers of a body sense"):
        felt_recordings(tmp_path / "data.json", latents(tmp_path, 0), FEELING)


def test_a_body_sense_is_neither_forgotten_nor_unasked_for(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"fine\.body is true, and recordings hold 12 numbers"):
        felt_recordings(None, latents(tmp_path, 12), FEELING)
    for config in (DynamicsConfig(), DynamicsConfig(path="fine"), DynamicsConfig(fine=FEELING.fine)):
        assert felt_recordings(None, latents(tmp_path, 12), config) is None
        with pytest.raises(ArtifactError, match="is left out otherwise"):
            felt_recordings(tmp_path / "data.json", latents(tmp_path, 12), config)
