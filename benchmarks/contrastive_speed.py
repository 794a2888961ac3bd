"""SimCLR compared with lightly: augmentation, model steps and both together, in samples a CPU second of one thread.

    pip install --no-deps --target /tmp/peer lightly==1.6.0 lightly_utils lightning_utilities pytorch_lightning \
        torchmetrics aenum
    PYTHONPATH=src:/tmp/peer python benchmarks/contrastive_speed.py

Both use the same images, ResNet-18, 64 x 64 pixels, batches of 64 and two views of each image. lightly augments
pictures one by one in the training process (its SimCLR transform without blur and hue, which ours lacks); ours augments
whole batches. Times are CPU seconds, so other processes may run. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.transforms.functional import to_pil_image

from sensorium.config import VisionAugmentation
from sensorium.data.augment import augment_images
from sensorium.data.sample_formats import WHITE, to_unit_range
from sensorium.perception.contrastive_learner import nt_xent
from sensorium.randomness import Draw
from sensorium.training.execution import Execution

SIZE, BATCH, TEMPERATURE = 64, 64, 0.5
Views = tuple[Tensor, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of each line, after an untimed one")
    args = parser.parse_args()
    Execution(device="cpu", threads=1).prepare()  # as every training does; the peer runs in the same process
    torch.manual_seed(0)
    pixels = (torch.rand(BATCH, 3, SIZE // 8, SIZE // 8) * WHITE).byte()
    pixels = pixels.repeat_interleave(8, 2).repeat_interleave(8, 3)
    pictures = [to_pil_image(image) for image in pixels]
    strength = VisionAugmentation(crop=0.2, flip=0.5, jitter=0.4, grayscale=0.2)
    transform = SimCLRTransform(
        input_size=SIZE,
        cj_strength=1.0,
        cj_bright=0.4,
        cj_contrast=0.4,
        cj_sat=0.4,
        cj_hue=0.0,
        min_scale=0.2,
        random_gray_scale=0.2,
        gaussian_blur=0.0,
        normalize=None,
    )
    draw = Draw(0, 0, 0, BATCH, BATCH, torch.device("cpu"))

    def ours() -> Views:
        images = to_unit_range(pixels)
        return augment_images(images, strength, draw, "first"), augment_images(images, strength, draw, "second")

    def theirs() -> Views:
        first, second = zip(*(transform(picture) for picture in pictures), strict=True)
        return torch.stack(first), torch.stack(second)

    peer = NTXentLoss(temperature=TEMPERATURE)
    lines = {
        "sensorium": (ours, lambda a, b: nt_xent(torch.stack([a, b], 1), TEMPERATURE)),
        "lightly": (theirs, peer),
    }
    print("| | augmentation alone | model step alone | both | share lost to augmentation |\n|---|---|---|---|---|")
    for name, (augment, loss) in lines.items():
        views, step = augment(), trainer(loss)
        alone = rate(augment, args.rounds)
        model = rate(lambda step=step, views=views: step(views), args.rounds)
        both = rate(lambda step=step, augment=augment: step(augment()), args.rounds)
        print(f"| {name} | {alone:.0f} | {model:.1f} | {both:.1f} | {1 - both / model:.1%} |", flush=True)


def trainer(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Views], None]:
    """One optimiser step of ResNet-18 and a projection head on two views."""
    torch.manual_seed(0)
    model = resnet18(num_classes=512)
    model = nn.Sequential(model, nn.ReLU(), nn.Linear(512, 128))
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def step(views: Views) -> None:
        value = loss(*model(torch.cat(views)).chunk(2))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()

    return step


def rate(work: Callable[[], object], rounds: int) -> float:
    """Images a CPU second of this process; an image has two views. The first round is not timed."""
    work()
    began = time.process_time()
    for _ in range(rounds):
        work()
    return rounds * BATCH / (time.process_time() - began)


if __name__ == "__main__":
    main()
