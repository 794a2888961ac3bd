"""Models from their artifacts: the class and its settings from code and manifest, weights verified by digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

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
    weights = read_weights(path)
    with torch.random.fork_rng(devices=()), _no_larger_than(weights):
        torch.manual_seed(0 if untrained_seed is None else untrained_seed)
        build: Any = cls
        try:
            model: Model = build(config, shapes)
        except Exception as error:  # the class was built from these before, so they are no longer what they were
            raise ArtifactError(
                f"{manifest_path}: no {cls.__name__} can be made of its settings and shapes {shapes!r:.200} "
                f"({type(error).__name__}: {error}); {MAKE_AGAIN}"
            ) from error
    check_weights(path, weights, model)
    if untrained_seed is not None:
        weights = model.state_dict() | {name: weights[name] for name, _ in model.named_buffers() if name in weights}
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        ArtifactError: if it is none.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ArtifactError(f"{path}: no safetensors file ({error}); {MAKE_AGAIN}") from error


def check_weights(path: Path, weights: Mapping[str, Tensor], model: nn.Module) -> None:
    """Refuse weights that are not the model's: other names, shapes or dtypes, or numbers that are not finite.

    Raises:
        ArtifactError: naming the file and the first such weights.
    """
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
        raise ArtifactError(
            f"{path}: does not fit {type(model).__name__} as its code is now: {'; '.join(sorted(faults)[:SHOWN])}; "
            "train again"
        )


@contextmanager
def _no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop the making of a model that is far larger than its weights, before it fills the memory."""
    left = 2 * sum(tensor.numel() for tensor in weights.values())

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None else parameter.numel()
        if left < 0:
            raise ValueError("they ask for far more weights than its file has")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
