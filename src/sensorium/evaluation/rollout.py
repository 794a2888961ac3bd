"""Dreams beside truth: how far ahead, and whether the actions steer.

Test windows begin with true frames, as tokens; the dynamics dream the frames after, and the tokenizer shows them.
PSNR is that of the mean squared error over windows, at each frame of the horizon.
Floors: the last true frame, encoded and decoded, held still (persistence as the tokenizer shows it), and the dreams
of an untrained network (one is enough: the last layer starts at zero, so all of them dream the mean). Ceiling: the
true frames, encoded and decoded. Reference: the last true frame itself, held still.
`action_effect` is the PSNR with the true actions less the PSNR with the actions of another recording, over the
dreamed frames; its floor is 0.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import ArtifactError
from sensorium.config import DynamicsConfig, RolloutConfig, VideoTokenizerConfig, parse_section
from sensorium.data.recording import RecordingSet
from sensorium.evaluation import figures
from sensorium.evaluation.harness import (
    FLOOR_SEEDS,
    FULL_SCALE,
    Bench,
    WindowPool,
    arguments,
    check_pedigree,
    images,
    load_judged,
)
from sensorium.evaluation.movie import write_movie
from sensorium.evaluation.statistics import measure, psnr, write_result
from sensorium.models.dream import dream
from sensorium.models.dynamics import Dynamics
from sensorium.models.tokenizers import VideoTokenizer
from sensorium.randomness import stable_seed

REVISION = 2
SHOWN = 6  # windows in the film; the first half of them in the picture


def main(argv: list[str]) -> None:
    """Run `sensorium rollout`."""
    parser = arguments("rollout", __doc__, ("data", "latents", "tokenizer", "dynamics"), "the dynamics")
    parser.add_argument("--sound", type=Path, nargs="?", metavar="MANIFEST", help="manifest of the encoded sound")
    parser.add_argument("--video", required=True, type=Path, metavar="MP4", help="where the film goes: truth | dream")
    args = parser.parse_args(argv)
    began, config = time.monotonic(), parse_section(RolloutConfig, args.config)
    bench, recordings, latents = Bench.prepare(args), RecordingSet.open(args.data), RecordingSet.open(args.latents)
    check_pedigree(args.latents, data=args.data, tokenizer=args.tokenizer)
    sound = {"sound": args.sound} if args.sound else {}
    check_pedigree(args.dynamics, latents=args.latents, **sound)
    frames, given = config.context + config.horizon, config.context
    steered, heard = recordings.has("action"), recordings.has("audio")
    fields = ("video", *(("audio",) if heard else ()), *(("action",) if steered else ()))
    pool = WindowPool(recordings, "test", fields, frames)
    token_pool = WindowPool(latents, "test", ("latent",), frames)
    if not (np.array_equal(pool.recording, token_pool.recording) and np.array_equal(pool.start, token_pool.start)):
        raise ArtifactError(
            f"{args.latents}: not the recordings of {args.data}; delete it and run the same command again"
        )
    rng = np.random.default_rng(stable_seed(config.seed, "rollout"))
    picked = pool.draw(np.ones(len(pool), bool), config.windows, rng)
    groups = pool.recording[picked]
    batch = pool.windows.batch(picked)
    streams = [
        token_pool,
        *(WindowPool(RecordingSet.open(path), "test", ("latent",), frames) for path in sound.values()),
    ]
    tokens = np.concatenate([stream.windows.batch(picked)["latent"].float().numpy() for stream in streams], axis=2)
    actions = batch["action"].numpy() if steered else None

    tokenizer = load_judged(VideoTokenizer, VideoTokenizerConfig, args.tokenizer, "tokenizer_video", None, bench)

    def decoded(latent: np.ndarray, first: int) -> np.ndarray:
        """Pictures of the frames from `first` on."""
        known, latent = min(first, tokenizer.past), latent[:, :, : tokenizer.tokens]  # video comes first
        return bench.map(lambda clips: tokenizer.decode(clips)[:, known:].clamp(0, 1), latent[:, first - known :])

    def dreamed(seed: int | None, moves: np.ndarray | None) -> np.ndarray:
        dynamics = load_judged(Dynamics, DynamicsConfig, args.dynamics, "dynamics", seed, bench)

        def imagine(context: torch.Tensor, wanted: torch.Tensor | None) -> torch.Tensor:
            return dream(
                dynamics, context, wanted, config.horizon, denoising_steps=config.denoising_steps,
                context_noise=config.context_noise, seed=stable_seed(config.seed, "dream"),
            )  # fmt: skip

        imagined = bench.map(imagine, tokens[:, :given], moves)
        return decoded(np.concatenate([tokens[:, :given], imagined], 1), given)

    truth = bench.map(images, batch["video"].numpy())
    target = truth[:, given:]

    def error(other: np.ndarray) -> np.ndarray:
        return ((other - target) ** 2).mean((2, 3, 4), dtype=np.float64)  # [n, horizon]

    dream_frames = dreamed(args.untrained_seed, actions)
    errors = {
        "dream": error(dream_frames),
        "persistence": error(np.repeat(decoded(tokens[:, :given], given - 1), config.horizon, 1)),
        "tokenizer": error(decoded(tokens, given)),
        "persistence of the raw frame": error(np.repeat(truth[:, given - 1 : given], config.horizon, 1)),
    }
    untrained = {"untrained": error(dreamed(FLOOR_SEEDS[0], actions))}
    if actions is not None:
        others = actions.copy()
        others[:, given:] = actions[strangers(groups, rng), given:]
        errors["shuffled actions"] = error(dreamed(args.untrained_seed, others))

    metrics: dict[str, dict[str, Any]] = {}
    for name, at in {"psnr_mean": slice(None), "psnr_1": slice(0, 1), "psnr_last": slice(-1, None)}.items():
        metrics[name] = measure(
            name, errors["dream"][:, at], groups.tolist(), statistic=psnr,
            floors={key: value[:, at] for key, value in {"persistence": errors["persistence"], **untrained}.items()},
            ceilings={"tokenizer": errors["tokenizer"][:, at]},
            references={
                key: errors[key][:, at] for key in ("persistence of the raw frame", "shuffled actions") if key in errors
            },
            seed=config.seed,
        )  # fmt: skip
    if steered:
        metrics["action_effect"] = measure(
            "action_effect", np.stack([errors["dream"], errors["shuffled actions"]], 1), groups.tolist(),
            statistic=psnr_difference, floors={"no effect": 0.0},
            ceilings={"tokenizer": np.stack([errors["tokenizer"], errors["shuffled actions"]], 1)}, seed=config.seed,
        )  # fmt: skip
    shown = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    film, whole = truth[shown], np.concatenate([truth[shown, :given], dream_frames[shown]], 1)
    figures.rollout(args.figure, errors | untrained, film[: SHOWN // 2], whole[: SHOWN // 2], given)
    rates = int(recordings.details["frames_per_second"]), int(recordings.details["sample_rate"])
    sounds = batch["audio"].numpy()[shown] / FULL_SCALE if heard else None
    write_movie(args.video, film, whole, given, sounds, rates)
    curves = {
        key: [psnr(value[:, [h]], np.ones(len(value))) for h in range(config.horizon)] for key, value in errors.items()
    }
    inputs = {name: getattr(args, name) for name in ("data", "latents", "tokenizer", "dynamics")} | sound
    write_result(args.output, "rollout", metrics, inputs, time.monotonic() - began, psnr_over_horizon=curves)


def strangers(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each window one of another recording, int64 [n]."""
    return np.array([rng.choice(np.flatnonzero(groups != group)) for group in groups])


def psnr_difference(samples: np.ndarray, weights: np.ndarray) -> float:
    """PSNR of the first less that of the second of samples [n, 2, H]."""
    return psnr(samples[:, 0], weights) - psnr(samples[:, 1], weights)
