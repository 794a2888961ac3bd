"""Models from their artifacts: the class and its settings from code and manifest, weights verified by digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sensorium.artifacts import MAKE_AGAIN, SHOWN, ArtifactError, read_manifest, verified_file
from sensorium.config import Section, parse_stored


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
        ArtifactError: if the manifest is missing or of another kind, or its settings and shapes make no such model, or
            the weights do not match it or the class.
    """
    manifest = read_manifest(manifest_path, cls.kind)
    config = parse_stored(cls.Config, manifest["config"], manifest_path)
    shapes = manifest["details"]["shapes"]
    path = verified_file(manifest_path, manifest, "model")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0 if untrained_seed is None else untrained_seed)
        build: Any = cls
        try:
            model: Model = build(config, shapes)
        except Exception as error:  # the class has been built from these before, so they are not what they were
            raise ArtifactError(
                f"{manifest_path}: no {cls.__name__} can be made of its settings and shapes {dict(shapes)!r:.200} "
                f"({type(error).__name__}: {error}); {MAKE_AGAIN}"
            ) from error
    weights = read_weights(path, model)
    if untrained_seed is not None:
        weights = model.state_dict() | {name: weights[name] for name, _ in model.named_buffers() if name in weights}
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def read_weights(path: Path, model: nn.Module) -> dict[str, Tensor]:
    """The weights in a file, after a check that they are those of the model: names, shapes, dtypes, finite numbers.

    Raises:
        ArtifactError: naming the first weights that are not.
    """
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ArtifactError(f"{path}: no safetensors file ({error}); {MAKE_AGAIN}") from error
    expected = model.state_dict()
    faults = [f"{name} is missing" for name in expected.keys() - weights.keys()]
    faults += [f"{name} is not among them" for name in weights.keys() - expected.keys()]
    for name in expected.keys() & weights.keys():
        found, wanted = weights[name], expected[name]
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            what = f"{found.dtype} {list(found.shape)}, expected {wanted.dtype} {list(wanted.shape)}"
            faults.append(f"{name} is {what}")
        elif not torch.isfinite(found).all():
            faults.append(f"{name} is not finite")
    if faults:
        named = "; ".join(sorted(faults)[:SHOWN])
        raise ArtifactError(
            f"{path}: not the weights of {type(model).__name__} as its code is now: {named}; train again"
        )
    return weights
