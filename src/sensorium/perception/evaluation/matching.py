"""Matching windows with candidates from other recordings: the queries, their candidates, the rank of the true one.

Layouts: n queries, C candidates of each, the true partner first.
"""

from __future__ import annotations

import numpy as np
import torch

from sensorium.artifacts import ArtifactError
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation.harness import WindowPool

AUDIBLE = 0.02  # root mean square of the loudest frame, full scale 1
FEWEST = 2


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
    """Candidates of each query, the true partner first, all of different recordings: int64 [n, count].

    With fewer recordings than `count`, there is one candidate from each recording.

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


def ranks(scores: np.ndarray, candidates: np.ndarray, partner: int = 0) -> np.ndarray:
    """Rank of the candidate in column `partner` by scores [n, n]; ties share their middle rank. float [n]."""
    offered = np.take_along_axis(scores, candidates, 1)
    own = offered[:, [partner]]
    return 1 + (offered > own).sum(1) + 0.5 * ((offered == own).sum(1) - 1)


def hit(rank: np.ndarray, depth: int) -> np.ndarray:
    """Whether each rank is among the first `depth`, float [n]."""
    return (rank <= depth).astype(float)
