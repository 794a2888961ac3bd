"""Linear and few-shot probes: what is easy to read out of a frozen encoder.

A logistic regression, or the nearest class mean of a few examples of each class, is
fitted on labelled windows of training recordings and judged on test recordings, by the mean accuracy over classes
(equal to plain accuracy if classes are equally frequent; any constant answer scores 1 / classes).
Baselines: the most frequent class, three untrained networks of the same architecture, and features that nobody had to
learn, classified in the same way: of pictures histograms of oriented gradients, of colours, ten plain numbers and one
of them; of sounds cepstra, statistics of the bands of the log-mel spectrogram, and principal components of it.
Ceiling: the same architecture trained with the labels, which shows what the labels and this size of network allow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sensorium.evaluation import figures
from sensorium.evaluation.baselines.features import Features
from sensorium.evaluation.baselines.sound_features import sound_features
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.scores import balanced_accuracy
from sensorium.evaluation.statistics import measure
from sensorium.perception.config import AudioEncoderConfig, ProbeConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.labelled import (
    LabelledWindows,
    few_shot_right,
    labelled_windows,
    linear_right,
    pooled_embedding,
)
from sensorium.perception.evaluation.plain import picture_features, sound_spectra
from sensorium.progress import track
from sensorium.randomness import sample_indices, stable_seed


def add_sense(parser: argparse.ArgumentParser) -> None:
    """The encoder to probe."""
    parser.add_argument("sense", choices=("vision", "audio"), help="which encoder")


REVISION = 2
EVALUATION = Evaluation(
    __name__,
    ProbeConfig,
    # the labelled set may be the encoder's own, not the world's "data"
    inputs=(Input("data", "data", key="labelled"), Input("encoder", "encoders/{sense}")),
    control="the encoder",
    options=add_sense,
)
main = EVALUATION.main

SUPERVISED_BATCH, SUPERVISED_RATE = 64, 2e-3
CLASSIFIERS = {"linear_probe": linear_right, "few_shot": few_shot_right}


def judge(bench: Bench, config: ProbeConfig) -> Result:
    """Probe one encoder.

    Raises:
        ArtifactError: if the recordings carry no labels for this sense, or too few of them.
    """
    sense, recordings = bench.args.sense, bench.parts.recordings()
    frames = 1 if sense == "vision" else bench.parts.section("encoders/audio", AudioEncoderConfig).frames
    task = labelled_windows(recordings, sense, frames, config)

    def network(seed: int | None) -> nn.Module:
        return bench.parts.load(VisionEncoder, seed) if sense == "vision" else bench.parts.load(AudioEncoder, seed)

    def features(encoder: nn.Module) -> Features:
        pooled = pooled_embedding(sense, encoder)
        known, tested = (bench.run(pool, rows, pooled) for pool, rows in zip(task.pools, task.picked, strict=True))
        return Features(known, tested)

    judged, fresh = features(network(bench.untrained_seed)), bench.untrained(lambda seed: features(network(seed)))
    supervised, answers = train_supervised(sense, network(FLOOR_SEEDS[0]), task, config, bench)
    plain = plain_features(bench, sense, task)
    metrics = probe_metrics(task, judged, fresh | plain, features(supervised), answers, config)
    label = recordings.details["labels"][sense]["name"]
    title = f"Probes of the {sense} encoder: {label}"
    return Result(
        metrics,
        lambda path: figures.bars(path, metrics, title, "accuracy"),
        {"label": label, "classes": task.classes},
        name=f"probe_{sense}",
    )


def probe_metrics(
    task: LabelledWindows,
    judged: Features,
    others: Mapping[str, Features],
    supervised: Features,
    answers: np.ndarray,
    config: ProbeConfig,
) -> dict[str, dict[str, Any]]:
    """`linear_probe` and `few_shot`.

    Args:
        task: the windows.
        judged, others, supervised: features of the judged encoder, of what it is compared with, and of the ceiling.
        answers: of the supervised network to the test windows, int [n].
        config: of the evaluation.
    """
    train_labels, test_labels = task.picked_labels
    known, groups = task.groups

    def sample(right: np.ndarray) -> np.ndarray:
        return np.stack([right, test_labels], 1).astype(float)

    def scored(features: Features, classifier: Callable[..., np.ndarray]) -> np.ndarray:
        rows, tested, each = features
        return sample(classifier(rows, tested, train_labels, test_labels, config, each=each))

    chance = sample(test_labels == np.bincount(train_labels).argmax())
    ceilings = {
        "linear_probe": sample(answers == test_labels),
        "few_shot": scored(supervised, few_shot_right),
    }
    return {
        name: measure(
            name,
            scored(judged, classifier),
            groups,
            statistic=balanced_accuracy,
            fitted_on=known,
            baselines={"most frequent class": chance}
            | {other: scored(features, classifier) for other, features in others.items()},
            ceilings={"supervised": ceilings[name]},
            seed=config.seed,
        )
        for name, classifier in CLASSIFIERS.items()
    }


def plain_features(bench: Bench, sense: str, task: LabelledWindows) -> dict[str, Features]:
    """Features of the windows that nobody had to learn, by name."""
    windows = list(zip(task.pools, task.picked, strict=True))
    if sense == "vision":
        known, judged = (picture_features(bench, *part) for part in windows)
        return {name: Features(known[name], judged[name]) for name in known}
    spectrogram = bench.parts.load(AudioEncoder).spectrogram
    return sound_features(*(sound_spectra(bench, *part, spectrogram) for part in windows))


def train_supervised(
    sense: str, encoder: nn.Module, task: LabelledWindows, config: ProbeConfig, bench: Bench
) -> tuple[nn.Module, np.ndarray]:
    """Train encoder and linear head on every labelled training window; returns the encoder and its test answers."""
    pool, labels = task.pools[0], task.labels[0]
    windows = np.flatnonzero(np.isin(labels, np.unique(task.picked_labels[0])))
    seed = stable_seed(config.seed, "supervised", sense)
    encoder.requires_grad_(True).train()
    pooled = pooled_embedding(sense, encoder)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        width = bench.run(pool, windows[:2], pooled).shape[1]
        head = nn.Linear(width, int(labels.max()) + 1).to(bench.device)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=SUPERVISED_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, SUPERVISED_RATE, total_steps=config.supervised_steps + 1)
    frequency = np.bincount(labels[windows], minlength=int(labels.max()) + 1)
    weight = torch.tensor(len(windows) / np.maximum(frequency, 1) / len(frequency), dtype=torch.float32)
    for step in track(range(config.supervised_steps), "steps of the supervised network"):
        rows = windows[sample_indices(seed, step, SUPERVISED_BATCH, len(windows))]
        batch = {key: value.to(bench.device) for key, value in pool.windows.batch(rows).items()}
        if sense == "vision" and step % 2:  # a mirrored room holds the same bodies
            batch["video"] = batch["video"].flip(3)
        scores = head(pooled(batch))
        target = torch.from_numpy(labels[rows]).to(bench.device)
        loss = F.cross_entropy(scores, target, weight=weight.to(bench.device))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
    encoder.requires_grad_(False).eval()
    known = torch.from_numpy(frequency > 0).to(bench.device)
    answers = bench.run(task.pools[1], task.picked[1], lambda batch: head(pooled(batch)).masked_fill(~known, -1e9))
    return encoder, answers.argmax(1)
