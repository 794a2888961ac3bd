"""Spoken digits of a speaker that neither the encoder nor the probe ever heard.

The encoder learns from the other speakers, without labels: the same word in two other voices (pitch and formants
moved apart from each other by the vocoder), unevenly paced and through two microphones, against all other words. A
logistic regression on its frozen embeddings learns the digits from the same speakers and names those of the one left
out. Each repetition leaves out another speaker.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from sensorium.config import SpokenDigitsConfig, WordAugmentation
from sensorium.data.words import BANDS, COLUMNS, Words, augment_patches, patches, read_words, voices
from sensorium.models.words import WordEncoder
from sensorium.objectives.contrastive import ContrastiveLearner
from sensorium.objectives.learner import Batch
from sensorium.randomness import Draw, stable_seed
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit

REVISION = 1
SEGMENTS = 8  # columns of the patch that a probe reads directly
PASS = 256  # words a pass


class WordContrast(ContrastiveLearner):
    """Views: two voices of a word, each augmented; batch: voices float16 [B, voices, BANDS, COLUMNS]."""

    def __init__(self, config: SpokenDigitsConfig) -> None:
        super().__init__(WordEncoder(config.width, config.dim, BANDS, COLUMNS), config.dim, config.contrast)
        self.augmentation: WordAugmentation = config.augmentation

    def views(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(batch["voices"]))
        chosen = draw.integers("voices", batch["voices"].shape[1], 2)
        first, second = (batch["voices"][rows, chosen[:, side]].float() for side in (0, 1))
        return (
            augment_patches(first, self.augmentation, draw, "first"),
            augment_patches(second, self.augmentation, draw, "second"),
        )

    def samples(self, batch: Batch) -> Tensor:
        return batch["voices"][:, 0].float()


def run(config: SpokenDigitsConfig) -> Findings:
    """Train and probe with one speaker left out in each repetition."""
    words = read_words(Path(config.archive))
    rows: list[dict[str, Cell]] = []
    scores = []
    for seed in config.all_seeds():
        left_out = seed % len(words.names)
        found = judge(config, words, left_out, seed)
        scores.append(found)
        rows.append({"speaker left out": words.names[left_out], **found})
    column = {name: np.array([found[name] for found in scores]) for name in scores[0]}
    trivial = [name for name in column if name not in ("encoder", "shuffled labels")]
    floor = max(float(column[name].mean()) for name in trivial)
    mean: dict[str, Cell] = {
        "speaker left out": "mean",
        **{name: float(values.mean()) for name, values in column.items()},
    }
    return Findings(
        metrics={
            "digits": over_seeds("digits", column["encoder"], floor, 1.0),
            "digits_expected": over_seeds("digits", column["encoder"], config.expected, 1.0),
        },
        controls={"shuffled_labels": over_seeds("shuffled", column["shuffled labels"], floor, 1.0)},
        tables=[Table("Accuracy of a linear probe on a speaker who was left out", [*rows, mean])],
    )


@lru_cache(maxsize=1)
def bank(archive: str, augmentation: WordAugmentation) -> tuple[Tensor, Tensor]:
    """Patches of all words as they were spoken and in other voices, the same in all repetitions."""
    words = read_words(Path(archive))
    return patches(words.sounds, words.rate), voices(words, augmentation, stable_seed("voices"))


def judge(config: SpokenDigitsConfig, words: Words, left_out: int, seed: int) -> dict[str, float]:
    """Accuracy on one speaker: of the encoder, of what it must beat, and of a probe with shuffled labels."""
    spoken, others = bank(config.archive, config.augmentation)
    seen = words.speaker != left_out
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("spoken_digits", seed))
        learner = WordContrast(config)
    features: dict[str, Callable[[Tensor], Tensor]] = {
        "mel, mean over time": lambda part: part.mean(2),
        "mel patch": lambda part: segments(part - part.mean((1, 2), keepdim=True)),
        "mel patch, band means removed": lambda part: segments(part - part.mean(2, keepdim=True)),
        "untrained encoder": learner.encoder,
    }
    found = {name: probe(embed(make, spoken), words.digit, seen) for name, make in features.items()}
    training = config.training.model_copy(update={"seed": seed})
    fit(learner, training, {"voices": others[torch.from_numpy(seen)]})
    vectors = embed(learner.encoder, spoken)
    shuffled = np.random.default_rng(stable_seed("shuffled", seed)).permutation(words.digit)
    return {
        "encoder": probe(vectors, words.digit, seen),
        **found,
        "shuffled labels": probe(vectors, words.digit, seen, shuffled),
    }


def segments(part: Tensor) -> Tensor:
    """[B, BANDS, COLUMNS] -> [B, BANDS * SEGMENTS]."""
    return F.adaptive_avg_pool2d(part, (BANDS, SEGMENTS)).flatten(1)


@torch.no_grad()
def embed(encoder: Callable[[Tensor], Tensor], spoken: Tensor) -> np.ndarray:
    """Features of all words, float32 [n, width]."""
    return torch.cat([encoder(part) for part in spoken.split(PASS)]).numpy()


def probe(features: np.ndarray, digit: np.ndarray, seen: np.ndarray, taught: np.ndarray | None = None) -> float:
    """Accuracy on the words not in `seen` of a logistic regression fitted on those in it, with labels `taught`."""
    labels = digit if taught is None else taught
    scaler = StandardScaler().fit(features[seen])
    reader = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(features[seen]), labels[seen])
    return float(reader.score(scaler.transform(features[~seen]), digit[~seen]))
