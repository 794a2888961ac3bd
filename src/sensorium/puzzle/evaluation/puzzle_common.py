"""What each sense tells of the others: bits of a grid when the other two of its moment are shown, on test recordings.

Moments are seconds of the playroom: a grid of the sound, one of the picture at its end, and one of a sentence from the
simulator's truth (`sentences`). Bits are those that an arithmetic coder would take cell by cell, so nothing is counted
twice; a text's header is no content.

bits_SENSE    with both others shown. Floors: shares of the codes, counts by neighbours, those and counts by place as a
              logistic regression weights them, all of that with the other senses in clusters or linearly
              (`other_senses`); the model itself shown nothing, or the grids of another recording; the untrained model
saved_SENSE   bits that the model saves by being shown the others. Floors: the same with grids of another recording;
              what clusters and the logistic regression save. Ceiling: all bits

The counts of the model are those of its training, and the logistic regression is fitted to `examples` of its moments,
and
shrunk towards the counts by what takes the fewest bits of as many moments of validation recordings as are judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.evaluation import figures
from sensorium.evaluation.contract import DATA, Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import of_other_recordings
from sensorium.evaluation.statistics import measure
from sensorium.puzzle.common_space import CommonSpace
from sensorium.puzzle.config import PuzzleCommonConfig
from sensorium.puzzle.evaluation import other_senses
from sensorium.puzzle.moments import SENSES, Moments
from sensorium.puzzle.train_puzzle_joint import three_codes
from sensorium.randomness import stable_seed

REVISION = 2  # 2: the logistic regression is shrunk on validation recordings
INPUTS = (
    DATA,
    Input("sound", "puzzle/sound"),
    Input("sight", "puzzle/sight"),
    Input("text", "puzzle/text"),
    Input("joint", "puzzle/joint"),
)
EVALUATION = Evaluation(__name__, PuzzleCommonConfig, inputs=INPUTS, control="what is learned beyond counts")
main = EVALUATION.main

SAID = 5  # sentences that the result quotes


def judge(bench: Bench, config: PuzzleCommonConfig) -> Result:
    """Compare what each grid takes with and without the other two, and what simple means save."""
    codes, recordings = three_codes(bench.parts), bench.parts.recordings()
    known = codes.moments(recordings, "training", config.examples, config.seed)
    held = codes.moments(recordings, "validation", config.moments, config.seed)
    seen = codes.moments(recordings, "test", config.moments, config.seed)
    model, fresh = bench.parts.load(CommonSpace, bench.untrained_seed), bench.parts.load(CommonSpace, 0)
    metrics: dict[str, dict[str, Any]] = {}
    table: dict[str, dict[str, float]] = {}
    for sense, name in enumerate(SENSES):
        taken = taken_by_model(bench, model, seen, sense, config.seed)
        plain = taken_by_others(model, (known, held, seen), sense, config.seed)
        plain |= {"untrained model": taken_by_model(bench, fresh, seen, sense, config.seed)["both"]}
        table[name] = {key: float(values.mean()) for key, values in {**taken, **plain}.items()}
        shown = taken["both"]
        asked: dict[str, Any] = {
            "groups": seen.groups.tolist(),
            "fitted_on": [*known.groups.tolist(), *held.groups.tolist()],
            "seed": config.seed,
        }
        metrics[f"bits_{name}"] = measure(
            f"bits_{name}",
            shown,
            **asked,
            baselines=plain | {"model that is shown nothing": taken["none"], "shown another's": taken["shuffled"]},
            ceilings={"no bits": 0.0},
            higher_is_better=False,
        )
        metrics[f"saved_{name}"] = measure(
            f"saved_{name}",
            taken["none"] - shown,
            **asked,
            baselines={
                "shown another's": taken["none"] - taken["shuffled"],
                "in clusters": plain["by neighbours"] - plain["by neighbours, in clusters"],
                "logistic": plain["counts, weighted"] - plain["logistic"],
            },
            ceilings={"all bits": taken["none"]},
            references={f"{other} alone": taken["none"] - taken[other] for other in SENSES if other in taken},
        )
    notes = {"bits": table, "said": seen.said[:SAID], "moments": len(seen)}
    saved = {name: metric for name, metric in metrics.items() if name.startswith("saved_")}
    return Result(
        metrics, lambda path: figures.bars(path, saved, "Saved when the other senses are shown", "bits"), notes
    )


def taken_by_model(bench: Bench, model: CommonSpace, seen: Moments, sense: int, seed: int) -> dict[str, np.ndarray]:
    """Bits of a grid [n], by what is shown: "none", either other sense, "both", or both of another recording."""
    other = of_other_recordings(seen.groups, np.random.default_rng(stable_seed(seed, "another")))
    wrong = seen.grids[other].copy()
    wrong[:, sense] = seen.grids[:, sense]

    def bits(grids: np.ndarray, shown: tuple[str, ...]) -> np.ndarray:
        which = torch.tensor([name in shown for name in SENSES])
        return bench.map(
            lambda rows: model.bits(rows.long(), which.expand(len(rows), -1).to(rows.device), sense), grids
        )

    others = tuple(name for name in SENSES if name != SENSES[sense])
    found = {name: bits(seen.grids, (name,)) for name in others}
    both = {"both": bits(seen.grids, others), "shuffled": bits(wrong, others)}
    return {"none": bits(seen.grids, ())} | found | both


def taken_by_others(
    model: CommonSpace, moments: tuple[Moments, Moments, Moments], sense: int, seed: int
) -> dict[str, np.ndarray]:
    """Bits of a grid [n] by simple means.

    Args:
        model: whose tables count.
        moments: of training, validation and test recordings.
        sense: whose grids they are.
        seed: of the order in which moments are fitted to.
    """
    known, held, seen = (part.grids[:, sense] for part in moments)
    others = other_senses.features(*(part.grids for part in moments), sense=sense)
    nothing = [np.zeros((len(rows), 0)) for rows in others]
    counts = other_senses.Logistic(model, sense, 0).fit(known, nothing[0], seed)
    logistic = other_senses.Logistic(model, sense, others[0].shape[1], counts.tables).fit(known, others[0], seed)
    return {
        "shares of the codes": other_senses.order_0(known, seen, sense),
        "by neighbours": other_senses.by_neighbours(known, seen, sense),
        "by neighbours, in clusters": other_senses.in_clusters(known, seen, (others[0], others[2]), sense),
        "counts, weighted": counts.bits(seen, nothing[2]),
        "logistic": logistic.believe(held, others[1]).bits(seen, others[2]),
    }
