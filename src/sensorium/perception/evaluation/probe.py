"""Linear and few-shot probes: what a frozen encoder makes easy to read.

The networks see labelled windows and are not changed. A logistic regression, or the nearest class mean of a few
examples a class, is fitted on training recordings and judged on test recordings, by the mean accuracy over
classes (equal to plain accuracy where classes are equally frequent; chance is 1 / classes for any constant answer).
Floors: the most frequent class, and three untrained networks of the same architecture.
Ceiling: the same architecture trained with the labels; what the labels and this size of network allow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sensorium.artifacts import read_json
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.evaluation import figures
from sensorium.evaluation.harness import (
    FLOOR_SEEDS,
    Bench,
    arguments,
)
from sensorium.evaluation.scores import balanced_accuracy
from sensorium.evaluation.statistics import measure, write_result
from sensorium.models.load import load
from sensorium.perception.config import ProbeConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.labelled import (
    LabelledWindows,
    few_shot_right,
    labelled_windows,
    linear_right,
    pooled_embedding,
)
from sensorium.randomness import sample_indices, stable_seed

REVISION = 1
SUPERVISED_BATCH, SUPERVISED_RATE = 64, 2e-3


def main(argv: list[str]) -> None:
    """Run `sensorium probe`."""
    parser = arguments("probe", __doc__, ("data", "encoder"), "the encoder")
    parser.add_argument("sense", choices=("vision", "audio"), help="which encoder")
    args = parser.parse_args(argv)
    began, config = time.monotonic(), parse_section(ProbeConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    metrics, classes = probe(args.sense, config, recordings, args.encoder, bench, args.untrained_seed)
    name = f"probe_{args.sense}"
    label = recordings.details["labels"][args.sense]["name"]
    figures.bars(args.figure, metrics, f"Probes of the {args.sense} encoder: {label}", "accuracy")
    inputs = {"labelled": args.data, "encoder": args.encoder}  # a set of its own perhaps, not the world's "data"
    write_result(args.output, name, metrics, inputs, time.monotonic() - began, label=label, classes=classes)


def probe(
    sense: str, config: ProbeConfig, recordings: RecordingSet, manifest: Path, bench: Bench, untrained_seed: int | None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Measure linear_probe and few_shot; returns them and the names of the classes.

    Raises:
        ArtifactError: if the recordings carry no labels for this sense, or too few of them.
    """

    def network(seed: int | None) -> nn.Module:
        if sense == "vision":
            return load(VisionEncoder, manifest, seed).to(bench.device)
        return load(AudioEncoder, manifest, seed).to(bench.device)

    frames = 1 if sense == "vision" else int(read_json(manifest)["config"]["frames"])
    task = labelled_windows(recordings, sense, frames, config)
    groups = task.pools[1].recording[task.picked[1]].tolist()

    def features(encoder: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        pooled = pooled_embedding(sense, encoder)
        train, test = (bench.run(pool, picked, pooled) for pool, picked in zip(task.pools, task.picked, strict=True))
        return train, test

    train_labels, test_labels = task.picked_labels
    majority = np.bincount(train_labels).argmax()
    chance = np.stack([test_labels == majority, test_labels], 1).astype(float)
    judged = features(network(untrained_seed))
    untrained = [features(network(seed)) for seed in FLOOR_SEEDS]
    supervised, answers = train_supervised(sense, network(FLOOR_SEEDS[0]), task, config, bench)
    taught = features(supervised)

    metrics = {}
    readers: dict[str, Callable[[tuple[np.ndarray, np.ndarray]], np.ndarray]] = {
        "linear_probe": lambda pair: linear_right(*pair, train_labels, test_labels, config),
        "few_shot": lambda pair: few_shot_right(*pair, train_labels, test_labels, config),
    }
    for name, reader in readers.items():

        def scored(pair: tuple[np.ndarray, np.ndarray], reader: Any = reader) -> np.ndarray:
            return np.stack([reader(pair), test_labels], 1).astype(float)

        floors = {"most frequent class": chance} | {f"untrained {n}": scored(p) for n, p in enumerate(untrained)}
        right = np.stack([answers == test_labels, test_labels], 1).astype(float)
        ceiling = right if name == "linear_probe" else scored(taught)
        metrics[name] = measure(
            name,
            scored(judged),
            groups,
            statistic=balanced_accuracy,
            floors=floors,
            ceilings={"supervised": ceiling},
            seed=config.seed,
        )
    return metrics, task.classes


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
    for step in range(config.supervised_steps):
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
