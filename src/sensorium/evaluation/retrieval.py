"""Which sound belongs to these pictures, and which pictures to this sound?

Windows of test recordings as long as fusion was trained on, in which something is heard: the loudest frame reaches
-34 dB of full scale (a root mean square of 0.02, twice the playroom's loudest background). Each query is matched with
candidates from as many different recordings, the true one among them, by the scalar product of the aligned embeddings.
Ties count as half better and half worse, so a network that answers the same to everything scores chance.
Floors: chance, three untrained fusion networks on the same encoders, and the same network scored against a wrong pair.
Ceiling: a perfect matcher, which errs only where candidates are identical bit for bit. Reference, where the source
tells it: one who knows nothing but which classes (in the playroom: materials) are heard in each window.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import ArtifactError, read_json
from sensorium.config import AudioEncoderConfig, FusionConfig, RetrievalConfig, VisionEncoderConfig, parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.harness import (
    FLOOR_SEEDS,
    Bench,
    WindowPool,
    arguments,
    check_pedigree,
    cut,
    embed_split,
    load_judged,
)
from sensorium.evaluation.statistics import Statistic, mean, measure, median, write_result
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.models.fusion import Fusion
from sensorium.randomness import stable_seed

REVISION = 2
DEPTHS = (1, 5, 10)
AUDIBLE = 0.02  # root mean square of the loudest frame, full scale 1
FEWEST = 2


def main(argv: list[str]) -> None:
    """Run `sensorium retrieval`."""
    args = arguments("retrieval", __doc__, ("data", "vision", "audio", "fusion"), "fusion").parse_args(argv)
    began, config = time.monotonic(), parse_section(RetrievalConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    check_pedigree(args.fusion, vision=args.vision, audio=args.audio)
    frames = int(read_json(args.fusion)["config"]["frames"])
    pool = WindowPool(recordings, "test", ("video", "audio"), frames)
    rng = np.random.default_rng(stable_seed(config.seed, "retrieval"))
    queries = pool.draw(audible(pool), config.queries, rng)
    groups = pool.recording[queries]
    candidates = draw_candidates(groups, config.candidates, rng)

    vision = load_judged(VisionEncoder, VisionEncoderConfig, args.vision, "encoder_vision", None, bench)
    audio = load_judged(AudioEncoder, AudioEncoderConfig, args.audio, "encoder_audio", None, bench)
    embedded = embed_split(bench, recordings, "test", vision, audio)
    seen, heard = (cut(embedded, sense, pool, queries) for sense in ("vision", "audio"))

    def similarity(seed: int | None) -> np.ndarray:
        fusion = load_judged(Fusion, FusionConfig, args.fusion, "fusion", seed, bench)
        return bench.map(fusion.image_embedding, seen) @ bench.map(fusion.sound_embedding, heard).T

    scores = similarity(args.untrained_seed)
    untrained = [similarity(seed) for seed in FLOOR_SEEDS]
    raw = [pool.windows.batch(queries[n : n + 1]) for n in range(len(queries))]
    equal = {field: same([row[field].numpy().tobytes() for row in raw]) for field in ("audio", "video")}
    kinds = heard_classes(pool, queries, rng)
    metrics: dict[str, dict[str, Any]] = {}
    for direction, field, turn in (
        ("image_to_sound", "audio", lambda matrix: matrix),
        ("sound_to_image", "video", lambda matrix: matrix.T),
    ):
        metrics |= direction_metrics(
            direction, turn(scores), [turn(matrix) for matrix in untrained], equal[field], kinds, candidates,
            groups.tolist(), config.seed,
        )  # fmt: skip
    figures.retrieval(
        args.figure, [row["video"][0].numpy() for row in raw], [to_sounds(row["audio"][0]).numpy() for row in raw],
        int(recordings.details["sample_rate"]), scores, candidates,
    )  # fmt: skip
    inputs = {name: getattr(args, name) for name in ("data", "vision", "audio", "fusion")}
    times_chance = {
        name: [record[key] * candidates.shape[1] for key in ("value", "low", "high")]
        for name, record in metrics.items()
        if name.endswith("_r1")
    }
    write_result(
        args.output, "retrieval", metrics, inputs, time.monotonic() - began, times_chance=times_chance,
        candidates=candidates.shape[1], frames=frames, audible_windows=len(queries),
    )  # fmt: skip


def audible(pool: WindowPool) -> np.ndarray:
    """Which windows hold a frame loud enough to be heard, bool [n]."""
    samples = int(pool.recordings.details["samples_per_frame"])
    flags = []
    for name in dict.fromkeys(pool.recording.tolist()):
        sound = to_sounds(torch.from_numpy(pool.recordings.field(name, "audio").copy())).reshape(-1, samples).numpy()
        loud = np.sqrt((sound**2).mean(1)) >= AUDIBLE
        flags.append(np.lib.stride_tricks.sliding_window_view(loud, pool.frames).any(1))
    return np.concatenate(flags)


def draw_candidates(groups: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """For each query its candidates, the query's own partner first, all of different recordings: int64 [n, count].

    Where there are fewer recordings than `count`, each serves once.

    Raises:
        ArtifactError: if the audible windows come from fewer than two recordings.
    """
    names = np.unique(groups)
    if len(names) < FEWEST:
        raise ArtifactError(
            f"audible windows come from {len(names)} test recordings: retrieval needs {FEWEST}; raise data.recordings"
        )
    members = {name: np.flatnonzero(groups == name) for name in names}
    rows = []
    for query, name in enumerate(groups):
        others = rng.permutation(names[names != name])[: count - 1]
        rows.append([query, *(rng.choice(members[other]) for other in others)])
    return np.array(rows, dtype=np.int64)


def same(contents: list[bytes]) -> np.ndarray:
    """Which pairs of contents are equal, float [n, n]."""
    _, number = np.unique([hash(content) for content in contents], return_inverse=True)
    return (number[:, None] == number[None, :]).astype(float)


def heard_classes(pool: WindowPool, queries: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """How alike windows are in the classes heard in them, float [n, n]; None where the source does not tell classes.

    The share of classes that two windows have in common (Jaccard's index), with ties broken by chance: many windows
    hold the same classes, and a middle rank would never be the first.
    """
    if not pool.recordings.has("truth.audio_label"):
        return None
    frames = range(pool.frames)
    labels = np.stack([pool.values("truth.audio_label", frame)[queries] for frame in frames], 1)
    present = (labels[:, :, None] == np.arange(labels.max() + 1)).any(1).astype(float)
    common = present @ present.T
    either = present.sum(1)[:, None] + present.sum(1) - common
    return np.where(either > 0, common / np.maximum(either, 1), 1.0) + 1e-6 * rng.random(common.shape)


def ranks(scores: np.ndarray, candidates: np.ndarray, partner: int = 0) -> np.ndarray:
    """Rank of the candidate in column `partner` by scores [n, n]; ties share their middle rank. float [n]."""
    offered = np.take_along_axis(scores, candidates, 1)
    own = offered[:, [partner]]
    return 1 + (offered > own).sum(1) + 0.5 * ((offered == own).sum(1) - 1)


def direction_metrics(
    direction: str,
    scores: np.ndarray,
    untrained: list[np.ndarray],
    equal: np.ndarray,
    kinds: np.ndarray | None,
    candidates: np.ndarray,
    groups: list[str],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Recall at each of DEPTHS below the number of candidates, and the median rank."""
    count = candidates.shape[1]
    found = ranks(scores, candidates)
    floors = {f"untrained {number}": ranks(matrix, candidates) for number, matrix in enumerate(untrained)}
    floors["shuffled pairs"] = ranks(scores, candidates, partner=1)
    perfect = ranks(equal, candidates)
    known = {} if kinds is None else {"classes heard": ranks(kinds, candidates)}
    metrics = {}
    for depth in DEPTHS:
        if depth < count:
            metrics[f"{direction}_r{depth}"] = measure(
                f"{direction}_r{depth}", hit(found, depth), groups, statistic=mean,
                floors={"chance": depth / count} | {key: hit(other, depth) for key, other in floors.items()},
                ceilings={"perfect matcher": hit(perfect, depth)},
                references={key: hit(other, depth) for key, other in known.items()}, seed=seed,
            )  # fmt: skip
    statistic: Statistic = median
    metrics[f"{direction}_median_rank"] = measure(
        f"{direction}_median_rank", found, groups, statistic=statistic, floors={"chance": (count + 1) / 2} | floors,
        ceilings={"perfect matcher": perfect}, references=known, higher_is_better=False, seed=seed,
    )  # fmt: skip
    return metrics


def hit(rank: np.ndarray, depth: int) -> np.ndarray:
    """Whether each rank is among the first `depth`, float [n]."""
    return (rank <= depth).astype(float)
