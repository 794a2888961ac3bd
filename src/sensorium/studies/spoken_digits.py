"""Spoken digits of a speaker that neither the encoder nor the probe was trained on.

The encoder is trained on the other speakers by contrast, without labels of what is said: two views of a word against
all other words. A view is the word in another voice (the vocoder shifts pitch and formants independently), with another
pace and microphone. After some steps the partner of a word is mostly one of its nearest words by another speaker
(Dwibedi et al. 2021, "With a little help from my friends", use the nearest of all samples). So the only label that
training uses is the speaker of a word. The features of a word are the mean over its original and its other voices, for
the encoder and for all baselines. A logistic regression on them is fitted on the same speakers and tested on the one
left out. Each repetition leaves out another speaker.
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
from sensorium.progress import track
from sensorium.randomness import Draw, stable_seed
from sensorium.studies.config import SpokenDigitsConfig, WordAugmentation
from sensorium.studies.findings import Cell, Findings, Table, over_seeds
from sensorium.studies.fit import fit
from sensorium.studies.spoken_words import BANDS, COLUMNS, Words, augment_patches, patches, read_words, voices
from sensorium.studies.word_encoder import WordEncoder
from sensorium.training.learner import Batch

REVISION = 2
SEGMENTS = 8  # columns of the patch in the baselines without an encoder
PASS = 256  # words a pass
MEET_EVERY = 20  # steps between two searches for neighbours


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
    rows: list[dict[str, Cell]] = []
    scores = []
    for seed in track(config.all_seeds(), "seeds"):
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
    """Patches of all words in their original and in other voices, the same in all repetitions."""
    words = read_words(Path(archive))
    return patches(words.sounds, words.rate), voices(words, augmentation, stable_seed("voices"))


def judge(config: SpokenDigitsConfig, words: Words, left_out: int, seed: int) -> dict[str, float]:
    """Accuracy on one speaker: of the encoder, of its baselines, and of a probe with shuffled labels."""
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
    alone = embed_words(learner.encoder, spoken)
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
    return np.mean([embed_words(encoder, voice.float()) for voice in (spoken, *others.unbind(1))], axis=0)


@torch.no_grad()
def embed_words(encoder: Callable[[Tensor], Tensor], spoken: Tensor) -> np.ndarray:
    """Features of all words, float32 [n, width]."""
    return torch.cat([encoder(part) for part in spoken.split(PASS)]).numpy()


def probe(features: np.ndarray, digit: np.ndarray, seen: np.ndarray, taught: np.ndarray | None = None) -> float:
    """Accuracy on the words not in `seen` of a logistic regression fitted on those in it, with labels `taught`."""
    labels = digit if taught is None else taught
    scaler = StandardScaler().fit(features[seen])
    classifier = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(features[seen]), labels[seen])
    return float(classifier.score(scaler.transform(features[~seen]), digit[~seen]))
