"""Spoken digits of a speaker that neither the encoder nor the probe ever heard.

The encoder learns from the other speakers, without labels of what is said: the same word in two other voices (pitch
and formants moved apart from each other by the vocoder), unevenly paced and through two microphones, against all other
words. After a while a word's partner mostly is one of the words nearest to it that another speaker said (as Dwibedi et
al. 2021, "With a little help from my friends", take the nearest of all samples), so the only thing known of a word is
whose recording it is. A word's features are the mean over the word as it was spoken and in its other voices, the
encoder's as those of everything it is compared with. A logistic regression on them learns the digits from the same
speakers and names those of the one left out. Each repetition leaves out another speaker.
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

from sensorium.perception.contrastive_learner import ContrastiveLearner
from sensorium.randomness import Draw, stable_seed
from sensorium.studies.config import SpokenDigitsConfig, WordAugmentation
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit
from sensorium.studies.spoken_words import BANDS, COLUMNS, Words, augment_patches, patches, read_words, voices
from sensorium.studies.word_encoder import WordEncoder
from sensorium.training.learner import Batch

REVISION = 2
SEGMENTS = 8  # columns of the patch that a probe reads directly
PASS = 256  # words a pass
MEET_EVERY = 20  # steps after which neighbours are looked for anew


class WordContrast(ContrastiveLearner):
    """Views: a voice of a word and a voice of its partner, each augmented; batch: row int64 [B], of the words below.

    Args:
        config: of the study.
        spoken: [n, BANDS, COLUMNS], words as they were spoken.
        others: [n, voices, BANDS, COLUMNS], the same in other voices.
        speaker: [n], whose they are.
    """

    def __init__(self, config: SpokenDigitsConfig, spoken: Tensor, others: Tensor, speaker: np.ndarray) -> None:
        super().__init__(WordEncoder(config.width, config.dim, BANDS, COLUMNS), config.dim, config.contrast)
        self.augmentation: WordAugmentation = config.augmentation
        self._config, self._spoken, self._others = config, spoken, others
        self._speaker = torch.from_numpy(speaker)
        self._friends: Tensor | None = None  # [n, neighbours]

    def meet(self, step: int) -> None:
        """Before a step: find the nearest words of other speakers, from time to time, once that is of use."""
        since = step - self._config.meet_after
        if since < 0 or since % MEET_EVERY or len(self._speaker.unique()) < 2:
            return
        found = torch.from_numpy(embed(self.encoder.eval(), self._spoken))
        self.encoder.train()
        self._friends = neighbours(found, self._speaker, self._config.neighbours)

    def views(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        partner = rows = batch["row"]
        if self._friends is not None:
            friend = self._friends[rows, draw.integers("friend", self._friends.shape[1])]
            partner = torch.where(draw.uniform("met") < self._config.met, friend, rows)
        chosen = draw.integers("voices", self._others.shape[1], 2)
        first, second = self._others[rows, chosen[:, 0]].float(), self._others[partner, chosen[:, 1]].float()
        return (
            augment_patches(first, self.augmentation, draw, "first"),
            augment_patches(second, self.augmentation, draw, "second"),
        )

    def samples(self, batch: Batch) -> Tensor:
        return self._spoken[batch["row"]]


def neighbours(features: Tensor, speaker: Tensor, count: int) -> Tensor:
    """Nearest words of other speakers by angle, every speaker's mean taken away: [n, D] -> int64 [n, count]."""
    centred = features.clone()
    for one in speaker.unique():
        centred[speaker == one] -= features[speaker == one].mean(0)
    unit = F.normalize(centred, dim=1)
    alike = (unit @ unit.T).masked_fill(speaker[:, None] == speaker, -2.0)
    return alike.topk(min(count, int((speaker != speaker[0]).sum())), dim=1).indices


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
    trivial = [name for name in column if name not in ("encoder", "encoder, one voice", "shuffled labels")]
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
    kept = torch.from_numpy(seen)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("spoken_digits", seed))
        learner = WordContrast(config, spoken[kept], others[kept], words.speaker[seen])
    features: dict[str, Callable[[Tensor], Tensor]] = {
        "mel, mean over time": lambda part: part.mean(2),
        "mel patch": lambda part: segments(part - part.mean((1, 2), keepdim=True)),
        "mel patch, band means removed": lambda part: segments(part - part.mean(2, keepdim=True)),
        "untrained encoder": learner.encoder,
    }
    found = {name: probe(over_voices(make, spoken, others), words.digit, seen) for name, make in features.items()}
    training = config.training.model_copy(update={"seed": seed})
    fit(learner, training, {"row": torch.arange(int(seen.sum()))}, learner.meet)
    vectors = over_voices(learner.encoder, spoken, others)
    alone = embed(learner.encoder, spoken)
    shuffled = np.random.default_rng(stable_seed("shuffled", seed)).permutation(words.digit)
    return {
        "encoder": probe(vectors, words.digit, seen),
        **found,
        "encoder, one voice": probe(alone, words.digit, seen),
        "shuffled labels": probe(vectors, words.digit, seen, shuffled),
    }


def segments(part: Tensor) -> Tensor:
    """[B, BANDS, COLUMNS] -> [B, BANDS * SEGMENTS]."""
    return F.adaptive_avg_pool2d(part, (BANDS, SEGMENTS)).flatten(1)


def over_voices(encoder: Callable[[Tensor], Tensor], spoken: Tensor, others: Tensor) -> np.ndarray:
    """Features of all words, the mean over the spoken voice and all others: float32 [n, width]."""
    return np.mean([embed(encoder, spoken), *(embed(encoder, voice.float()) for voice in others.unbind(1))], axis=0)


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
