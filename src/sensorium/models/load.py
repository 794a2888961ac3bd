"""Models from their artifacts: the class and its settings from code and manifest, weights verified by digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from sensorium.artifacts import ArtifactError, read_manifest, verified_file
from sensorium.config import Section, parse_section


class Loadable(nn.Module):
    """A model that is stored as an artifact; made by `cls(config, shapes)`.

    Attributes:
        Config: the model of its section.
        kind: the kind in the manifest of such an artifact, for example "encoder_vision".
    """

    Config: ClassVar[type[Section]]
    kind: ClassVar[str]


Model = TypeVar("Model", bound=Loadable)


def load(cls: type[Model], manifest_path: Path, untrained_seed: int | None = None) -> Model:
    """Build an exported model, frozen and in eval mode, on the CPU.

    Args:
        cls: its class.
        manifest_path: manifest.json of the artifact.
        untrained_seed: build the same architecture with fresh weights of this seed instead, for floors and negative
            controls. The trained model's buffers (means and standard deviations of its inputs) are kept: those are
            measured, not learned, and without them an untrained network would be a weaker floor than it can be.

    Raises:
        ArtifactError: if the manifest is missing or of another kind, or the weights do not match it or the class.
    """
    manifest = read_manifest(manifest_path, cls.kind)
    config = parse_section(cls.Config, json.dumps(manifest["config"]))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0 if untrained_seed is None else untrained_seed)
        build: Any = cls
        model: Model = build(config, manifest["details"]["shapes"])
    path = verified_file(manifest_path, manifest, "model")
    weights = load_file(path)
    try:
        if untrained_seed is None:
            model.load_state_dict(weights)
        else:
            buffers = {name: weights[name] for name, _ in model.named_buffers() if name in weights}
            model.load_state_dict(buffers, strict=False)
    except RuntimeError as error:
        raise ArtifactError(
            f"{path}: does not fit {cls.__name__}, whose code has changed; train again ({error})"
        ) from error
    return model.eval().requires_grad_(False)
