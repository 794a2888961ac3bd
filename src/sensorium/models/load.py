"""Models from their artifacts: the class and its settings from code and manifest, weights verified by digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from sensorium.artifacts import ArtifactError, read_manifest, verified_file
from sensorium.config import Section, parse_section

Model = TypeVar("Model", bound=nn.Module)


def load_model(
    cls: type[Model], config_cls: type[Section], manifest_path: Path, kind: str, untrained_seed: int | None = None
) -> Model:
    """Build an exported model, frozen and in eval mode, on the CPU.

    Args:
        cls: its class, made by `cls(config, shapes)`.
        config_cls: the model of its section.
        manifest_path: manifest.json of the artifact.
        kind: what the artifact must be, for example "encoder_vision".
        untrained_seed: build the same architecture with fresh weights of this seed instead, for floors and
            negative controls; the weights on disk are then left alone.

    Raises:
        ArtifactError: if the manifest is missing or of another kind, or the weights do not match it or the class.
    """
    manifest = read_manifest(manifest_path, kind)
    config: Any = parse_section(config_cls, json.dumps(manifest["config"]))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0 if untrained_seed is None else untrained_seed)
        model = cls(config, manifest["details"]["shapes"])
    if untrained_seed is None:
        path = verified_file(manifest_path, manifest, "model")
        try:
            model.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise ArtifactError(
                f"{path}: does not fit {cls.__name__}, whose code has changed; train again ({error})"
            ) from error
    return model.eval().requires_grad_(False)
