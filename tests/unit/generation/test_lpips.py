"""LPIPS: the published definition, from a file that the user made; nothing of it is trained or kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import vgg16

from sensorium.artifacts import ArtifactError
from sensorium.generation.lpips import LPIPS

ENDS = (4, 9, 16, 23, 30)  # of the parts, in torchvision's `features`


@pytest.fixture(scope="module")
def network() -> torch.nn.Sequential:
    """VGG-16 with random weights."""
    torch.manual_seed(0)
    return vgg16(weights=None).features.eval()


@pytest.fixture(scope="module")
def weights(network: torch.nn.Sequential) -> dict[str, Tensor]:
    """A file's content, named as the published package names it."""
    found = {
        f"lin{part}.model.1.weight": torch.rand(1, width, 1, 1) for part, width in enumerate((64, 128, 256, 512, 512))
    }
    for name, tensor in network.state_dict().items():
        layer, kind = name.split(".")
        part = next(number for number, end in enumerate(ENDS) if int(layer) < end)
        found[f"net.slice{part + 1}.{layer}.{kind}"] = tensor.clone()
    return found


@pytest.fixture(scope="module")
def path(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file."""
    path = tmp_path_factory.mktemp("lpips") / "vgg.safetensors"
    save_file(weights, path)
    return path


@torch.no_grad()
def slowly(network: torch.nn.Sequential, weights: dict[str, Tensor], image: Tensor, target: Tensor) -> float:
    """Equation 1 of Zhang et al. 2018, with torchvision's own network, for one pair."""
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    a, b = (((2 * part - 1) - shift[:, None, None]) / scale[:, None, None] for part in (image, target))
    distance = 0.0
    for part, (begin, end) in enumerate(zip((0, *ENDS), ENDS, strict=False)):
        a, b = network[begin:end](a[None])[0], network[begin:end](b[None])[0]
        unit = [part / part.norm(dim=0, keepdim=True).clamp_min(1e-10) for part in (a, b)]
        weighed = weights[f"lin{part}.model.1.weight"][0, :, 0, 0, None] * (unit[0] - unit[1]).flatten(1).square()
        distance += float(weighed.sum(0).mean())
    return distance


def test_it_is_the_published_distance(network, weights, path):
    images, targets = torch.rand(2, 3, 3, 32, 32)
    found = LPIPS(path)(images, targets)
    for image, target, distance in zip(images, targets, found, strict=True):
        assert float(distance) == pytest.approx(slowly(network, weights, image, target), rel=1e-4)
    assert LPIPS(path)(images, images).tolist() == [0.0, 0.0, 0.0]


def test_nothing_of_it_is_trained_or_kept(path):
    distance = LPIPS(path)
    assert not list(distance.parameters())
    assert not distance.state_dict()


def test_gradients_are_finite_where_there_are_no_features(weights, tmp_path):
    """All features zero: the slope of a root there is infinite."""
    dead = {name: tensor if name.startswith("lin") else torch.zeros_like(tensor) for name, tensor in weights.items()}
    save_file(dead, tmp_path / "dead.safetensors")
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    LPIPS(tmp_path / "dead.safetensors")(images, torch.rand(1, 3, 32, 32)).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


def test_other_files_are_refused(weights, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(ArtifactError, match=r"other\.safetensors: cannot be read"):
        LPIPS(path)
    save_file({name: tensor for name, tensor in weights.items() if name != "lin3.model.1.weight"}, path)
    with pytest.raises(ArtifactError, match=r"lacks lin3\.model\.1\.weight"):
        LPIPS(path)
    save_file(weights | {"net.slice1.0.weight": torch.zeros(64, 3, 11, 11)}, path)
    with pytest.raises(ArtifactError, match=r"\(64, 3, 11, 11\), \(64, 3, 3, 3\) is needed"):
        LPIPS(path)
    with pytest.raises(ArtifactError, match="nowhere"):
        LPIPS(tmp_path / "nowhere.safetensors")
