"""Numbers that are popular in music, and what they say: the cascade of earlier work with its own objective.

Its objective asks for an output near both songs at once, whose envelope follows neither, with masks that are balanced.
The study trains the same small cascade with it and with the right answer, drums_A + harmony_B, from the same weights on
the same songs, and judges both all along on songs that neither heard. `preference` is the gain of the stems that are
wanted minus that of the others: 0 for a cross-fade, 1 for the answer. `fade` is the share of an output's power that the
best constant gains of A and of B explain: 1 for a cross-fade, 0 for noise. The controls are the metrics of its own
objective: if it found the answer they would pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.evaluation.popular_numbers import of_masks, of_outputs
from sensorium.music.latents import CosineLatents
from sensorium.music.legacy_cascade import LegacyCascade
from sensorium.music.legacy_learner import LegacyCascadeLearner, Objective
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.findings import Cell, Findings, Table, estimate
from sensorium.studies.fit import fit
from sensorium.studies.music_config import MusicNumbersConfig
from sensorium.studies.paired_songs import channel_scales, pairs_of, stems_of, training_pairs

REVISION = 1
OBJECTIVES: tuple[Objective, ...] = ("both songs", "the answer")
FADE = "cross-fade"
OWN = ("anti_modulation_quadratic", "anti_modulation_log", "rms_ratio")


@dataclass(frozen=True)
class Numbers:
    """Of one output.

    Attributes:
        right: si_sdr, transfer, fade, preference, and the mean gains of the stems that are wanted and of the others.
        popular: what was taken for success.
    """

    right: dict[str, float]
    popular: dict[str, float]


@dataclass(frozen=True)
class Learned:
    """With one seed.

    Attributes:
        cross_fade, truth: numbers of the mean of both songs, and of what latents keep of the answer.
        curves: of each objective, along its training.
    """

    cross_fade: Numbers
    truth: Numbers
    curves: dict[Objective, list[Numbers]]


def run(config: MusicNumbersConfig) -> Findings:
    """Both objectives, over all seeds."""
    found = [both_objectives(config, seed) for seed in track(config.all_seeds(), "seeds")]

    def metric(objective: Objective, name: str) -> dict[str, Any]:
        return measure_over_seeds(
            f"{name}, {objective}",
            np.array([each.curves[objective][-1].right[name] for each in found]),
            baselines={FADE: np.array([each.cross_fade.right[name] for each in found])},
            ceilings={"latents of the truth": np.array([each.truth.right[name] for each in found])},
        )

    names = ("preference", "si_sdr", "transfer")
    return Findings(
        metrics={name: metric("the answer", name) for name in names},
        controls={f"both_songs_{name}": metric("both songs", name) for name in names},
        tables=[curve(config, objective, [each.curves[objective] for each in found]) for objective in OBJECTIVES],
    )


def both_objectives(config: MusicNumbersConfig, seed: int) -> Learned:
    """What was found with one seed."""
    stems, latents = stems_of(config.songs, config.tested, seed), CosineLatents()
    training, tested = stems[: config.songs], pairs_of(stems[config.songs :])
    windows = training_pairs(training, config.seconds, seed)
    scale = channel_scales(windows)
    curves = {objective: along_training(config, seed, objective, windows, tested, scale) for objective in OBJECTIVES}
    halves, wanted = np.full((1, 2, 1, 2), 0.5), torch.from_numpy(tested[:, 0] + tested[:, 3])
    return Learned(
        numbers((tested[:, 0::2] + tested[:, 1::2]).mean(1), tested, halves),
        numbers(latents.decode(latents.encode(wanted), wanted.shape[1]).numpy(), tested, halves),
        curves,
    )


def along_training(
    config: MusicNumbersConfig,
    seed: int,
    objective: Objective,
    windows: Tensor,
    tested: np.ndarray,
    scale: list[float],
) -> list[Numbers]:
    """Numbers along the training with an objective."""
    torch.manual_seed(stable_seed(seed, "legacy cascade"))
    learner = LegacyCascadeLearner(LegacyCascade("masking", config.layers, scale), objective)
    training = config.training.model_copy(update={"seed": stable_seed(seed, "legacy") % 2**31})
    at, found = set(judged_at(config)), []

    def before(step: int) -> None:
        if step in at:
            found.append(judged(learner, tested))

    fit(learner, training, {"stems": windows}, before)
    before(training.steps)
    return found


def judged_at(config: MusicNumbersConfig) -> list[int]:
    """Steps before which the training is judged; the last one is its end."""
    return np.linspace(0, config.training.steps, config.points).round().astype(int).tolist()


@torch.no_grad()
def judged(learner: LegacyCascadeLearner, tested: np.ndarray) -> Numbers:
    """Numbers of a cascade on pairs of stems [n, 4, S]."""
    was = learner.training
    mixtures = torch.from_numpy(tested[:, 0::2] + tested[:, 1::2])
    answer = learner.eval().cascade(learner.encode(mixtures))
    learner.train(was)
    sounds = learner.latents.decode(answer.latents, mixtures.shape[-1]).numpy()
    return numbers(sounds, tested, answer.masks.numpy())


def numbers(sounds: np.ndarray, stems: np.ndarray, masks: np.ndarray) -> Numbers:
    """Of outputs [n, S] to the stems [n, 4, S] by masks [n or 1, 2, N, T]."""
    songs, wanted = stems[:, 0::2] + stems[:, 1::2], stems[:, 0] + stems[:, 3]
    gains = scores.stem_gains(sounds, stems).mean(0)
    margins = [
        margin(each, stems) for margin in (scores.rhythm_margin, scores.harmony_margin) for each in (sounds, wanted)
    ]
    right = {
        "si_sdr": float(scores.si_sdr(sounds, wanted).mean()),
        "transfer": scores.transfer(np.stack(margins, 1), np.ones(len(sounds))),
        "fade": fade(sounds, songs),
        "wanted gains": float(gains[[0, 3]].mean()),
        "unwanted gains": float(gains[[1, 2]].mean()),
        "preference": float(gains[[0, 3]].mean() - gains[[1, 2]].mean()),
    }
    return Numbers(right, {**of_outputs(sounds, songs), **of_masks(masks)})


def fade(sounds: np.ndarray, songs: np.ndarray) -> float:
    """Mean share of the power of outputs [n, S] that gains of both songs [n, 2, S] explain."""
    shares = []
    for sound, pair in zip(sounds.astype(np.float64), songs.astype(np.float64), strict=True):
        gains = np.linalg.lstsq(pair.T, sound, rcond=None)[0]
        shares.append(1 - ((sound - gains @ pair) ** 2).sum() / max(1e-12, (sound**2).sum()))
    return float(np.mean(shares))


def curve(config: MusicNumbersConfig, objective: Objective, found: Sequence[Sequence[Numbers]]) -> Table:
    """Numbers of an objective along its training, a row a moment."""
    rows: list[dict[str, Cell]] = []
    for point, step in enumerate(judged_at(config)):
        here = [curve[point] for curve in found]
        row: dict[str, Cell] = {"step": step}
        row |= {name: estimate(np.array([each.right[name] for each in here])) for name in here[0].right}
        popular = ("complementarity", *OWN)
        row |= {name: float(np.mean([each.popular[name] for each in here])) for name in popular}
        rows.append(row)
    return Table(f"Objective: {objective}", rows)
