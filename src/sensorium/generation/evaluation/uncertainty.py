"""Several dreams from one beginning: are they samples of what may happen, and does their spread say how wrong they are?

The tokenizer's own error, which the dynamics cannot know, is left out: the truth is what the tokenizer shows of it,
averaged over squares of 4 x 4 pixels, because single pixels show little but texture.

`crps` is the continuous ranked probability score, E|X - y| - E|X - X'| / 2 with the second mean over pairs of
different dreams, so its expectation does not depend on their number (Ferro 2014, "Fair scores for ensemble
forecasts"); less is better. `energy` is the same of whole frames, with Euclidean distances (`sampling`). Floors: the
frame held still, alone; the frame held still, the fade and the ridge (`baselines.forecasts`) as ensembles, dressed with
their errors on validation recordings; one dream alone and the median of the dreams (these score their absolute error);
climatology (frames of other recordings as if they were dreams); and the dreams of an untrained network. Ceiling: 0,
the truth.

`few_steps_energy`, `few_steps_sharpness` and `few_steps_spread` ask whether the section's few denoising steps sample
what 64 steps do, in the first frames of some windows: the energy score may be 2 % worse; the logarithm of the edge
energy of what changed since the context may be farther from the truth's by 0.05; and the logarithm of the mean distance
between two dreams may differ by 0.1 from that in 64 steps. Floors: that of 64 steps with its allowance, and what the
score has without a dynamics, so that dreams which are worth nothing in many steps, too, do not pass. `--poison finest`
must fail: a network that knows no step size but the finest, as if its shortcut had not been trained.

Reported with intervals, floors and ceilings, but not as metrics, because calibration alone is no skill: climatology has
it, an untrained network nearly, and a broken network may predict its own errors well.
`spread_error` is Spearman's correlation of the dreams' spread with the error of their mean, over squares, frames and
windows. Floors: 0, and the error of other recordings so many frames ahead at this place. Ceiling: one dream as the
truth of the others.
`rank_error` is the distance of the histogram of the truth's rank among the dreams from a flat one: the share that would
have to move. `coverage_error` is the distance of the share of truths between the lowest and the highest of M dreams
from the (M - 1) / (M + 1) of a calibrated ensemble. Floor of both: dreams without spread. Ceiling: one dream as the
truth of the others. Both count only squares that changed within the true window.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.baselines.pictures import RECENT, Fade, Films, dressed, held
from sensorium.evaluation.baselines.ridge_of_films import continued
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample, of_other_recordings
from sensorium.evaluation.scores import correlation, crps, mean, rank_moments
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.generation.dream_config import UncertaintyConfig
from sensorium.generation.evaluation import dream_figures, sampling
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 3
EVALUATION = Evaluation(__name__, UncertaintyConfig, inputs=INPUTS, control="the dynamics", options=add_poison)
main = EVALUATION.main

FITTED: tuple[Split, ...] = ("training", "validation")  # on which simple ensembles are fitted, and err
SQUARE = 4  # pixels a side
MOVES = 0.02  # change of a square's brightness within a window, on a 0..1 scale, from which on it counts as moving
BINS = 8
SELF = "a dream as the truth"  # of the other dreams
REPORTED = ("value", "low", "high", "n", "baselines", "ceiling", "higher_is_better")


def judge(bench: Bench, config: UncertaintyConfig) -> Result:
    """Score the dreams, and compare their spread with their error."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "uncertainty"))
    sample = studio.sample(given + horizon, config.windows, rng)
    whole = squares(studio.pictures(sample["tokens"]))
    truth = whole[:, given:]  # [n, horizon, D]
    moving = np.broadcast_to(np.ptp(whole, axis=1, keepdims=True) > MOVES, truth.shape)
    dreams, first = dreamed_squares(studio, sample, config)
    others = np.stack([truth[of_other_recordings(sample.groups, rng)] for _ in range(config.dreams)])
    untrained, untrained_first = dreamed_squares(studio, sample, config, untrained=True)
    simple, fitted_on = simple_ensembles(studio, sample, config)
    ensembles = {"dreams": dreams, "climatology": others, "untrained": untrained, **simple}
    persistence = np.repeat(whole[:, given - 1 : given], horizon, 1)
    points = {"persistence": persistence[None], "one dream alone": dreams, "median dream": np.median(dreams, 0)[None]}
    scores = {name: crps(each, truth).mean(-1) for name, each in ensembles.items()}
    scores |= {name: np.abs(each - truth).mean((0, -1)) for name, each in points.items()}
    energies = {name: sampling.energy(each, truth) for name, each in ensembles.items()}
    energies |= {name: np.linalg.norm(each - truth, axis=-1).mean(0) for name, each in points.items()}
    spreads = {"dreams": spread_and_error(dreams, truth), SELF: spread_and_error(dreams[1:], dreams[0])}
    ranks = {
        "dreams": histograms(dreams, truth, moving, rng),
        SELF: histograms(dreams[1:], dreams[0], moving, rng),
        "no spread": histograms(np.broadcast_to(dreams.mean(0), dreams.shape), truth, moving, rng),
    }
    calibration = {
        "spread_error": spread_record(spreads, sample, config.seed),
        **rank_records(ranks, sample, config.seed),
    }
    shares = {name: counts.sum(0) / counts.sum() for name, counts in ranks.items() if name != SELF}
    bins = {name: binned(*pair) for name, pair in spreads.items()}
    lines = {name: score.mean(0) for name, score in scores.items()}
    notes = {
        "calibration": {name: {key: record[key] for key in REPORTED} for name, record in calibration.items()},
        "ranks": {name: share.tolist() for name, share in shares.items()},
        "coverage": float(shares["dreams"][1:-1].sum()),
    }
    metrics = {
        "crps": score_metric("crps", scores, sample, fitted_on, config.seed),
        "energy": score_metric("energy", energies, sample, fitted_on, config.seed),
        **compared_steps(studio, sample, {"dreams": first, "untrained": untrained_first}, energies, fitted_on),
    }
    return Result(metrics, lambda path: dream_figures.uncertainty(path, shares, bins, lines), notes)


def score_metric(
    name: str, scores: dict[str, np.ndarray], sample: Sample, fitted_on: Collection[str], seed: int
) -> dict[str, Any]:
    """`crps` or `energy`, from scores [n, horizon] of the dreams and of the floors."""
    return measure(
        name,
        scores["dreams"].mean(1),
        sample.names,
        statistic=mean,
        higher_is_better=False,
        fitted_on=fitted_on,
        baselines={key: score.mean(1) for key, score in scores.items() if key != "dreams"},
        ceilings={"truth": 0.0},
        seed=seed,
    )


def simple_ensembles(
    studio: Studio, sample: Sample, config: UncertaintyConfig
) -> tuple[dict[str, np.ndarray], frozenset[str]]:
    """Ensembles [M, n, horizon, D] without a learned representation, and the recordings that they are fitted on."""
    given, horizon, recent = config.context, config.horizon, min(config.context, RECENT)

    def of_squares(films: Films) -> Films:
        return replace(films, frames=squares(films.pictures(0, films.frames.shape[1])).astype(np.float32))

    fitting, erring = (
        of_squares(
            Films.drawn(studio.recordings, split, recent + horizon, stable_seed(config.seed, "uncertainty", split))
        )
        for split in FITTED
    )
    test = of_squares(Films.of(sample, given - recent))
    fade, after = Fade(fitting, recent), erring.pictures(recent, recent + horizon)
    contexts = test.pictures(0, recent), erring.pictures(0, recent)
    forecasts = {
        "persistence, dressed": [held(context, horizon) for context in contexts],
        "fade, dressed": [fade(context) for context in contexts],
        "ridge, dressed": continued(fade, fitting, erring, (test, erring), recent),
    }
    rng = np.random.default_rng(stable_seed(config.seed, "uncertainty", "dressed"))
    ensembles = {
        name: dressed(judged, after - known, config.dreams, rng) for name, (judged, known) in forecasts.items()
    }
    return ensembles, fitting.recordings | erring.recordings


def compared_steps(
    studio: Studio,
    sample: Sample,
    first: dict[str, np.ndarray],
    energies: dict[str, np.ndarray],
    fitted_on: Collection[str],
) -> dict[str, dict[str, Any]]:
    """Few denoising steps against many (`sampling.few_steps`); `first` are the first pictures of dreams."""
    config: Any = studio.config
    given, near = config.context, min(sampling.NEAR, config.horizon)
    picked = np.linspace(0, len(sample) - 1, min(config.fine_windows, len(sample))).astype(int)
    some = sample.rows(picked)
    truth = studio.pictures(some["tokens"][:, : given + near], given)
    fine = np.stack(
        [
            studio.show(some, studio.dream(some, near, some.get("action"), number=number, steps=sampling.FINE))
            for number in range(sampling.FINE_DREAMS)
        ]
    )
    shown = {name: pictures[:, picked] for name, pictures in first.items()}
    shown |= {"fine": fine, "mean picture": np.broadcast_to(studio.mean_picture, (1, *truth.shape))}
    scores = {name: score[picked, :near].mean(1) for name, score in energies.items()}
    averages = {name: np.stack([squares(each) for each in shown[name]]) for name in ("dreams", "untrained", "fine")}
    scores["fine"] = sampling.energy(averages["fine"], squares(truth)).mean(1)
    spreads = {name: sampling.spread(each).mean(1) for name, each in averages.items()}
    last = studio.pictures(some["tokens"][:, :given], given - 1)
    edge_energies = {name: sampling.sharpness(pictures, truth, last) for name, pictures in shown.items()}
    return sampling.few_steps(scores, edge_energies, spreads, some.names, fitted_on, config.seed)


def dreamed_squares(
    studio: Studio, sample: Sample, config: UncertaintyConfig, untrained: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """What dreams of different noise show: squares [M, n, horizon, D], and the first pictures [M, n, near, 3, H, W]."""
    near, actions = min(sampling.NEAR, config.horizon), sample.get("action")
    averages, first = [], []
    for number in track(range(config.dreams), "untrained dreams" if untrained else "dreams"):
        shown = studio.show(sample, studio.dream(sample, config.horizon, actions, number=number, untrained=untrained))
        averages.append(squares(shown))
        first.append(shown[:, :near].copy())
    return np.stack(averages), np.stack(first)


def spread_and_error(dreams: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of dreams [M, ...] and absolute error of their mean, [...] each."""
    return dreams.std(0, ddof=1), np.abs(dreams.mean(0) - truth)


def spread_record(spreads: dict[str, tuple[np.ndarray, np.ndarray]], sample: Sample, seed: int) -> dict[str, Any]:
    """`spread_error`."""
    error = spreads["dreams"][1]
    usual = np.stack([error[sample.groups != group].mean(0) for group in sample.names])
    return measure(
        "spread_error",
        rank_moments(*spreads["dreams"]),
        sample.names,
        statistic=correlation,
        fitted_on=NOTHING,
        baselines={"none": 0.0, "usual error of place and time": rank_moments(usual, error)},
        ceilings={SELF: rank_moments(*spreads[SELF])},
        seed=seed,
    )


def rank_records(ranks: dict[str, np.ndarray], sample: Sample, seed: int) -> dict[str, dict[str, Any]]:
    """`rank_error` and `coverage_error`, from histograms [n, M + 1]."""
    return {
        name: measure(
            name,
            ranks["dreams"],
            sample.names,
            statistic=statistic,
            higher_is_better=False,
            fitted_on=NOTHING,
            baselines={"no spread": ranks["no spread"]},
            ceilings={SELF: statistic(ranks[SELF], np.ones(len(sample)))},
            seed=seed,
        )
        for name, statistic in (("rank_error", unevenness), ("coverage_error", miscoverage))
    }


def squares(pictures: np.ndarray) -> np.ndarray:
    """Pictures [n, T, 3, H, W] -> means of squares, float64 [n, T, D]."""
    n, frames, channels, height, width = pictures.shape
    rows, columns = height // SQUARE, width // SQUARE
    cut = pictures[..., : rows * SQUARE, : columns * SQUARE].reshape(n, frames, channels, rows, SQUARE, columns, SQUARE)
    return cut.mean((4, 6), dtype=np.float64).reshape(n, frames, -1)


def histograms(dreams: np.ndarray, truth: np.ndarray, counted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How often the truth has each rank among the dreams [M, n, ...], equals in random order: float64 [n, M + 1]."""
    below, equal = (dreams < truth).sum(0), (dreams == truth).sum(0)
    rank = below + np.floor(rng.random(truth.shape) * (equal + 1)).astype(int)
    rows = [np.bincount(row[use], minlength=len(dreams) + 1) for row, use in zip(rank, counted, strict=True)]
    return np.stack(rows).astype(np.float64)


def unevenness(samples: np.ndarray, weights: np.ndarray) -> float:
    """Share of a rank histogram [n, M + 1] that would have to move to make it flat."""
    shares = weights @ samples / (weights @ samples).sum()
    return float(0.5 * np.abs(shares - 1 / len(shares)).sum())


def miscoverage(samples: np.ndarray, weights: np.ndarray) -> float:
    """Distance of the share of inner ranks from that of a flat histogram [n, M + 1]."""
    shares = weights @ samples / (weights @ samples).sum()
    return float(abs(shares[1:-1].sum() - (len(shares) - 2) / len(shares)))


def binned(spread: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root mean squares of spread and error, in bins of equal size along the spread."""
    order = np.argsort(spread, axis=None, kind="stable")
    parts = np.array_split(order, BINS)
    sizes = [[float(np.sqrt(np.mean(values.ravel()[part] ** 2))) for part in parts] for values in (spread, error)]
    return np.array(sizes[0]), np.array(sizes[1])
