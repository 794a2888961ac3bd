"""Retrieval between senses: which sound belongs to these pictures, and which pictures belong to this sound?

Windows come from test recordings, are as long as those that fusion was trained on, and are audible: the loudest frame
reaches -34 dB of full scale (a root mean square of 0.02, twice the playroom's loudest background). Each query is
matched with candidates from different recordings, one of them the true partner, by the scalar product of the aligned
embeddings.
Ties count as half better and half worse, so a network that answers the same to everything scores chance.
Baselines: chance; three untrained fusion networks on the same encoders; the same network scored against a wrong pair;
the correlation over the window of loudness and change of motion, for which nothing is learned; and that of onsets and
what a ridge regression, fitted on training recordings, expects of them from what changes in seven frames: the mean of
each channel in 8 x 8 cells, with its sign, and the motion there.
Ceiling: a perfect matcher, which errs only where candidates are identical bit for bit. Reference, where the source has
labels: a matcher that knows which classes (in the playroom: materials) are heard in each window. It uses the truth of
both windows, so it is no baseline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.motion_and_sound import (
    OnsetReadout,
    agreement,
    change_of_energy,
    changes,
    loudness,
    motion,
    onsets,
)
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import ROWS, Bench, WindowPool
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import mean, median
from sensorium.evaluation.statistics import measure
from sensorium.perception.config import FusionConfig, RetrievalConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.matching import audible, draw_candidates, hit, ranks
from sensorium.perception.evaluation.world_readout import FUSED, cut, embed_split
from sensorium.perception.fusion import Fusion
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 4
EVALUATION = Evaluation(__name__, RetrievalConfig, inputs=FUSED, control="fusion")
main = EVALUATION.main

DEPTHS = (1, 5, 10)
FITTED = 300  # training recordings that suffice for the readout of onsets


@dataclass(frozen=True)
class Similarities:
    """Similarities of sight and sound of all pairs of windows, float [n, n]: rows are queries, columns candidates.

    Attributes:
        judged: those of the judged fusion.
        others: those of untrained fusions, and of motion and sound, by name.
        equal: 1 where two candidates are equal bit for bit.
        classes: similarity of the classes heard in both; None where there are no labels.
    """

    judged: np.ndarray
    others: Mapping[str, np.ndarray]
    equal: np.ndarray
    classes: np.ndarray | None


def judge(bench: Bench, config: RetrievalConfig) -> Result:
    """Recall and median rank of retrieval, both ways."""
    recordings = bench.parts.recordings()
    frames = bench.parts.section("fusion", FusionConfig).frames
    pool = WindowPool(recordings, "test", ("video", "audio"), frames)
    rng = np.random.default_rng(stable_seed(config.seed, "retrieval"))
    queries = pool.draw(audible(pool), config.queries, rng)
    sample = pool.rows(queries)
    candidates = draw_candidates(sample.groups, config.candidates, rng)

    encoders = bench.parts.load(VisionEncoder), bench.parts.load(AudioEncoder)
    embedded = embed_split(bench, recordings, "test", *encoders)
    seen, heard = (cut(embedded, sense, sample, frames) for sense in ("vision", "audio"))

    def similarity(seed: int | None) -> np.ndarray:
        fusion = bench.parts.load(Fusion, seed)
        return bench.map(fusion.image_embedding, seen) @ bench.map(fusion.sound_embedding, heard).T

    scores, others = similarity(bench.untrained_seed), bench.untrained(similarity)
    classes = heard_classes(pool, queries, rng)
    expected = onset_readout(recordings)
    others |= by_motion(sample, expected)
    flipped = {name: matrix.T for name, matrix in others.items()}
    directions = {
        "image_to_sound": Similarities(scores, others, same(sample["audio"]), classes),
        "sound_to_image": Similarities(scores.T, flipped, same(sample["video"]), classes),
    }
    metrics = {
        name: record
        for direction, similarities in directions.items()
        for name, record in direction_metrics(
            direction, similarities, candidates, sample, expected.fitted_on, config.seed
        ).items()
    }
    count = candidates.shape[1]
    notes: dict[str, Any] = {"candidates": count, "frames": frames, "audible_windows": len(queries)}
    notes["times_chance"] = times_chance(metrics, count)
    sounds, rate = list(to_sounds(torch.from_numpy(sample["audio"])).numpy()), int(recordings.details["sample_rate"])
    videos = list(sample["video"])
    return Result(metrics, lambda path: figures.retrieval(path, videos, sounds, rate, scores, candidates), notes)


def times_chance(metrics: dict[str, dict[str, Any]], candidates: int) -> dict[str, list[float]]:
    """R@1 and its interval in units of chance, 1 / candidates."""
    keys = ("value", "low", "high")
    return {
        name: [record[key] * candidates for key in keys] for name, record in metrics.items() if name.endswith("_r1")
    }


def direction_metrics(
    direction: str,
    similarities: Similarities,
    candidates: np.ndarray,
    sample: Sample,
    fitted_on: Collection[str],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Recall at each of DEPTHS below the number of candidates, and the median rank."""
    count = candidates.shape[1]
    found = ranks(similarities.judged, candidates)
    floors = {name: ranks(matrix, candidates) for name, matrix in similarities.others.items()}
    floors["shuffled pairs"] = ranks(similarities.judged, candidates, partner=1)
    perfect = ranks(similarities.equal, candidates)
    known = {} if similarities.classes is None else {"classes heard": ranks(similarities.classes, candidates)}
    metrics = {
        f"{direction}_r{depth}": measure(
            f"{direction}_r{depth}",
            hit(found, depth),
            sample.names,
            statistic=mean,
            fitted_on=fitted_on,
            baselines={"chance": depth / count} | {key: hit(other, depth) for key, other in floors.items()},
            ceilings={"perfect matcher": hit(perfect, depth)},
            references={key: hit(other, depth) for key, other in known.items()},
            seed=seed,
        )
        for depth in DEPTHS
        if depth < count
    }
    metrics[f"{direction}_median_rank"] = measure(
        f"{direction}_median_rank",
        found,
        sample.names,
        statistic=median,
        fitted_on=fitted_on,
        baselines={"chance": (count + 1) / 2} | floors,
        ceilings={"perfect matcher": perfect},
        references=known,
        higher_is_better=False,
        seed=seed,
    )
    return metrics


def onset_readout(recordings: RecordingSet) -> OnsetReadout:
    """The readout of onsets from films, fitted on training recordings."""
    names = recordings.names("training")[:FITTED]
    known = {}
    for name in track(names, "recordings whose onsets are learned"):
        seen = changes(recordings.field(name, "video")[None])[0]
        known[name] = (seen, onsets(per_frame(recordings.field(name, "audio")[None], len(seen)))[0])
    return OnsetReadout(known)


def by_motion(sample: Sample, expected: OnsetReadout) -> dict[str, np.ndarray]:
    """Similarities [n, n] of what moves in each window and what sounds in each, by name."""
    films = np.array_split(sample["video"], len(sample) // ROWS + 1)
    moved = np.concatenate([change_of_energy(motion(film)) for film in films])
    read = np.concatenate([expected(changes(film)) for film in films])
    sounds = per_frame(sample["audio"], moved.shape[1])
    return {
        "loudness and change of motion": agreement(moved, loudness(sounds)),
        "onsets and a ridge from motion": agreement(read, onsets(sounds)),
    }


def per_frame(audio: np.ndarray, frames: int) -> np.ndarray:
    """Samples int16 [n, S] -> sounds float32 [n, frames, S / frames]."""
    return to_sounds(torch.from_numpy(np.array(audio))).reshape(len(audio), frames, -1).numpy()


def same(values: np.ndarray) -> np.ndarray:
    """Which pairs of values [n, ...] are equal bit for bit, float [n, n]."""
    _, number = np.unique([hash(value.tobytes()) for value in values], return_inverse=True)
    return (number[:, None] == number[None, :]).astype(float)


def heard_classes(pool: WindowPool, queries: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Similarity of windows by the classes heard in them, float [n, n]; None where the source has no classes.

    It is the share of classes that two windows have in common (Jaccard's index). Ties are broken by chance, because
    many windows hold the same classes and a middle rank would never be the first.
    """
    if not pool.recordings.has("truth.audio_label"):
        return None
    frames = range(pool.frames)
    labels = np.stack([pool.values("truth.audio_label", frame)[queries] for frame in frames], 1)
    present = (labels[:, :, None] == np.arange(labels.max() + 1)).any(1).astype(float)
    common = present @ present.T
    either = present.sum(1)[:, None] + present.sum(1) - common
    return np.where(either > 0, common / np.maximum(either, 1), 1.0) + 1e-6 * rng.random(common.shape)
