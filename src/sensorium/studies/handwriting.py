"""Few-shot recognition of handwritten characters whose alphabet the encoder never saw.

The encoder learns from the drawings of the other alphabets, without labels: two views of a drawing, turned, sheared,
bent and cut, against all others. Then 5 characters of the alphabet that was left out, one drawing of each to go by,
and drawings of other writers to name, by the nearest in cosine. Each repetition leaves out another alphabet.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.artifacts import ArtifactError
from sensorium.config import HandwritingConfig, VisionEncoderConfig
from sensorium.objectives.contrastive import VisionContrast
from sensorium.randomness import stable_seed
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit

REVISION = 1
WAYS, QUERIES = 5, 5
PASS = 256  # drawings a pass


@dataclass(frozen=True)
class Drawings:
    """Drawings uint8 [N, size, size], ink bright; the alphabet, character and writer of each, int64 [N]."""

    images: np.ndarray
    alphabet: np.ndarray
    character: np.ndarray
    writer: np.ndarray
    names: list[str]

    def video(self, rows: np.ndarray) -> Tensor:
        """As recordings of one frame: uint8 [n, 1, size, size, 3]."""
        return torch.from_numpy(self.images[rows])[:, None, :, :, None].expand(-1, -1, -1, -1, 3)


def run(config: HandwritingConfig) -> Findings:
    """Train with one alphabet left out in each repetition, and judge there."""
    drawings = read(Path(config.archive), config.size)
    rows: list[dict[str, Cell]] = []
    scores = []
    for seed in config.all_seeds():
        left_out = seed % len(drawings.names)
        found = judge(config, drawings, left_out, seed)
        scores.append(found)
        rows.append({"alphabet left out": drawings.names[left_out], **found})
    column = {name: np.array([found[name] for found in scores]) for name in scores[0]}
    floor = max(float(column[name].mean()) for name in ("raw pixels", "untrained encoder"))
    return Findings(
        metrics={
            "one_shot": over_seeds("one_shot", column["encoder"], floor, 1.0),
            "one_shot_expected": over_seeds("one_shot", column["encoder"], config.expected, 1.0),
        },
        controls={"shuffled_labels": over_seeds("shuffled", column["shuffled labels"], floor, 1.0)},
        tables=[Table(f"{WAYS}-way 1-shot, {config.episodes} episodes an alphabet", rows)],
    )


def judge(config: HandwritingConfig, drawings: Drawings, left_out: int, seed: int) -> dict[str, float]:
    """Accuracy on the alphabet that was left out: of the encoder, of what it must beat, and with shuffled labels."""
    section = VisionEncoderConfig(
        width=config.width, dim=config.dim, neighbours=0, augmentation=config.augmentation, contrast=config.contrast,
        training=config.training.model_copy(update={"seed": seed}),
    )  # fmt: skip
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("handwriting", seed))
        learner = VisionContrast(section, {"size": config.size})
    unseen = np.flatnonzero(drawings.alphabet == left_out)
    character, writer = drawings.character[unseen], drawings.writer[unseen]
    pixels = torch.from_numpy(drawings.images[unseen]).float().flatten(1) / 255
    untrained = embed(learner.encoder, drawings, unseen)
    fit(learner, section.training, {"video": drawings.video(np.flatnonzero(drawings.alphabet != left_out))})
    trained = embed(learner.encoder, drawings, unseen)
    found = {
        name: few_shot(vectors, character, writer, config.episodes, seed)
        for name, vectors in (("encoder", trained), ("untrained encoder", untrained), ("raw pixels", pixels))
    }
    shuffled = np.random.default_rng(stable_seed("shuffled", seed)).permutation(character)
    return found | {"shuffled labels": few_shot(trained, shuffled, writer, config.episodes, seed)}


@torch.no_grad()
def embed(encoder: nn.Module, drawings: Drawings, rows: np.ndarray) -> Tensor:
    """Embeddings float32 [n, dim]."""
    images = drawings.video(rows)[:, 0].permute(0, 3, 1, 2)
    return torch.cat([encoder(part.float() / 255) for part in images.split(PASS)])


def few_shot(vectors: Tensor, character: np.ndarray, writer: np.ndarray, episodes: int, seed: int) -> float:
    """Mean accuracy over episodes; an episode's example and queries of a character are of different writers."""
    rng = np.random.default_rng(stable_seed("episodes", seed))
    unit = F.normalize(vectors - vectors.mean(0), dim=1).numpy()
    classes = [np.flatnonzero(character == each) for each in np.unique(character)]
    right = []
    for _ in range(episodes):
        chosen = rng.choice(len(classes), WAYS, replace=False)
        drawn = [rng.permutation(classes[number]) for number in chosen]
        examples = np.array([rows[0] for rows in drawn])
        for place, rows in enumerate(drawn):
            queries = rows[1:][writer[rows[1:]] != writer[rows[0]]][:QUERIES]
            right.append(((unit[queries] @ unit[examples].T).argmax(1) == place).mean())
    return float(np.mean(right))


def read(archive: Path, size: int) -> Drawings:
    """Drawings of an archive SET/ALPHABET/CHARACTER/NUMBER_WRITER.png.

    Raises:
        ArtifactError: if there is no such archive, or it holds fewer than two alphabets.
    """
    if not archive.is_file():
        raise ArtifactError(f"{archive}: no such archive; set studies.handwriting.archive")
    images, places = [], []
    with zipfile.ZipFile(archive) as file:
        for name in sorted(name for name in file.namelist() if name.endswith(".png")):
            parts = Path(name).parts
            with Image.open(io.BytesIO(file.read(name))) as picture:
                ink = 255 - np.asarray(picture.convert("L"))
            images.append(cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA))
            places.append((parts[-3], "/".join(parts[-3:-1]), Path(name).stem.split("_")[-1]))
    if len({place[0] for place in places}) < 2:
        raise ArtifactError(f"{archive}: not two alphabets of drawings (SET/ALPHABET/CHARACTER/NUMBER_WRITER.png)")
    numbers = [np.unique([place[part] for place in places], return_inverse=True) for part in range(3)]
    bright = np.stack(images).astype(np.float32)
    bright *= 255 / bright.max((1, 2), keepdims=True).clip(1)  # a thin pen's line is averaged to grey
    return Drawings(
        bright.astype(np.uint8), numbers[0][1], numbers[1][1], numbers[2][1], [str(name) for name in numbers[0][0]]
    )  # fmt: skip
