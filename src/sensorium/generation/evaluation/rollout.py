"""Dreams beside truth: how far ahead, and whether the actions steer.

Test windows begin with true frames, as tokens; the dynamics dream the frames after, and the tokenizer shows them.
PSNR is that of the mean squared error over windows, at each frame of the horizon; SSIM as for `reconstruction`.
Floors (`baselines.forecasts`): the last true frame as recorded, the mean training picture, half of each, the fade from
the one to the other, a ridge regression from principal components of the context and the actions, the context to and
fro, and a training recording replayed; the last true frame as the tokenizer shows it; and the dreams of an untrained
network (one is enough: the last layer starts at zero, so all of them dream the mean). Fade and ridge are fitted on
training recordings, and the penalty of the ridge is chosen on validation recordings. Ceiling: the true frames, encoded
and decoded.
`action_effect` is the PSNR with the true actions less the PSNR with the actions of another recording, over the
dreamed frames; its floor is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch

from sensorium.data.recording import Split
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation.baselines.forecasts import forecasts
from sensorium.evaluation.baselines.pictures import RECENT, Films
from sensorium.evaluation.contract import Evaluation, Output, Result
from sensorium.evaluation.films import write_movie
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import mean, psnr, ssim
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.generation.dream_config import RolloutConfig
from sensorium.generation.evaluation import dream_figures
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison, true_pictures
from sensorium.randomness import stable_seed

REVISION = 4
EVALUATION = Evaluation(
    __name__,
    RolloutConfig,
    inputs=INPUTS,
    control="the dynamics",
    outputs=(Output("video", "MP4", "where the film goes: truth | dream"),),
    options=add_poison,
)
main = EVALUATION.main

FITTED: tuple[Split, ...] = ("training", "validation")  # on which baselines are fitted, and their penalties chosen
SHOWN = 6  # windows in the film; the first half of them in the picture
NO_FLOORS = ("dream", "tokenizer", "shuffled actions")  # among what is shown

Errors = dict[str, np.ndarray]  # what is shown -> mean squared error [n, horizon]


def judge(bench: Bench, config: RolloutConfig) -> Result:
    """PSNR and SSIM of dreams, and the effect of the actions."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "rollout"))
    sample = studio.sample(given + horizon, config.windows, rng)
    filmed = np.linspace(0, len(sample) - 1, SHOWN).astype(int)
    target = true_pictures(sample, given)
    errors, similarities, dreamed = {}, {}, target[:0]
    recent = min(given, RECENT)
    fitting, choosing = (
        Films.drawn(studio.recordings, split, recent + horizon, stable_seed(config.seed, "rollout", split))
        for split in FITTED
    )
    baselines = forecasts(fitting, choosing, Films.of(sample, given - recent), recent, rng)
    shown = chain(shown_frames(studio, sample, horizon, rng), baselines)
    for name, frames in shown:  # one after the other: each may take gigabytes
        errors[name], similarities[name] = squared_errors(frames, target), similarity(frames, target)
        dreamed = frames[filmed] if name == "dream" else dreamed
    fitted_on = fitting.recordings | choosing.recordings
    metrics = {
        **errors_metrics(errors, sample.names, fitted_on, config.seed),
        "ssim_mean": ssim_metric(similarities, sample.names, fitted_on, config.seed),
    }
    if "shuffled actions" in errors:
        metrics["action_effect"] = action_effect(errors, sample.names, config.seed)

    truth = true_pictures(sample.rows(filmed))
    dreams = np.concatenate([truth[:, :given], dreamed], 1)
    sounds = to_sounds(torch.from_numpy(sample["audio"][filmed])).numpy() if "audio" in sample else None
    details = studio.recordings.details
    rates = int(details["frames_per_second"]), int(details["sample_rate"])
    lines = {name: errors[name] for name in [*(name for name in errors if name != "untrained"), "untrained"]}
    curves = {
        name: [psnr(values[:, [h]], np.ones(len(values))) for h in range(horizon)] for name, values in errors.items()
    }
    half = SHOWN // 2
    return Result(
        metrics,
        lambda path: dream_figures.rollout(path, lines, truth[:half], dreams[:half], given),
        notes={"psnr_over_horizon": curves},
        files={"video": lambda path: write_movie(path, truth, dreams, given, sounds, rates)},
    )


def shown_frames(
    studio: Studio, sample: Sample, horizon: int, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """The frames after the context, [n, horizon, 3, H, W]: dreamed, and of ceiling and floors that need a network."""
    given, tokens, actions = studio.config.context, sample["tokens"], sample.get("action")
    yield "dream", studio.show(sample, studio.dream(sample, horizon, actions))
    yield "persistence", np.repeat(studio.pictures(tokens[:, :given], given - 1), horizon, 1)
    yield "tokenizer", studio.pictures(tokens, given)
    yield "untrained", studio.show(sample, studio.dream(sample, horizon, actions, untrained=True))
    if actions is not None:
        others = with_actions_of(actions, of_other_recordings(sample.groups, rng), given)
        yield "shuffled actions", studio.show(sample, studio.dream(sample, horizon, others))


def squared_errors(pictures: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean squared error of each frame, float64 [n, horizon]; pictures [n, horizon, 3, H, W]."""
    return ((pictures - target) ** 2).mean((2, 3, 4), dtype=np.float64)


def floors(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of the baselines, from the scores of all that is shown, by name."""
    return {name: values for name, values in scores.items() if name not in NO_FLOORS}


def errors_metrics(
    errors: Errors, names: list[str], fitted_on: Collection[str], seed: int
) -> dict[str, dict[str, Any]]:
    """PSNR over the whole horizon, of the first dreamed frame and of the last."""
    parts = {"psnr_mean": slice(None), "psnr_1": slice(0, 1), "psnr_last": slice(-1, None)}
    return {
        metric: measure(
            metric,
            errors["dream"][:, part],
            names,
            statistic=psnr,
            fitted_on=fitted_on,
            baselines={key: values[:, part] for key, values in floors(errors).items()},
            ceilings={"tokenizer": errors["tokenizer"][:, part]},
            seed=seed,
        )
        for metric, part in parts.items()
    }


def similarity(pictures: np.ndarray, target: np.ndarray) -> np.ndarray:
    """SSIM of each window, the mean over its frames, float64 [n]; pictures [n, horizon, 3, H, W]."""
    flat = [np.ascontiguousarray(part).reshape(-1, *part.shape[2:]) for part in (target, pictures)]
    return ssim(*flat).reshape(target.shape[:2]).mean(1)


def ssim_metric(
    scores: dict[str, np.ndarray], names: list[str], fitted_on: Collection[str], seed: int
) -> dict[str, Any]:
    """SSIM, the mean over the dreamed frames, from that of each window [n] by what is shown."""
    return measure(
        "ssim_mean",
        scores["dream"],
        names,
        statistic=mean,
        fitted_on=fitted_on,
        baselines=floors(scores),
        ceilings={"tokenizer": scores["tokenizer"]},
        seed=seed,
    )


def action_effect(errors: Errors, names: list[str], seed: int) -> dict[str, Any]:
    """How much worse dreams are under the actions of another recording."""
    shuffled = errors["shuffled actions"]
    return measure(
        "action_effect",
        np.stack([errors["dream"], shuffled], 1),
        names,
        statistic=psnr_difference,
        fitted_on=NOTHING,
        baselines={"no effect": 0.0},
        ceilings={"tokenizer": np.stack([errors["tokenizer"], shuffled], 1)},
        seed=seed,
    )


def psnr_difference(samples: np.ndarray, weights: np.ndarray) -> float:
    """PSNR of the first less that of the second of samples [n, 2, H]."""
    return psnr(samples[:, 0], weights) - psnr(samples[:, 1], weights)
