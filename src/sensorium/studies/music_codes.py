"""Codes of rhythm and of harmony: what linear probes find in them, and what changes when one of them is exchanged.

A composer is trained on drums_A + harmony_B, of a code of A and a code of B, with two probes that learn along. Then, on
songs that it never heard:

probes  ridge regressions from either code to the onset strength of the song's drums and to the chroma of its harmony:
        R2 on songs other than those that they were fitted on.
swaps   of every pair (A, B) the code of rhythm is exchanged for that of a song C. By how much more the output's onsets
        follow the drums of C than those of A, relative to the answer's own margin, is `rhythm_follows`: 1 if the output
        went along, -1 if it stayed. How much more its chroma follows the harmony of B than that of C, likewise, is
        `harmony_stays`. Then the code of harmony is exchanged, and the same two numbers are the controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.statistics import measure_over_seeds
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.song_codes import CodeComposer, chroma_of, onset_strength
from sensorium.music.song_codes_learner import SongCodesLearner
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.findings import Cell, Findings, Table, estimate
from sensorium.studies.fit import fit
from sensorium.studies.music_config import MusicCodesConfig
from sensorium.studies.paired_songs import channel_scales, pairs_of, stems_of, training_pairs

REVISION = 1
CODES = ("rhythm", "harmony")
RIDGE = 1e-3  # of the probes, in units of the mean power of a code's channels
HEARD = 48  # pairs of training that the probes are fitted on


@dataclass(frozen=True)
class Probed:
    """With one seed.

    Attributes:
        probes: (code, what is probed) -> R2.
        swaps: which code was exchanged -> rhythm_follows, harmony_stays.
        si_sdr: of what was composed, and of the cross-fade.
    """

    probes: dict[tuple[str, str], float]
    swaps: dict[str, dict[str, float]]
    si_sdr: tuple[float, float]


def run(config: MusicCodesConfig) -> Findings:
    """All seeds."""
    found = [probed(config, seed) for seed in track(config.all_seeds(), "seeds")]

    def over(values: list[float], floors: dict[str, list[float]], name: str) -> dict[str, Any]:
        baselines = {key: np.array(each) for key, each in floors.items()}
        return measure_over_seeds(name, np.array(values), baselines=baselines, ceilings={"truth": 1.0})

    def r2(code: str, what: str) -> list[float]:
        return [each.probes[code, what] for each in found]

    def moved(which: str, what: str) -> list[float]:
        return [each.swaps[which][what] for each in found]

    unmoved = {name: {"nothing follows": [0.0] * len(found)} for name in ("rhythm_follows", "harmony_stays")}
    quality: list[dict[str, Cell]] = [
        {"of": name, "SI-SDR, dB": estimate(np.array([each.si_sdr[n] for each in found]))}
        for n, name in enumerate(("composed", "cross-fade"))
    ]
    rows: list[dict[str, Cell]] = [
        {"code": code, **{what: estimate(np.array(r2(code, what))) for what in ("onsets", "chroma")}} for code in CODES
    ]
    swapped: list[dict[str, Cell]] = [
        {"exchanged": code, **{what: estimate(np.array(moved(code, what))) for what in unmoved}} for code in CODES
    ]
    return Findings(
        metrics={
            "onsets_in_rhythm": over(r2("rhythm", "onsets"), {"code of harmony": r2("harmony", "onsets")}, "onsets"),
            "chroma_in_harmony": over(r2("harmony", "chroma"), {"code of rhythm": r2("rhythm", "chroma")}, "chroma"),
            **{name: over(moved("rhythm", name), floors, name) for name, floors in unmoved.items()},
        },
        controls={
            f"harmony_swap_{name}": over(moved("harmony", name), floors, name) for name, floors in unmoved.items()
        },
        tables=[Table("R2 of linear probes", rows), Table("A code exchanged", swapped), Table("Quality", quality)],
    )


def probed(config: MusicCodesConfig, seed: int) -> Probed:
    """Train with one seed, then probe and exchange."""
    stems = stems_of(config.songs, config.tested, seed)
    windows, tested = training_pairs(stems[: config.songs], config.seconds, seed), pairs_of(stems[config.songs :])
    torch.manual_seed(stable_seed(seed, "song codes"))
    learner = SongCodesLearner(CodeComposer(config.dim, channel_scales(windows)), config.supervision)
    training = config.training.model_copy(update={"seed": stable_seed(seed, "codes") % 2**31})
    fit(learner, training, {"stems": windows})
    with torch.no_grad():
        return Probed(*_judged(learner, pairs_of(stems[: 2 * min(HEARD, config.songs // 2)]), tested))


def _judged(learner: SongCodesLearner, heard: np.ndarray, tested: np.ndarray) -> tuple[Any, ...]:
    """Probes fitted on pairs that were heard, and everything on those that were not, float32 [n, 4, S] each."""
    fitted, judged = (_codes_and_truths(learner, torch.from_numpy(stems)) for stems in (heard, tested))
    probes = {
        (code, what): probe_r2(fitted[code], fitted[what], judged[code], judged[what])
        for code in CODES
        for what in ("onsets", "chroma")
    }
    rhythm, harmony = (judged[code].transpose(1, 2) for code in CODES)
    a, b = slice(0, len(tested)), slice(len(tested), None)  # songs A, then songs B

    def sounds(first: Tensor, second: Tensor) -> np.ndarray:
        latents = learner.composer.compose(first, second).latents
        return np.asarray(learner.latents.decode(latents, tested.shape[-1]).numpy())

    other = np.roll(tested, -1, 0)  # C is song A of the next pair
    swaps = {
        "rhythm": swap_scores(sounds(rhythm[a].roll(-1, 0), harmony[b]), tested, other),
        "harmony": swap_scores(sounds(rhythm[a], harmony[a].roll(-1, 0)), tested, other),
    }
    wanted, mean = tested[:, 0] + tested[:, 3], tested.sum(1) / 2
    return probes, swaps, tuple(float(scores.si_sdr(x, wanted).mean()) for x in (sounds(rhythm[a], harmony[b]), mean))


def _codes_and_truths(learner: SongCodesLearner, stems: Tensor) -> dict[str, Tensor]:
    """Of the songs A, then the songs B, of pairs of stems [n, 4, S]: [2 n, T, ...] each."""
    drums, harmony = (torch.cat((stems[:, stem], stems[:, stem + 2])) for stem in (0, 1))
    codes = learner.composer.codes(learner.latents.encode(drums + harmony))
    found = {name: code.transpose(1, 2) for name, code in zip(CODES, codes, strict=True)}
    return found | {"onsets": onset_strength(drums)[..., None], "chroma": chroma_of(harmony).transpose(1, 2)}


def probe_r2(known: Tensor, values: Tensor, others: Tensor, wanted: Tensor) -> float:
    """R2 of a ridge regression fitted on codes [n, T, C] and values [n, T, V], on other codes and values."""
    x, y = (each.double().flatten(0, 1) for each in (known, values))
    middle, mean = x.mean(0), y.mean(0)
    gram = (x - middle).T @ (x - middle)
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(gram + penalty, (x - middle).T @ (y - mean))
    truth = wanted.double().flatten(0, 1)
    left = truth - mean - (others.double().flatten(0, 1) - middle) @ weights
    return float(1 - left.square().sum() / (truth - truth.mean(0)).square().sum())


def swap_scores(sounds: np.ndarray, pairs: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Whether onsets follow song C and chroma stays with song B.

    Args:
        sounds: what was composed, [n, S].
        pairs: stems of A and B, [n, 4, S].
        other: stems of pairs whose song A is C.
    """
    # as transfer_scores wants them: the drums that are right, those that are wrong; harmony wrong, harmony right
    stems = np.stack((other[:, 0], other[:, 1], pairs[:, 0], pairs[:, 3]), 1)
    truth = other[:, 0] + pairs[:, 3]
    margins = {"rhythm_follows": scores.rhythm_margin, "harmony_stays": scores.harmony_margin}
    return {name: float(margin(sounds, stems).sum() / margin(truth, stems).sum()) for name, margin in margins.items()}
