"""Labelled windows, and the accuracy of a few labels on embeddings of the windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.evaluation.baselines.features import scaled
from sensorium.evaluation.harness import WindowPool, require
from sensorium.evaluation.readout import nearest
from sensorium.perception.config import ProbeConfig
from sensorium.progress import track
from sensorium.randomness import stable_seed

BEFORE = 1  # frames of sound heard before the labelled one: an impact starts within its frame


@dataclass(frozen=True)
class LabelledWindows:
    """Labelled windows of one sense: windows `train` and `test` of two pools, with the labels of all windows."""

    pools: tuple[WindowPool, WindowPool]
    labels: tuple[np.ndarray, np.ndarray]
    picked: tuple[np.ndarray, np.ndarray]
    classes: list[str]

    @property
    def picked_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the picked windows."""
        return self.labels[0][self.picked[0]], self.labels[1][self.picked[1]]

    @property
    def groups(self) -> tuple[list[str], list[str]]:
        """Recordings of the picked windows."""
        known, judged = (pool.recording[rows].tolist() for pool, rows in zip(self.pools, self.picked, strict=True))
        return known, judged


def labelled_windows(recordings: RecordingSet, sense: str, frames: int, config: ProbeConfig) -> LabelledWindows:
    """Labelled windows of training and of test recordings."""
    field = f"truth.{sense}_label"
    labels_of = recordings.details.get("labels") or {}
    if sense not in labels_of:
        raise ArtifactError(
            f"{recordings.manifest}: no labels for {sense}; probes need a source that has them (playroom)"
        )
    require(recordings, field, "collect the data again")
    data_field = "video" if sense == "vision" else "audio"
    offset = 0 if sense == "vision" else BEFORE
    rng = np.random.default_rng(stable_seed(config.seed, "probe", sense))
    train = WindowPool(recordings, "training", (data_field,), frames)
    test = WindowPool(recordings, "test", (data_field,), frames)
    labels = train.values(field, offset), test.values(field, offset)
    known = np.intersect1d(labels[0][labels[0] >= 0], labels[1][labels[1] >= 0])
    if len(known) < 2:
        raise ArtifactError(
            f"{recordings.manifest}: {len(known)} classes of {field} occur in both training and test recordings, "
            "a probe needs 2; raise data.recordings"
        )
    picked = tuple(
        pool.draw(np.isin(values, known), config.samples, rng)
        for pool, values in zip((train, test), labels, strict=True)
    )
    return LabelledWindows((train, test), labels, (picked[0], picked[1]), labels_of[sense]["classes"])


def pooled_embedding(sense: str, encoder: nn.Module) -> Callable[[dict[str, Tensor]], Tensor]:
    """From a batch to one embedding a window, [B, dim]; a sound's is the mean over its frames."""
    if sense == "vision":
        return lambda batch: encoder(to_images(batch["video"][:, 0]))
    return lambda batch: encoder(to_sounds(batch["audio"])).mean(1)


def linear_right(
    train: np.ndarray,
    test: np.ndarray,
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    config: ProbeConfig,
    *,
    each: bool = True,
) -> np.ndarray:
    """Share of the draws of labelled examples whose logistic regression classifies each test row correctly, [n].

    There are few labels: with thousands of them random features of simple data are nearly as good.
    """
    train, test = scaled(train, test, each=each)
    right = np.zeros(len(test))
    for support in supports(train_labels, config.labels, config, "linear probe"):
        rows = np.concatenate(support)
        reader = LogisticRegression(C=0.1, max_iter=300).fit(train[rows], train_labels[rows])
        right += reader.predict(test) == test_labels
    return right / config.trials


def supports(labels: np.ndarray, size: int, config: ProbeConfig, purpose: str) -> Iterator[list[np.ndarray]]:
    """Draws of up to `size` examples of every class, the same draws for every network."""
    rng = np.random.default_rng(stable_seed(config.seed, purpose))
    for _ in track(range(config.trials), f"draws of the {purpose}"):
        yield [rng.permutation(np.flatnonzero(labels == label))[:size] for label in np.unique(labels)]


def few_shot_right(
    train: np.ndarray,
    test: np.ndarray,
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    config: ProbeConfig,
    *,
    each: bool = True,
) -> np.ndarray:
    """Share of the draws of support examples in which each test row lies nearest to its own class's mean, [n]."""
    train, test = scaled(train, test, each=each)
    classes = np.unique(train_labels)
    right = np.zeros(len(test))
    for support in supports(train_labels, config.shots, config, "few shot"):
        means = np.stack([train[rows].mean(0) for rows in support])
        right += classes[nearest(test, means)] == test_labels
    return right / config.trials
