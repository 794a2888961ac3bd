"""Estimators of the error of a dreamed frame, compared with the true error of its picture.

    python benchmarks/dream_error_estimators.py
    python benchmarks/dream_error_estimators.py --recordings 8 --frames 12 --seed 1

By default it uses the models below results/, 48 test recordings and 24 dreamed frames.

Dreams follow the recorded actions, so their error against the recorded frames (root mean square of pixels, as the
tokenizer shows both) is known. The table has the Spearman correlation of each estimator with that error over all
frames, and separately at each frame of the horizon (mean over frames), which excludes growth over time; and the median
of the estimator at the first and the last frame. The estimators:

    round trip    round-trip error of the tokenizer, which `sensorium play` shows
    instability   difference between the first and the last denoising step's prediction of a frame
    spread        difference between two dreams of different noise: twice the work
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.stats import spearmanr

from sensorium.data.sample_formats import WHITE
from sensorium.generation.dream import Dreamer
from sensorium.interactive.environment import typical_round_trip_error
from sensorium.interactive.parts import DreamParts, add_arguments, positive


@torch.no_grad()
def dreams(
    parts: DreamParts, tokens: torch.Tensor, actions: torch.Tensor | None, args: argparse.Namespace, seed: int
) -> tuple[torch.Tensor, np.ndarray]:
    """Dreamed tokens [n, frames, N, C] and instability [n, frames]."""
    predictions: list[torch.Tensor] = []
    dreamer = Dreamer(parts.dynamics, denoising_steps=args.denoising_steps, seed=seed)
    dreamer.begin(tokens[:, : args.context], None if actions is None else actions[:, : args.context])
    hook = parts.dynamics.register_forward_hook(lambda _, __, result: predictions.append(result[0][:, -1]))
    shown, unstable = [], []
    for frame in range(args.context, args.context + args.frames):
        predictions.clear()
        shown.append(dreamer.step(None if actions is None else actions[:, frame]))
        unstable.append((predictions[0] - predictions[-1]).square().mean((1, 2)).sqrt().cpu().numpy())
    hook.remove()
    return torch.cat(shown, 1), np.stack(unstable, 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=positive, default=48)
    parser.add_argument("--frames", type=positive, default=24)
    add_arguments(parser)
    args = parser.parse_args()
    parts, length = DreamParts.open(args), args.context + args.frames
    decoder = parts.decoder()
    names = [name for name in parts.names() if parts.latents.frames(name) >= length][: args.recordings]

    begun = [parts.begin(name, length) for name in names]
    tokens = torch.cat([each.tokens for each in begun])
    actions = torch.cat([each.actions for each in begun if each.actions is not None]) if parts.action else None
    context = tokens[:, : args.context]

    def seen(coming: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Pictures of frames after the context as [n, frames, numbers], and round-trip errors [n, frames]."""
        clips = [decoder.step(decoder.remember(), clip) for clip in torch.cat([context, coming], 1).split(1)]
        pictures = np.stack([clip.pictures[args.context :].reshape(args.frames, -1) for clip in clips])
        return pictures / WHITE, np.stack([clip.round_trip_error[args.context :] for clip in clips])

    first, instability = dreams(parts, tokens, actions, args, args.seed)
    second, _ = dreams(parts, tokens, actions, args, args.seed + 1)
    truth, _ = seen(tokens[:, args.context :])
    pictures, round_trip = seen(first)
    error = np.sqrt(np.square(pictures - truth).mean(2))
    apart = (parts.dynamics.standardise(first) - parts.dynamics.standardise(second)).square().mean((2, 3)).sqrt()
    estimators = {
        "round trip": round_trip / typical_round_trip_error(parts, args.seed),
        "instability": instability,
        "spread": apart.cpu().numpy(),
    }
    print(f"{len(names)} test recordings, {args.frames} frames after {args.context}, seed {args.seed}")
    print(f"{'estimator':13} {'over all':>9} {'at a frame':>11} {'first':>7} {'last':>7}")
    for name, estimator in estimators.items():
        alone = np.mean([spearmanr(estimator[:, frame], error[:, frame])[0] for frame in range(args.frames)])
        ends = np.median(estimator[:, [0, -1]], axis=0)
        overall = spearmanr(estimator.ravel(), error.ravel())[0]
        print(f"{name:13} {overall:9.2f} {alone:11.2f} {ends[0]:7.2f} {ends[1]:7.2f}")


if __name__ == "__main__":
    main()
