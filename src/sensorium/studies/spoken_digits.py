"""Spoken digits of a speaker that neither the encoder nor the probe was trained on.

The encoder is trained on the other speakers by contrast, without labels of what is said: two views of a word against
all other words. A view is the word in another voice (the vocoder shifts pitch and formants independently), with another
pace and microphone. After some steps the partner of a word is mostly one of its nearest words by another speaker
(Dwibedi et al. 2021, "With a little help from my friends", use the nearest of all samples). So the only label that
training uses is the speaker of a word. The encoder's features of a word are the mean over its original and its other
voices. A logistic regression on them is fitted on the same speakers and tested on the one left out, with all of their
words and with few of each digit. Each repetition leaves out another speaker, and all is compared speaker by speaker.

The rivals are log-mel patches and cepstra of a word as it was spoken, in its own voice alone, and over all voices. The
strength of each feature's penalty, the encoder's too, is chosen among the speakers who are not left out: each of them
is named in turn by what the others teach.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.perception.contrastive_learner import ContrastiveLearner
from sensorium.progress import track
from sensorium.randomness import Draw, stable_seed
from sensorium.studies.config import SpokenDigitsConfig, WordAugmentation
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit
from sensorium.studies.spoken_words import BANDS, COLUMNS, Words, augment_patches, patches, read_words, voices
from sensorium.studies.word_encoder import WordEncoder
from sensorium.training.learner import Batch

REVISION = 3
SEGMENTS = 8  # columns of the patch in the baselines without an encoder
PASS = 256  # words a pass
MEET_EVERY = 20  # steps between two searches for neighbours
STRENGTHS = (0.001, 0.01, 0.1)  # inverse penalties of the probe, from which one is chosen
FEW_DRAWS = 5  # of few labelled words, averaged
CEPSTRA = 13
JUDGED, REPORTED, CONTROL = "encoder", "encoder, one voice", "shuffled labels"


class WordContrast(ContrastiveLearner):
    """Views: a voice of a word and a voice of its partner, each augmented; batch: row int64 [B], of the words below.

    Args:
        config: of the study.
        spoken: [n, BANDS, COLUMNS], words in their original voices.
        others: [n, voices, BANDS, COLUMNS], the same in other voices.
        speaker: [n], of each word.
    """

    def __init__(self, config: SpokenDigitsConfig, spoken: Tensor, others: Tensor, speaker: np.ndarray) -> None:
        super().__init__(WordEncoder(config.width, config.dim, BANDS, COLUMNS), config.dim, config.contrast)
        self.augmentation: WordAugmentation = config.augmentation
        self._config, self._spoken, self._others = config, spoken, others
        self._speaker = torch.from_numpy(speaker)
        self._friends: Tensor | None = None  # [n, neighbours]

    def meet(self, step: int) -> None:
        """Before a step: every MEET_EVERY steps after `meet_after`, find the nearest words of other speakers."""
        since = step - self._config.meet_after
        if since < 0 or since % MEET_EVERY or len(self._speaker.unique()) < 2:
            return
        found = torch.from_numpy(embed_words(self.encoder.eval(), self._spoken))
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
    """Nearest words of other speakers by angle, after each speaker's mean is subtracted: [n, D] -> int64 [n, count]."""
    centred = features.clone()
    for one in speaker.unique():
        centred[speaker == one] -= features[speaker == one].mean(0)
    unit = F.normalize(centred, dim=1)
    similarity = (unit @ unit.T).masked_fill(speaker[:, None] == speaker, -2.0)
    return similarity.topk(min(count, int((speaker != speaker[0]).sum())), dim=1).indices


def run(config: SpokenDigitsConfig) -> Findings:
    """Train and probe with one speaker left out in each repetition."""
    words = read_words(Path(config.archive))
    tables: dict[str, list[dict[str, Cell]]] = {"all": [], "few": []}
    scores: dict[str, list[dict[str, float]]] = {"all": [], "few": []}
    for seed in track(config.all_seeds(), "seeds"):
        left_out = seed % len(words.names)
        for labels, found in judge(config, words, left_out, seed).items():
            scores[labels].append(found)
            tables[labels].append({"speaker left out": words.names[left_out], **found})
    columns = {
        labels: {name: np.array([found[name] for found in rows]) for name in rows[0]} for labels, rows in scores.items()
    }
    for labels, column in columns.items():
        tables[labels].append({"speaker left out": "mean", **{name: float(v.mean()) for name, v in column.items()}})

    def digits(labels: str, name: str) -> dict[str, Any]:
        """The record of an accuracy, paired with its baselines by speaker."""
        column = columns[labels]
        return measure_over_seeds(
            "digits",
            column[name],
            baselines={rival: column[rival] for rival in column if rival not in (JUDGED, REPORTED, CONTROL)},
            ceilings={"attainable": 1.0},
        )

    return Findings(
        metrics={
            "digits": digits("all", JUDGED),
            "digits_few_labels": digits("few", JUDGED),
            "digits_expected": over_seeds("digits", columns["all"][JUDGED], config.expected, 1.0),
        },
        controls={"shuffled_labels": digits("all", CONTROL)},
        tables=[
            Table("Accuracy of a linear probe on a speaker who was left out", tables["all"]),
            Table(f"The same with {config.few} labelled words of each digit", tables["few"]),
        ],
    )


@lru_cache(maxsize=1)
def bank(archive: str, augmentation: WordAugmentation) -> tuple[Tensor, Tensor]:
    """Patches of all words in their original and in other voices, the same in all repetitions."""
    words = read_words(Path(archive))
    return patches(words.sounds, words.rate), voices(words, augmentation, stable_seed("voices"))


def judge(config: SpokenDigitsConfig, words: Words, left_out: int, seed: int) -> dict[str, dict[str, float]]:
    """Accuracy on one speaker with all and with few labels: of the encoder, its rivals, and with shuffled labels."""
    spoken, others = bank(config.archive, config.augmentation)
    seen = words.speaker != left_out
    kept = torch.from_numpy(seen)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(stable_seed("spoken_digits", seed))
        learner = WordContrast(config, spoken[kept], others[kept], words.speaker[seen])
    plain: dict[str, Callable[[Tensor], Tensor]] = {
        "mel, mean over time": lambda part: part.mean(2),
        "mel patch": lambda part: segments(part - part.mean((1, 2), keepdim=True)),
        "mel patch, band means removed": lambda part: segments(part - part.mean(2, keepdim=True)),
        "cepstra": cepstra,
    }
    features = {f"{name}, as spoken": embed_words(make, spoken) for name, make in plain.items()}
    features |= {name: over_voices(make, spoken, others) for name, make in plain.items()}
    features["untrained encoder"] = over_voices(learner.encoder, spoken, others)
    training = config.training.model_copy(update={"seed": seed})
    fit(learner, training, {"row": torch.arange(int(seen.sum()))}, learner.meet)
    features = {JUDGED: over_voices(learner.encoder, spoken, others), **features}
    features[REPORTED] = embed_words(learner.encoder, spoken)
    few = [few_labels(words, seen, config.few, stable_seed("few", seed, draw)) for draw in range(FEW_DRAWS)]
    found: dict[str, dict[str, float]] = {"all": {}, "few": {}}
    for name, values in features.items():
        strength = best_strength(values, words, seen)
        found["all"][name] = probe(values, words.digit, seen, ~seen, strength)
        found["few"][name] = float(np.mean([probe(values, words.digit, rows, ~seen, strength) for rows in few]))
    shuffled = np.random.default_rng(stable_seed("shuffled", seed)).permutation(words.digit)
    for labels in found.values():
        labels[CONTROL] = probe(features[JUDGED], words.digit, seen, ~seen, STRENGTHS[-1], shuffled)
    return found


def few_labels(words: Words, seen: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which words are labelled, bool [n]: `count` of each digit, of the speakers who are not left out."""
    rng, chosen = np.random.default_rng(seed), np.zeros(len(seen), bool)
    for digit in np.unique(words.digit):
        chosen[rng.permutation(np.flatnonzero(seen & (words.digit == digit)))[:count]] = True
    return chosen


def best_strength(features: np.ndarray, words: Words, seen: np.ndarray) -> float:
    """The strength by which speakers in `seen` are best named by the others of them; the first if there is one only."""
    speakers = np.unique(words.speaker[seen])
    if len(speakers) < 2:
        return STRENGTHS[0]

    def named(strength: float) -> float:
        each = [words.speaker == one for one in speakers]
        return float(np.mean([probe(features, words.digit, seen & ~out, out, strength) for out in each]))

    return max(STRENGTHS, key=named)


def cepstra(part: Tensor) -> Tensor:
    """Log-mel bands [B, BANDS, COLUMNS] -> the first cosine coefficients of each segment, [B, CEPSTRA * SEGMENTS]."""
    wave = torch.arange(BANDS).add(0.5) * torch.pi / BANDS
    coefficients = torch.cos(torch.arange(CEPSTRA)[:, None] * wave).to(part)
    return F.adaptive_avg_pool1d(coefficients @ part, SEGMENTS).flatten(1)


def segments(part: Tensor) -> Tensor:
    """[B, BANDS, COLUMNS] -> [B, BANDS * SEGMENTS]."""
    return F.adaptive_avg_pool2d(part, (BANDS, SEGMENTS)).flatten(1)


def over_voices(encoder: Callable[[Tensor], Tensor], spoken: Tensor, others: Tensor) -> np.ndarray:
    """Features of all words, the mean over the spoken voice and all others: float32 [n, width]."""
    return np.mean([embed_words(encoder, voice.float()) for voice in (spoken, *others.unbind(1))], axis=0)


@torch.no_grad()
def embed_words(encoder: Callable[[Tensor], Tensor], spoken: Tensor) -> np.ndarray:
    """Features of all words, float32 [n, width]."""
    return torch.cat([encoder(part) for part in spoken.split(PASS)]).numpy()


def probe(
    features: np.ndarray,
    digit: np.ndarray,
    known: np.ndarray,
    asked: np.ndarray,
    strength: float,
    taught: np.ndarray | None = None,
) -> float:
    """Accuracy on the words `asked` of a logistic regression fitted on the words `known`, bool [n], and their labels.

    Args:
        features: [n, width].
        digit: [n], true labels.
        known, asked: bool [n].
        strength: inverse penalty.
        taught: labels to fit on instead of the true ones.
    """
    labels = digit if taught is None else taught
    scaler = StandardScaler().fit(features[known])
    classifier = LogisticRegression(C=strength, max_iter=200).fit(scaler.transform(features[known]), labels[known])
    return float(classifier.score(scaler.transform(features[asked]), digit[asked]))
