"""Forgetting: three interfering tasks in sequence, with and without protection of the earlier ones.

The task is to classify the material of an impact in the playroom from 14 bands of its sound at 4 times. Each task
permutes the 56 inputs in its own order (permuted inputs as in Kirkpatrick et al. 2017). One network can learn all three
tasks together, but training on one alone overwrites the others.

Elastic weight consolidation must keep more than plain L2 towards the old weights, which is the same penalty with a
Fisher information of one: only the difference of the two shows that the Fisher information does anything. Each weight
of plain L2 is a baseline of its own, and the strongest is the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor, nn

from sensorium.cognition.consolidation import Consolidation, fisher
from sensorium.config import PlayroomConfig
from sensorium.data.sample_formats import LARGEST_SAMPLE
from sensorium.data.sources.playroom import sound
from sensorium.data.sources.playroom.materials import MATERIALS
from sensorium.data.sources.playroom.physics import run as simulate_motion
from sensorium.data.sources.playroom.scene import draw_scene
from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import ForgettingConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds

REVISION = 2
TASKS = 3
FRAMES = 64
CHANCE = 1 / len(MATERIALS)
Importance = Callable[[nn.Module, Tensor, torch.Generator], dict[str, Tensor]]


def run(config: ForgettingConfig) -> Findings:
    """Every way of learning the same three tasks, over all seeds."""
    ways: dict[str, dict[str, Any]] = {"unprotected": {}, "replay": {"replay": True}, "joint": {"joint": True}}
    ways |= {f"EWC {weight:g}": {"weight": weight} for weight in config.weights}
    plain = {f"plain L2 {weight:g}": {"weight": weight, "importance": one} for weight in config.plain_weights}
    ways |= plain
    ways["EWC without Fisher"] = {"weight": config.weight, "importance": nothing}
    found = {
        name: np.stack([learn(config, seed, **how) for seed in track(config.all_seeds(), "seeds")])
        for name, how in track(ways.items(), "ways to learn")
    }
    final = {name: accuracy[:, -1].mean(1) for name, accuracy in found.items()}

    def kept(name: str) -> dict[str, Any]:
        return measure_over_seeds(
            name,
            final[name],
            baselines={way: final[way] for way in ("unprotected", *plain)},
            ceilings={"joint": final["joint"]},
        )

    stability = np.stack([backward(found[f"EWC {weight:g}"]) for weight in config.weights], axis=1)
    plasticity = np.stack([found[f"EWC {weight:g}"][:, -1, -1] for weight in config.weights], axis=1)
    rows: list[dict[str, Cell]] = [
        {
            "learner": name,
            "mean accuracy at the end": estimate(final[name]),
            "backward transfer": estimate(backward(accuracy)),
            "forward transfer": estimate(forward(accuracy)),
            "last task": estimate(accuracy[:, -1, -1]),
        }
        for name, accuracy in found.items()
    ]
    return Findings(
        metrics={
            "interference": over_seeds("interference", -backward(found["unprotected"]), 0.3, 1.0),
            "ewc_accuracy": kept(f"EWC {config.weight:g}"),
            "replay_accuracy": kept("replay"),
            "more_weight_more_stable": over_seeds("stability", trend(stability), 0.8, 1.0),
            "more_weight_less_plastic": over_seeds("plasticity", -trend(plasticity), 0.8, 1.0),
        },
        controls={"ewc_accuracy_without_fisher": kept("EWC without Fisher")},
        tables=[
            Table("Three tasks in a row (chance 0.25; joint training sees all tasks at once)", rows),
            *(_matrix(name, found[name]) for name in ("unprotected", f"EWC {config.weight:g}", "replay")),
        ],
    )


def backward(accuracy: np.ndarray) -> np.ndarray:
    """Backward transfer, [seeds]: change of earlier tasks from just learned to the end (Lopez-Paz and Ranzato 2017).

    Args:
        accuracy: [seeds, TASKS + 1, TASKS], after how many tasks, and on which.
    """
    learned = np.stack([accuracy[:, task + 1, task] for task in range(TASKS)], axis=1)
    return (accuracy[:, -1] - learned)[:, :-1].mean(1)


def forward(accuracy: np.ndarray) -> np.ndarray:
    """Forward transfer, [seeds]: what earlier tasks bring to a task not yet learned, beyond fresh weights."""
    return np.mean([accuracy[:, task, task] - accuracy[:, 0, task] for task in range(1, TASKS)], axis=0)


def trend(values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row, [seeds, weights], with the growing weights; 0 for a constant row."""
    order = np.arange(values.shape[1])
    return np.array([spearmanr(order, row).statistic if np.ptp(row) > 0 else 0.0 for row in values])


def nothing(network: nn.Module, inputs: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """A Fisher information of zero, which protects nothing: a control."""
    return {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}


def one(network: nn.Module, inputs: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """A Fisher information of one, so that the penalty is plain L2 towards the old weights."""
    return {name: torch.ones_like(parameter) for name, parameter in network.named_parameters()}


def learn(
    config: ForgettingConfig,
    seed: int,
    *,
    weight: float = 0.0,
    replay: bool = False,
    joint: bool = False,
    importance: Importance = fisher,
    shuffle: bool = False,
) -> np.ndarray:
    """Learn the tasks one after the other.

    Args:
        config: of the study.
        seed: of wiring, split, weights and batches.
        weight: of the consolidation; 0: none.
        replay: earlier tasks' samples fill half of each batch.
        joint: all tasks in every batch, from the beginning.
        importance: estimates how much each weight matters.
        shuffle: train on shuffled labels (a control).

    Returns:
        accuracy on held-out sounds, float64 [TASKS + 1, TASKS]: after how many tasks, and on which.
    """
    rng = np.random.default_rng(stable_seed("forgetting", seed))
    generator = torch.Generator().manual_seed(stable_seed("fisher", seed))
    heard, materials = sounds(config.recordings)
    mixed = rng.permutation(len(heard))
    test, training = mixed[: len(mixed) // 3], mixed[len(mixed) // 3 :]
    wirings = [rng.permutation(heard.shape[1]) for _ in range(TASKS)]
    inputs = [torch.from_numpy(heard[:, wiring]) for wiring in wirings]
    labels = torch.from_numpy(materials)
    taught = labels.clone()
    if shuffle:
        taught[training] = taught[training][torch.from_numpy(rng.permutation(len(training)))]
    network, memory = build(heard.shape[1], config.width, generator), Consolidation()
    optimiser = torch.optim.Adam(network.parameters(), lr=config.lr)

    def accuracies() -> list[float]:
        with torch.no_grad():
            return [float((network(x[test]).argmax(-1) == labels[test]).float().mean()) for x in inputs]

    found = [accuracies()]
    for task in range(TASKS):
        for _ in range(config.steps):
            tasks = range(TASKS) if joint else [task]
            picked = [(inputs[number], rng.choice(training, config.batch)) for number in tasks]
            if replay and task:
                picked.append((inputs[int(rng.integers(task))], rng.choice(training, config.batch)))
            predicted = network(torch.cat([values[rows] for values, rows in picked]))
            loss = F.cross_entropy(predicted, torch.cat([taught[rows] for _, rows in picked]))
            if weight:
                loss = loss + weight * memory.penalty(network)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if weight:
            memory.remember(network, importance(network, inputs[task][rng.choice(training, 256)], generator))
        found.append(accuracies())
    return np.array(found, np.float64)


def build(inputs: int, width: int, generator: torch.Generator) -> nn.Module:
    """A classifier of materials with one hidden layer."""
    network = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, len(MATERIALS)))
    with torch.no_grad():
        for parameter in network.parameters():
            scale = (2 / parameter.shape[-1]) ** 0.5 if parameter.ndim == 2 else 0.0
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return network


@lru_cache(maxsize=1)
def sounds(recordings: int) -> tuple[np.ndarray, np.ndarray]:
    """Impacts: log energies in 14 bands at 4 times, standardised float32 [n, 56]; materials int64 [n]."""
    config = PlayroomConfig(seed=0)
    edges = np.unique(np.geomspace(1, 126, 17).astype(int))[:-1]
    features, labels = [], []
    for number in range(recordings):
        scene = draw_scene(config, number)
        motion = simulate_motion(scene, FRAMES)
        loud = sound.Loudness(scene).of(motion.impacts)
        found = sound.labels(scene, motion.impacts, loud, FRAMES)
        heard = sound.Synthesiser(scene).play(motion.impacts, loud, FRAMES)
        frames = heard.reshape(FRAMES, 4, -1)[found >= 0] / LARGEST_SAMPLE
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[-1]), axis=-1))
        features.append(np.log(np.add.reduceat(spectrum, edges, axis=-1) + 1e-3).reshape(len(frames), 4 * len(edges)))
        labels.append(found[found >= 0])
    known = np.concatenate(features)
    return ((known - known.mean(0)) / (known.std(0) + 1e-6)).astype(np.float32), np.concatenate(labels)


def _matrix(name: str, accuracy: np.ndarray) -> Table:
    rows = [
        {"after": f"{after} tasks"}
        | {f"on task {task + 1}": float(accuracy[:, after, task].mean()) for task in range(TASKS)}
        for after in range(TASKS + 1)
    ]
    return Table(f"Accuracy on each task, {name}", rows)
