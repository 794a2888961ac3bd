"""Linear and few-shot probes: what is easy to read out of a frozen encoder.

A logistic regression, or the nearest class mean of a few examples of each class, is
fitted on labelled windows of training recordings and judged on test recordings, by the mean accuracy over classes
(equal to plain accuracy if classes are equally frequent; any constant answer scores 1 / classes).
Floors: the most frequent class, and three untrained networks of the same architecture.
Ceiling: the same architecture trained with the labels, which shows what the labels and this size of network allow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.scores import balanced_accuracy
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.perception.config import AudioEncoderConfig, ProbeConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.labelled import (
    LabelledWindows,
    few_shot_right,
    labelled_windows,
    linear_right,
    pooled_embedding,
)
from sensorium.progress import track
from sensorium.randomness import sample_indices, stable_seed


def add_sense(parser: argparse.ArgumentParser) -> None:
    """The encoder to probe."""
    parser.add_argument("sense", choices=("vision", "audio"), help="which encoder")


REVISION = 1
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

Features = tuple[np.ndarray, np.ndarray]  # embeddings of the training and of the test windows


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
        train, test = (bench.run(pool, picked, pooled) for pool, picked in zip(task.pools, task.picked, strict=True))
        return train, test

    judged, untrained = features(network(bench.untrained_seed)), [features(network(seed)) for seed in FLOOR_SEEDS]
    supervised, answers = train_supervised(sense, network(FLOOR_SEEDS[0]), task, config, bench)
    metrics = probe_metrics(task, judged, untrained, features(supervised), answers, config)
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
    untrained: list[Features],
    supervised: Features,
    answers: np.ndarray,
    config: ProbeConfig,
) -> dict[str, dict[str, Any]]:
    """`linear_probe` and `few_shot`; `answers` are those of the supervised network to the test windows, int [n]."""
    train_labels, test_labels = task.picked_labels
    groups = task.pools[1].recording[task.picked[1]].tolist()

    def sample(right: np.ndarray) -> np.ndarray:
        return np.stack([right, test_labels], 1).astype(float)

    def scored(features: Features, classifier: Callable[..., np.ndarray]) -> np.ndarray:
        return sample(classifier(*features, train_labels, test_labels, config))

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
            fitted_on=NOTHING,
            baselines={"most frequent class": chance}
            | {f"untrained {n}": scored(features, classifier) for n, features in enumerate(untrained)},
            ceilings={"supervised": ceilings[name]},
            seed=config.seed,
        )
        for name, classifier in CLASSIFIERS.items()
    }


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
