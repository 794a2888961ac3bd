"""Are dreams samples of what may happen, and do few denoising steps sample what many do?

The energy score of M dreams x of a truth y, mean |x - y| - mean |x - x'| / 2 with the second mean over pairs of
different dreams, is proper: in expectation nothing scores less than the true distribution (Gneiting and Raftery 2007,
"Strictly proper scoring rules, prediction, and estimation"). Here x and y are the squares of a frame, and |.| is their
Euclidean distance. PSNR cannot judge steps: blurred dreams have more of it, and a sampler blurs where its large steps
were not trained.

Layouts: M dreams, n windows, H frames, D squares of a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sensorium.evaluation.scores import mean
from sensorium.evaluation.statistics import Statistic, measure

FINE = 64  # denoising steps that few are compared with
NEAR = 3  # frames over which they are compared: many steps take long
FINE_DREAMS = 4  # from each context, in few steps and in many
ALLOWED = 0.02  # share by which the energy score in few steps may be worse
BLUR = 0.05  # by which the logarithm of their sharpness may be farther from the truth's
NARROWER = 0.1  # by which the logarithm of their spread may differ from that in many steps


def energy(dreams: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Energy score of dreams [M, n, H, D], float64 [n, H]; fair, so its expectation does not depend on M."""
    error = np.linalg.norm(dreams - truth, axis=-1).mean(0)
    return error - 0.5 * spread(dreams)


def spread(dreams: np.ndarray) -> np.ndarray:
    """Mean distance of two different dreams out of [M, n, H, D], float64 [n, H]; 0 of a single one."""
    count = len(dreams)
    pairs = [np.linalg.norm(dreams[a] - dreams[b], axis=-1) for a in range(count) for b in range(a)]
    return np.mean(pairs, 0) if pairs else np.zeros(dreams.shape[1:3])


def edges(pictures: np.ndarray) -> np.ndarray:
    """Mean squared difference of neighbouring pixels, float64 [...]; pictures [..., 3, height, width]."""
    down, right = np.diff(pictures, axis=-2), np.diff(pictures, axis=-1)
    return np.square(down).mean((-3, -2, -1), dtype=np.float64) + np.square(right).mean((-3, -2, -1), dtype=np.float64)


def sharpness(dreams: np.ndarray, truth: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Samples of `blur`, float64 [n, 3]: edge energy of what dreams change, of what truly changes, and 0.

    What stands still is sharp in any dream, so it does not count.

    Args:
        dreams: [M, n, H, 3, height, width].
        truth: [n, H, 3, height, width].
        last: frame of the context, [n, 1, 3, height, width].
    """
    dreamed, true = edges(dreams - last).mean((0, 2)), edges(truth - last).mean(1)
    return np.stack([dreamed, true, np.zeros_like(true)], 1)


def blur(samples: np.ndarray, weights: np.ndarray) -> float:
    """Distance of the logarithm of edge energy, or of spread, from what it should be.

    Args:
        samples: what it is, what it should be, and an allowance that is added to the distance, [n, 3].
        weights: [n].
    """
    dreamed, true, allowance = weights @ samples / weights.sum()
    return float(abs(np.log(max(dreamed, 1e-12) / max(true, 1e-12))) + allowance)


def few_steps(
    scores: Mapping[str, np.ndarray],
    edge_energies: Mapping[str, np.ndarray],
    spreads: Mapping[str, np.ndarray],
    names: list[str],
    fitted_on: Collection[str],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """`few_steps_energy`, `_sharpness` and `_spread`: whether few steps sample what many do, within a margin.

    Args:
        scores: energy scores [n] of "dreams" in few steps, of "fine" ones, and of each baseline by its name.
        edge_energies: likewise of `sharpness`, [n, 3].
        spreads: likewise of `spread`, [n].
        names: recording of each window.
        fitted_on: recordings that the baselines were fitted on.
        seed: of the resampling.
    """

    shared: dict[str, Any] = {"higher_is_better": False, "fitted_on": fitted_on, "seed": seed}
    fine = f"{FINE} steps"

    def compared(
        metric: str, values: Mapping[str, np.ndarray], statistic: Statistic, allowed: str, worse: np.ndarray
    ) -> dict[str, Any]:
        """One metric; `worse` are the samples of many steps with what is allowed, and `allowed` says how much."""
        rivals = {name: value for name, value in values.items() if name not in ("dreams", "fine")}
        return measure(
            metric,
            values["dreams"],
            names,
            statistic=statistic,
            baselines={f"{fine} and {allowed}": worse, **rivals},
            ceilings={"truth": 0.0},
            references={fine: values["fine"]},
            **shared,
        )

    narrowed = {name: np.stack([values, spreads["fine"], np.zeros_like(values)], 1) for name, values in spreads.items()}
    blurred, narrower = (np.array([0, 0, allowance]) for allowance in (BLUR, NARROWER))
    worse = scores["fine"] * (1 + ALLOWED), edge_energies["fine"] + blurred, narrowed["fine"] + narrower
    return {
        "few_steps_energy": compared("few_steps_energy", scores, mean, f"{ALLOWED:.0%}", worse[0]),
        "few_steps_sharpness": compared("few_steps_sharpness", edge_energies, blur, f"{BLUR:g}", worse[1]),
        "few_steps_spread": compared("few_steps_spread", narrowed, blur, f"{NARROWER:g}", worse[2]),
    }
