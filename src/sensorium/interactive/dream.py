"""Dream on from a recording's first frames and write a film of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.evaluation.films import KINDS, write_dream
from sensorium.interactive.actions import POLICIES, plan, read_actions
from sensorium.interactive.comparison import FEWEST, USUAL, check_arguments, compare
from sensorium.interactive.film import dream_on
from sensorium.interactive.parts import DreamParts, add_arguments, positive, settings
from sensorium.progress import say

FRAMES = 64  # dreamed if neither the recording nor a file of actions gives their number


def main(argv: list[str]) -> None:
    """Run `sensorium dream`."""
    parser = argparse.ArgumentParser(prog="sensorium dream", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("dream.mp4"), metavar="FILE", help=".mp4 or .gif (%(default)s)"
    )
    parser.add_argument("--recording", metavar="NAME", help="what to begin with; default: the first one for tests")
    parser.add_argument(
        "--frames", type=positive, metavar="N", help=f"frames to dream; default: all actions, or {FRAMES}"
    )
    steering = parser.add_mutually_exclusive_group()
    steering.add_argument(
        "--actions", type=Path, metavar="FILE", help=".npy or .json: what leads to each dreamed frame"
    )
    steering.add_argument("--policy", choices=POLICIES, default="recorded", help="default: %(default)s")
    parser.add_argument(
        "--compare",
        action="store_true",
        help=f"four films side by side: the recording, dreams with K = {FEWEST} and K = {USUAL}, and persistence",
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.output.suffix.lower() not in KINDS:
        raise ConfigurationError(f"--output {args.output}: a film is one of {', '.join(KINDS)}; give it such an ending")
    if args.compare:
        check_arguments(args)
    say("loading recordings and models")
    parts = DreamParts.open(args)
    name = args.recording or parts.names()[0]
    parts.begin(name, args.context)  # reports a wrong name before the first pass, which may compile for a minute
    if args.compare:
        compare(args, parts, name)
        return
    moves = actions_of(args, parts, name)
    frames = args.frames or (FRAMES if moves is None else len(moves))
    pictures, sound, felt = dream_on(parts, name, moves, frames, settings(args))
    write_dream(args.output, pictures, args.context, sound, parts.rates, felt)
    say(f"{args.output}: {args.context} frames of {name}, then {frames} dreamed ones")


def actions_of(args: argparse.Namespace, parts: DreamParts, name: str) -> np.ndarray | None:
    """Actions of the dreamed frames, float32 [T, A] or int64 [T]; None if the dynamics know no actions.

    Raises:
        ConfigurationError: if there are fewer than --frames asks for.
    """
    if args.actions is not None:
        moves = read_actions(args.actions, parts.action)
        if len(moves) < (args.frames or 1):
            raise ConfigurationError(f"--actions {args.actions}: {len(moves)} actions for --frames {args.frames or 1}")
        return moves[: args.frames]
    recorded = parts.latents.field(name, "action") if parts.action is not None else None
    frames = args.frames or FRAMES
    if args.frames is None and args.policy == "recorded":
        frames = max(1, parts.latents.frames(name) - args.context)
    return plan(args.policy, parts.action, recorded, args.context, frames, args.seed)
