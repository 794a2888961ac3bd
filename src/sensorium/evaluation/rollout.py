"""Dreams beside truth: how far ahead, in how few steps, and whether the actions steer.

Test windows begin with true frames, as tokens; the dynamics dream the frames after, and the tokenizer shows them.
PSNR is that of the mean squared error over windows, at each frame of the horizon; SSIM as for `reconstruction`.
Floors: the last true frame, encoded and decoded, held still (persistence as the tokenizer shows it), and the dreams
of an untrained network (one is enough: the last layer starts at zero, so all of them dream the mean). Ceiling: the
true frames, encoded and decoded. Reference: the last true frame itself, held still.
`few_steps` is the PSNR of the first frames of some windows in 4 denoising steps a frame, and has one floor more: that
of the same network in 64 steps, less 1 dB. It passes if few steps lose less than 1 dB and what they dream is worth
something.
`action_effect` is the PSNR with the true actions less the PSNR with the actions of another recording, over the
dreamed frames; its floor is 0.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.config import RolloutConfig, parse_section
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation import dream_figures
from sensorium.evaluation.dreams import Studio, dream_arguments, strangers, with_actions_of
from sensorium.evaluation.movie import write_movie
from sensorium.evaluation.reconstruction import similarity
from sensorium.evaluation.statistics import mean, measure, psnr, write_result
from sensorium.randomness import stable_seed

REVISION = 2
SHOWN = 6  # windows in the film; the first half of them in the picture
FEW, FINE = 4, 64  # denoising steps that are compared
NEAR = 8  # frames over which they are compared: many steps take long
ALLOWED = 1.0  # dB that few steps may lose


def main(argv: list[str]) -> None:
    """Run `sensorium rollout`."""
    parser = dream_arguments("rollout", __doc__)
    parser.add_argument("--video", required=True, type=Path, metavar="MP4", help="where the film goes: truth | dream")
    args = parser.parse_args(argv)
    began, config = time.monotonic(), parse_section(RolloutConfig, args.config)
    studio, given, horizon = Studio(args, config), config.context, config.horizon
    rng = np.random.default_rng(stable_seed(config.seed, "rollout"))
    takes = studio.takes(given + horizon, config.windows, rng)
    target, groups = takes.truth[:, given:], takes.groups.tolist()

    def error(pictures: np.ndarray) -> np.ndarray:
        return ((pictures - target) ** 2).mean((2, 3, 4), dtype=np.float64)  # [n, horizon]

    def likeness(pictures: np.ndarray) -> np.ndarray:
        flat = [frames.reshape(-1, *frames.shape[2:]) for frames in (target, pictures)]
        return similarity(*flat).reshape(-1, horizon).mean(1)

    pictures = {
        "dream": studio.show(takes, studio.dream(takes, horizon, takes.actions)),
        "persistence": np.repeat(studio.pictures(takes.tokens[:, :given], given - 1), horizon, 1),
        "tokenizer": studio.pictures(takes.tokens, given),
        "persistence of the raw frame": np.repeat(takes.truth[:, given - 1 : given], horizon, 1),
        "untrained": studio.show(takes, studio.dream(takes, horizon, takes.actions, untrained=True)),
    }
    if takes.actions is not None:
        others = with_actions_of(takes, strangers(takes.groups, rng), given)
        pictures["shuffled actions"] = studio.show(takes, studio.dream(takes, horizon, others))
    errors = {name: error(shown) for name, shown in pictures.items()}
    references = [name for name in ("persistence of the raw frame", "shuffled actions") if name in pictures]

    metrics: dict[str, dict[str, Any]] = {}
    for name, at in {"psnr_mean": slice(None), "psnr_1": slice(0, 1), "psnr_last": slice(-1, None)}.items():
        metrics[name] = measure(
            name, errors["dream"][:, at], groups, statistic=psnr,
            floors={key: errors[key][:, at] for key in ("persistence", "untrained")},
            ceilings={"tokenizer": errors["tokenizer"][:, at]},
            references={key: errors[key][:, at] for key in references}, seed=config.seed,
        )  # fmt: skip
    alike = {name: likeness(shown) for name, shown in pictures.items()}
    metrics["ssim_mean"] = measure(
        "ssim_mean", alike["dream"], groups, statistic=mean,
        floors={key: alike[key] for key in ("persistence", "untrained")}, ceilings={"tokenizer": alike["tokenizer"]},
        references={key: alike[key] for key in references}, seed=config.seed,
    )  # fmt: skip
    if "shuffled actions" in errors:
        metrics["action_effect"] = measure(
            "action_effect", np.stack([errors["dream"], errors["shuffled actions"]], 1), groups,
            statistic=psnr_difference, floors={"no effect": 0.0},
            ceilings={"tokenizer": np.stack([errors["tokenizer"], errors["shuffled actions"]], 1)}, seed=config.seed,
        )  # fmt: skip

    few = np.linspace(0, len(target) - 1, min(config.fine_windows, len(target))).astype(int)
    some = takes.some(few)
    near = min(NEAR, horizon)
    coarse, fine = (
        ((studio.show(some, studio.dream(some, near, some.actions, steps=steps)) - target[few, :near]) ** 2).mean(
            (2, 3, 4), dtype=np.float64
        )
        for steps in (FEW, FINE)
    )
    metrics["few_steps"] = measure(
        "few_steps", coarse, some.groups.tolist(), statistic=psnr,
        floors={
            f"{FINE} steps less {ALLOWED:g} dB": fine * 10 ** (ALLOWED / 10),
            **{key: errors[key][few, :near] for key in ("persistence", "untrained")},
        },
        ceilings={"tokenizer": errors["tokenizer"][few, :near]}, references={f"{FINE} steps": fine},
        seed=config.seed,
    )  # fmt: skip

    shown = np.linspace(0, len(target) - 1, SHOWN).astype(int)
    film, whole = takes.truth[shown], np.concatenate([takes.truth[shown, :given], pictures["dream"][shown]], 1)
    lines = [*(name for name in errors if name != "untrained"), "untrained"]
    dream_figures.rollout(
        args.figure, {name: errors[name] for name in lines}, film[: SHOWN // 2], whole[: SHOWN // 2], given
    )
    details = studio.recordings.details
    rates = int(details["frames_per_second"]), int(details["sample_rate"])
    sounds = None if takes.audio is None else to_sounds(torch.from_numpy(takes.audio[shown])).numpy()
    write_movie(args.video, film, whole, given, sounds, rates)
    curves = {key: [psnr(value[:, [h]], np.ones(len(value))) for h in range(horizon)] for key, value in errors.items()}
    seconds = time.monotonic() - began
    write_result(args.output, "rollout", metrics, studio.inputs, seconds, psnr_over_horizon=curves)


def psnr_difference(samples: np.ndarray, weights: np.ndarray) -> float:
    """PSNR of the first less that of the second of samples [n, 2, H]."""
    return psnr(samples[:, 0], weights) - psnr(samples[:, 1], weights)
