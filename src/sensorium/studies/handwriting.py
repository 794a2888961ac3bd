"""Few-shot recognition of handwritten characters whose alphabet the encoder never saw.

The encoder is trained on the other alphabets by contrast: two views of a sample (rotated, sheared, bent and cropped)
against the views of all other samples. Without labels both views are of one drawing. The views of the supervised
encoder are of two drawings of the same character, mostly by two writers (Khosla et al. 2020, "Supervised contrastive
learning", with one partner each). A character turned by a quarter counts as another one (Santoro et al.
2016, arXiv:1605.06065).

An episode has 5 characters of the alphabet that was left out, with one example of each. Drawings by other writers are
assigned to the example with the highest cosine similarity. Each repetition leaves out another alphabet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.artifacts import ArtifactError
from sensorium.data.archives import read_archive, reading_member
from sensorium.data.pictures import read_grey
from sensorium.data.sample_formats import WHITE, to_images, to_unit_range
from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.perception.config import VisionEncoderConfig
from sensorium.perception.contrastive_learner import VisionContrast
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import HandwritingConfig
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit

REVISION = 4
WAYS, QUERIES = 5, 5
PASS = 256  # drawings a pass
QUARTERS = 4


@dataclass(frozen=True)
class Drawings:
    """Drawings uint8 [N, size, size], ink bright; the alphabet, character and writer of each, int64 [N]."""

    images: np.ndarray
    alphabet: np.ndarray
    character: np.ndarray
    writer: np.ndarray
    names: list[str]

    def each(self, rows: np.ndarray) -> Tensor:
        """Drawings as recordings of one frame: uint8 [n, 1, size, size, 3]."""
        return torch.from_numpy(self.images[rows])[:, None, :, :, None].expand(-1, -1, -1, -1, 3)

    def together(self, rows: np.ndarray) -> Tensor:
        """Characters as recordings, a frame a drawing: uint8 [characters, drawings, size, size, 3].

        All have as many drawings as the one with the fewest; the others' last ones are left out.
        """
        groups = [rows[self.character[rows] == each] for each in np.unique(self.character[rows])]
        fewest = min(len(group) for group in groups)
        return torch.cat([self.each(group[:fewest]).transpose(0, 1) for group in groups])


def run(config: HandwritingConfig) -> Findings:
    """Train with one alphabet left out in each repetition, and evaluate on that alphabet."""
    drawings = read(Path(config.archive), config.size)
    rows: list[dict[str, Cell]] = []
    for seed in track(config.all_seeds(), "seeds"):
        left_out = seed % len(drawings.names)
        rows.append({"alphabet left out": drawings.names[left_out], **judge(config, drawings, left_out, seed)})
    return conclude(config, rows)


def conclude(config: HandwritingConfig, rows: Sequence[Mapping[str, Cell]]) -> Findings:
    """The findings from the accuracies of each alphabet that was left out."""
    names = [name for name in rows[0] if name != "alphabet left out"]
    column = {name: np.array([row[name] for row in rows], np.float64) for name in names}
    fresh = ("raw pixels", "untrained encoder")

    def accuracy(name: str, floors: Sequence[str]) -> dict[str, Any]:
        """The record of an accuracy with its floors, paired by alphabet: Student's t, for alphabets are few."""
        return measure_over_seeds(
            name,
            column[name],
            baselines={floor: column[floor] for floor in floors},
            ceilings={"attainable": 1.0},
        )

    return Findings(
        metrics={
            "one_shot": accuracy("encoder", fresh),
            "one_shot_expected": over_seeds("one_shot", column["encoder"], config.expected, 1.0),
            "one_shot_taught": accuracy("taught encoder", (*fresh, "encoder")),
            "one_shot_taught_expected": over_seeds("one_shot", column["taught encoder"], config.expected, 1.0),
        },
        controls={"shuffled_labels": accuracy("shuffled labels", fresh)},
        tables=[Table(f"{WAYS}-way 1-shot, {config.episodes} episodes an alphabet", rows)],
    )


def judge(config: HandwritingConfig, drawings: Drawings, left_out: int, seed: int) -> dict[str, float]:
    """Accuracy on the alphabet that was left out: of both encoders, of their baselines, and with shuffled labels."""
    unseen, known = (np.flatnonzero((drawings.alphabet == left_out) == wanted) for wanted in (True, False))
    character, writer = drawings.character[unseen], drawings.writer[unseen]
    pixels = to_unit_range(torch.from_numpy(drawings.images[unseen])).flatten(1)
    taught = embed_drawings(make_encoder(config, drawings.together(known), seed), drawings, unseen)
    found = {
        name: few_shot(vectors, character, writer, config.episodes, seed)
        for name, vectors in (
            ("encoder", embed_drawings(make_encoder(config, drawings.each(known), seed), drawings, unseen)),
            ("taught encoder", taught),
            ("untrained encoder", embed_drawings(make_encoder(config, None, seed), drawings, unseen)),
            ("raw pixels", pixels),
        )
    }
    shuffled = np.random.default_rng(stable_seed("shuffled", seed)).permutation(character)
    return found | {"shuffled labels": few_shot(taught, shuffled, writer, config.episodes, seed)}


def make_encoder(config: HandwritingConfig, video: Tensor | None, seed: int) -> nn.Module:
    """An encoder, trained with the frames of a recording as views of one sample; untrained if there is no video."""
    section = VisionEncoderConfig(
        width=config.width,
        dim=config.dim,
        neighbours=0,
        augmentation=config.augmentation,
        contrast=config.contrast,
        training=config.training.model_copy(update={"seed": seed}),
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("handwriting", seed))
        learner = VisionContrast(section, {"size": config.size})
    if video is None:
        return learner.encoder.eval()
    fit(learner, section.training, {"video": torch.cat([video.rot90(turn, (2, 3)) for turn in range(QUARTERS)])})
    return learner.encoder


@torch.no_grad()
def embed_drawings(encoder: nn.Module, drawings: Drawings, rows: np.ndarray) -> Tensor:
    """Embeddings float32 [n, dim]."""
    images = drawings.each(rows)[:, 0]
    return torch.cat([encoder(to_images(part)) for part in images.split(PASS)])


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
        ArtifactError: if there is no such archive, it is damaged, it holds fewer than two alphabets, or a character is
            drawn once.
    """
    if not archive.is_file():
        raise ArtifactError(f"{archive}: no such archive; set studies.handwriting.archive")
    found = []
    for name, content in read_archive(archive, ".png"):
        with reading_member(archive, name):
            *_, alphabet, character, file = Path(name).parts
            ink = WHITE - read_grey(io.BytesIO(content))
            image = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)
            found.append((name, image, (alphabet, f"{alphabet}/{character}", Path(file).stem.split("_")[-1])))
    found.sort(key=lambda each: each[0])
    images, places = [image for _, image, _ in found], [place for _, _, place in found]
    if len({place[0] for place in places}) < 2:
        raise ArtifactError(f"{archive}: not two alphabets of drawings (SET/ALPHABET/CHARACTER/NUMBER_WRITER.png)")
    numbers = [np.unique([place[part] for place in places], return_inverse=True) for part in range(3)]
    alone = numbers[1][0][np.bincount(numbers[1][1]) < 2]
    if len(alone):
        raise ArtifactError(f"{archive}: one drawing of {alone[0]} alone; every character needs two, by two writers")
    bright = np.stack(images).astype(np.float32)
    bright *= WHITE / bright.max((1, 2), keepdims=True).clip(1)  # a thin pen's line is averaged to grey
    return Drawings(
        bright.astype(np.uint8), numbers[0][1], numbers[1][1], numbers[2][1], [str(name) for name in numbers[0][0]]
    )
