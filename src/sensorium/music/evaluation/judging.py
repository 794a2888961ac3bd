"""How answers to "the drums of A with the harmony of B" are judged: what the evaluations of all models share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sensorium.artifacts import atomic_path
from sensorium.evaluation import figures
from sensorium.evaluation.contract import Output, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.statistics import LeakError, measure
from sensorium.music.config import RATE, CascadeTransferConfig, MusicTransferConfig
from sensorium.music.evaluation import popular_numbers
from sensorium.music.evaluation import transfer_scores as scores
from sensorium.music.evaluation.answers import Answer, Task, by_medians, by_oracle, trivial
from sensorium.music.separation import phase_shares, ratio_shares
from sensorium.music.song_set import OWN, SongSet
from sensorium.progress import track

MODEL, TRUTH = "network", "truth"
ORACLES = ("ideal ratio mask", "phase-sensitive mask")
DRAWN = 3  # pairs in the figure
PLAYED, PAUSE = ("A", "B", TRUTH, MODEL), 0.4  # what is heard of the first pair of a source, and seconds between them
OUTPUTS = (Output("sound", "WAV", "where songs, the right answer and the network's go"),)

TransferConfig = MusicTransferConfig | CascadeTransferConfig
Answers = Callable[[Bench, Task, int], dict[str, Answer]]  # (bench, task, seed) -> every row of the table, by name


def judge_answers(
    bench: Bench,
    config: TransferConfig,
    answers: Answers,
    ceilings: tuple[str, ...],
    unjudged: tuple[str, ...] = (),
) -> Result:
    """Judge the answer that is called `network`.

    Args:
        bench: the parts, with a set of songs.
        config: the section.
        answers: make every row.
        ceilings: rows that are attainable.
        unjudged: rows that are shown and are neither floor nor ceiling.
    """
    songs = SongSet.open(bench.parts.path("music/songs"))
    other = (*ceilings, *unjudged)
    found, sounds = {}, []
    for source in songs.sources():
        found[source], played = judge_source(bench, config, songs, source, answers, ceilings, other)
        sounds += played
    metrics = {
        name if source == OWN else f"{source}_{name}": record
        for source, each in found.items()
        for name, record in each.metrics.items()
    }
    own = found.pop(OWN)
    notes = {**own.notes, "unseen": {source: each.notes for source, each in found.items()}}
    return Result(metrics, own.figure, notes, {"sound": lambda path: write_played(path, sounds)})


def judge_source(
    bench: Bench,
    config: TransferConfig,
    songs: SongSet,
    source: str,
    make: Answers,
    ceilings: Sequence[str],
    no_floors: Sequence[str],
) -> tuple[Result, list[np.ndarray]]:
    """The part of the result that one source of songs gives, and what is heard of its first pair."""
    task = Task.of(songs, config.pairs, config.seconds, source)
    training = songs.names("training") + songs.names("validation")
    refuse_leaks(training, task)
    answers = make(bench, task, config.seed)
    margins = {
        name: margin_samples(answer.sounds, task) for name, answer in track(answers.items(), "answers", len(answers))
    }
    quality = {name: scores.si_sdr(answer.sounds, task.wanted) for name, answer in answers.items()}
    floors = [name for name in quality if name not in (MODEL, *no_floors)]
    groups = [first for first, _ in task.names]
    metrics = transfer_metrics(quality, margins, groups, training, config.seed, floors, ceilings)
    rows = {name: row(answer, task, quality[name], margins[name]) for name, answer in answers.items()}
    shown = {"A": task.songs[:, 0], "B": task.songs[:, 1], TRUTH: task.wanted}
    shown |= {name: answers[name].sounds for name in (MODEL, "median filters", "cross-fade")}
    title = f"The drums of A with the harmony of B: SI-SDR {metrics['si_sdr']['value']:.1f} dB"
    result = Result(
        metrics,
        lambda path: figures.spectrograms(path, {name: each[:DRAWN] for name, each in shown.items()}, RATE, title),
        {"rows": rows, "pairs": [list(pair) for pair in task.names]},
    )
    return result, [shown[name][0] for name in PLAYED]


def write_played(path: Path, sounds: Sequence[np.ndarray]) -> None:
    """Sounds [S] one after the other, with pauses, as a WAV file."""
    pause = np.zeros(round(PAUSE * RATE), np.float32)
    played = np.concatenate([part for sound in sounds for part in (sound, pause)])
    with atomic_path(path) as temporary:
        soundfile.write(temporary, played.clip(-1, 1), RATE, "PCM_16", format="WAV")


def transfer_metrics(
    quality: Mapping[str, np.ndarray],
    margins: Mapping[str, np.ndarray],
    groups: Sequence[str],
    training: Sequence[str],
    seed: int,
    floors: Sequence[str],
    ceilings: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Records of the four metrics.

    Args:
        quality: ratio of each answer, [n].
        margins: of each answer, as `margin_samples` gives them.
        groups: song A of each pair.
        training: songs that anything was fitted on.
        seed: of the bootstrap.
        floors, ceilings: names of answers.
    """

    def metric(name: str, samples: Mapping[str, np.ndarray], part: slice, **more: Any) -> dict[str, Any]:
        return measure(
            name,
            samples[MODEL][..., part],
            groups,
            fitted_on=training,
            baselines={other: samples[other][..., part] for other in floors},
            ceilings={other: samples[other][..., part] for other in ceilings},
            seed=seed,
            **more,
        )

    ratios = {name: each[:, None] for name, each in quality.items()}
    return {
        "si_sdr": metric("si_sdr", ratios, slice(None), statistic=flat_mean),
        "transfer": metric("transfer", margins, slice(0, 4), statistic=scores.transfer),
        "rhythm": metric("rhythm", margins, slice(0, 2), statistic=scores.share_of_truth),
        "harmony": metric("harmony", margins, slice(2, 4), statistic=scores.share_of_truth),
    }


def refuse_leaks(training: list[str], task: Task) -> None:
    """Refuse songs B that were trained on; those of A are the recordings that intervals resample.

    Raises:
        LeakError: naming one.
    """
    if leaked := sorted({second for _, second in task.names} & set(training)):
        raise LeakError(f"music: {leaked[0]} is judged, and was trained on")


def compared_with(task: Task, seed: int) -> dict[str, Answer]:
    """The rows that need no network."""
    return {
        "median filters": by_medians(task.songs),
        **trivial(task, seed),
        ORACLES[0]: by_oracle(task, ratio_shares),
        ORACLES[1]: by_oracle(task, phase_shares),
        TRUTH: Answer(task.wanted),
    }


def margin_samples(sounds: np.ndarray, task: Task) -> np.ndarray:
    """Margins of rhythm and of harmony, each beside the truth's: [n, 4]."""
    found = []
    for margin in (scores.rhythm_margin, scores.harmony_margin):
        found += [margin(sounds, task.stems), margin(task.wanted, task.stems)]
    return np.stack(found, 1)


def flat_mean(samples: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean of [n, 1]."""
    return float(weights @ samples[:, 0] / weights.sum())


def row(answer: Answer, task: Task, quality: np.ndarray, margins: np.ndarray) -> dict[str, Any]:
    """All numbers of an answer."""
    every = np.ones(len(quality))
    return {
        "si_sdr": float(quality.mean()),
        "transfer": scores.transfer(margins, every),
        "rhythm": scores.share_of_truth(margins[:, :2], every),
        "harmony": scores.share_of_truth(margins[:, 2:], every),
        "stem_gains": scores.stem_gains(answer.sounds, task.stems).mean(0).tolist(),
        "copy": float(scores.copy(answer.sounds, task.songs).mean()),
        "spectral_distance": float(scores.resolution_distance(answer.sounds, task.wanted).mean()),
        "mel_db": float(scores.mel_distance(answer.sounds, task.wanted).mean()),
        "popular": {**popular_numbers.of_outputs(answer.sounds, task.songs), **answer.masks},
    }
