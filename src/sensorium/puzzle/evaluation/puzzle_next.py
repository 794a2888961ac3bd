"""Whether the next grid of sight can be predicted, in bits, on test recordings.

bits          that an arithmetic coder would take for the next grid, cell by cell, after the last two and the action.
              Floors: shares of the codes; neighbours in the same grid; the code before, with fitted rates of change
              ("as before", counted); the code before with the cells left and above, or with those right and below
              before; both, weighted as in the untrained model; the model with the action of another recording

`ratio` is bits over those of "as before", counted. `changed_bits`: those of the cells whose code changes, for which
whoever expects no change pays most; neighbours alone pay less there and far more elsewhere, so they are no metric.
`stability`: codes that change where no pixel of theirs does.
"""

from __future__ import annotations

import numpy as np
import torch

from sensorium.evaluation import figures
from sensorium.evaluation.contract import DATA, Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import of_other_recordings
from sensorium.evaluation.statistics import measure
from sensorium.puzzle import cell_network
from sensorium.puzzle.config import CODES, PuzzleNextConfig
from sensorium.puzzle.context_coder import TOTAL, ContextCoder
from sensorium.puzzle.context_coder import contexts as around
from sensorium.puzzle.grid_clips import GridClips, draw_clips
from sensorium.puzzle.next_grid import CONTEXTS, NextGrid, contexts, shares
from sensorium.puzzle.sight_map import SightMap
from sensorium.randomness import stable_seed

REVISION = 1
INPUTS = (DATA, Input("sight", "puzzle/sight"), Input("next", "puzzle/next"))
EVALUATION = Evaluation(__name__, PuzzleNextConfig, inputs=INPUTS, control="what is learned beyond counts")
main = EVALUATION.main

AS_BEFORE = "as before, counted"


def judge(bench: Bench, config: PuzzleNextConfig) -> Result:
    """Compare what the next grid takes with what counts take."""
    sight, recordings = bench.parts.load(SightMap), bench.parts.recordings()
    known = draw_clips(recordings, "training", sight, bench.device, config.examples, config.seed)
    seen = draw_clips(recordings, "test", sight, bench.device, config.clips, config.seed)
    model, fresh = bench.parts.load(NextGrid, bench.untrained_seed), bench.parts.load(NextGrid, 0)
    taken = by_model(bench, model, seen, seen.action)
    others = simple(known, seen) | {"both, weighted": by_model(bench, fresh, seen, seen.action)}
    if seen.action is not None:
        other = of_other_recordings(seen.groups, np.random.default_rng(stable_seed(config.seed, "another")))
        others["action of another"] = by_model(bench, model, seen, seen.action[other])
    changed = seen.grids[:, -1] != seen.grids[:, -2]

    metric = measure(
        "bits",
        taken.sum((1, 2)),
        seen.groups.tolist(),
        fitted_on=known.groups.tolist(),
        baselines={key: cells.sum((1, 2)) for key, cells in others.items()},
        ceilings={"no bits": 0.0},
        higher_is_better=False,
        seed=config.seed,
    )
    metrics = {"bits": metric}
    notes = {
        "changed_bits": {
            key: float((cells * changed).sum((1, 2)).mean()) for key, cells in {"model": taken, **others}.items()
        },
        "ratio": float(taken.sum() / others[AS_BEFORE].sum()),
        "stability": {
            "changed_where_still": float(changed[seen.still].mean()) if seen.still.any() else 0.0,
            "changed": float(changed.mean()),
        },
        "clips": len(seen),
    }
    return Result(metrics, lambda path: figures.bars(path, metrics, "The next grid of sight", "bits"), notes)


def by_model(bench: Bench, model: NextGrid, seen: GridClips, action: np.ndarray | None) -> np.ndarray:
    """Bits of each cell of the next grid, [n, SIDE, SIDE]."""

    def bits(grids: torch.Tensor, acted: torch.Tensor | None = None) -> torch.Tensor:
        codes = grids.long()
        return cell_network.bits(model(codes, acted), codes[:, -1])

    return bench.map(bits, seen.grids, action)


def simple(known: GridClips, seen: GridClips) -> dict[str, np.ndarray]:
    """The same by counts of training clips."""
    following, wanted = known.grids[:, -1], seen.grids[:, -1]
    share = np.bincount(following.ravel(), minlength=CODES) + 1.0
    sizes = np.diff(ContextCoder(following).ends, axis=1)[around(wanted), wanted]
    before = [part.grids[:, -2].astype(np.int64) for part in (known, seen)]
    found = {
        "shares of the codes": -np.log2(share / share.sum())[wanted],
        "neighbours": np.log2(TOTAL) - np.log2(sizes),
        AS_BEFORE: -np.log2(shares(before[0], following, CODES, CODES))[before[1], wanted],
    }
    contexts_of = [contexts(torch.from_numpy(part.grids.astype(np.int64))) for part in (known, seen)]
    for name, counted, judged in zip(("before, left and above", "before, right and below"), *contexts_of, strict=True):
        found[name] = -np.log2(shares(counted.numpy(), following, CODES, CONTEXTS))[judged.numpy(), wanted]
    return found
