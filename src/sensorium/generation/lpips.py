"""The learned perceptual distance LPIPS, with the published weights from a file of the user."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.artifacts import ArtifactError
from sensorium.models.precision import in_float32

# The convolutions of VGG-16 (Simonyan & Zisserman 2015, table 1, D) by their number in torchvision's `features`, in
# five parts. Each part but the first begins with a pooling. The features after each part are compared.
_PARTS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # normalise colours in [-1, 1] for the weights


class LPIPS(nn.Module):
    """Distance of two pictures in the features of a classifier of objects (Zhang et al. 2018, eq. 1; VGG-16).

    The user makes the file once from the published weights (docs/data.md). The weights are buffers outside the
    state_dict: they are never trained, and checkpoints do not contain them.

    Args:
        path: the file.

    Raises:
        ArtifactError: if the file cannot be read, lacks a weight, or holds one of another shape.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            found = load_file(path)
        except (FileNotFoundError, SafetensorError) as error:
            raise ArtifactError(
                f"{path}: cannot be read as safetensors ({error}); make it as docs/data.md says"
            ) from error
        inputs = 3
        for number, part in enumerate(_PARTS):
            width = min(64 * 2**number, 512)
            for layer in part:
                name = f"net.slice{number + 1}.{layer}"
                self._take(path, found, f"{name}.weight", (width, inputs, 3, 3))
                self._take(path, found, f"{name}.bias", (width,))
                inputs = width
            self._take(path, found, f"lin{number}.model.1.weight", (1, width, 1, 1))
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None], persistent=False)

    def _take(self, path: Path, found: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> None:
        if name not in found:
            raise ArtifactError(f"{path}: lacks {name}; make it as docs/data.md says, from the weights of VGG")
        if tuple(found[name].shape) != shape:
            raise ArtifactError(
                f"{path}: {name} has shape {tuple(found[name].shape)}, {shape} is needed; is it VGG-16?"
            )
        if not torch.isfinite(found[name]).all():
            raise ArtifactError(f"{path}: {name} is not finite; make it as docs/data.md says")
        self.register_buffer(name.replace(".", "_"), found[name].float(), persistent=False)

    @in_float32
    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Distance [B] of images and targets [B, 3, H, W] in [0, 1]; H and W are 16 at least; in float32."""
        both = (2 * torch.cat([images, targets]) - 1 - self.get_buffer("shift")) / self.get_buffer("scale")
        distance: Tensor = images.new_zeros(len(images))
        for number, part in enumerate(_PARTS):
            both = F.max_pool2d(both, 2) if number else both
            for layer in part:
                name = f"net_slice{number + 1}_{layer}"
                both = F.conv2d(
                    both, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"), padding=1
                ).relu()
            # clamped under the root, whose gradient at zero is infinite
            seen, wanted = (both / both.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt()).chunk(2)
            weight = self.get_buffer(f"lin{number}_model_1_weight")
            distance = distance + ((seen - wanted).square() * weight[0]).sum(1).mean((1, 2))
        return distance
