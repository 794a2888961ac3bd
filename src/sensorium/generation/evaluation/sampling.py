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
from sensorium.evaluation.statistics import measure

FINE = 64  # denoising steps that few are compared with
NEAR = 3  # frames over which they are compared: many steps take long
FINE_DREAMS = 4  # from each context, in few steps and in many
ALLOWED = 0.02  # share by which the energy score in few steps may be worse
BLUR = 0.05  # by which the logarithm of their sharpness may be farther from the truth's


def energy(dreams: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Energy score of dreams [M, n, H, D], float64 [n, H]; fair, so its expectation does not depend on M."""
    count = len(dreams)
    error = np.linalg.norm(dreams - truth, axis=-1).mean(0)
    if count == 1:
        return error
    pairs = [np.linalg.norm(dreams[a] - dreams[b], axis=-1) for a in range(count) for b in range(a)]
    return error - 0.5 * np.mean(pairs, 0)


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
    """Distance of the logarithm of edge energy from the truth's; samples [n, 3], whose last column is added to it."""
    dreamed, true, allowance = weights @ samples / weights.sum()
    return float(abs(np.log(max(dreamed, 1e-12) / max(true, 1e-12))) + allowance)


def few_steps(
    scores: Mapping[str, np.ndarray],
    edge_energies: Mapping[str, np.ndarray],
    names: list[str],
    fitted_on: Collection[str],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """`few_steps_energy` and `few_steps_sharpness`: whether few steps are as good as many, within a margin.

    Args:
        scores: energy scores [n] of "dreams" in few steps, of "fine" ones, and of each baseline by its name.
        edge_energies: likewise of `sharpness`, [n, 3].
        names: recording of each window.
        fitted_on: recordings that the baselines were fitted on.
        seed: of the resampling.
    """

    def rivals(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: value for name, value in values.items() if name not in ("dreams", "fine")}

    shared: dict[str, Any] = {"higher_is_better": False, "fitted_on": fitted_on, "seed": seed}
    return {
        "few_steps_energy": measure(
            "few_steps_energy",
            scores["dreams"],
            names,
            statistic=mean,
            baselines={f"{FINE} steps and {ALLOWED:.0%}": scores["fine"] * (1 + ALLOWED), **rivals(scores)},
            ceilings={"truth": 0.0},
            references={f"{FINE} steps": scores["fine"]},
            **shared,
        ),
        "few_steps_sharpness": measure(
            "few_steps_sharpness",
            edge_energies["dreams"],
            names,
            statistic=blur,
            baselines={
                f"{FINE} steps and {BLUR:g}": edge_energies["fine"] + np.array([0, 0, BLUR]),
                **rivals(edge_energies),
            },
            ceilings={"truth": 0.0},
            references={f"{FINE} steps": edge_energies["fine"]},
            **shared,
        ),
    }
