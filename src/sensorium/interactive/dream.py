"""Dream on from a recording's first frames and write a film of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sensorium.config import ConfigurationError
from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation.films import write_dream
from sensorium.interactive.actions import POLICIES, plan, read_actions
from sensorium.interactive.session import Session
from sensorium.interactive.world import World, add_arguments, positive, settings

FRAMES = 64  # dreamed where neither the recording nor a file says how many


def main(argv: list[str]) -> None:
    """Run `sensorium dream`."""
    parser = argparse.ArgumentParser(prog="sensorium dream", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dream.mp4"), metavar="MP4", help="default: %(default)s")
    parser.add_argument("--recording", metavar="NAME", help="what to begin with; default: the first one for tests")
    parser.add_argument(
        "--frames", type=positive, metavar="N", help=f"frames to dream; default: all actions, or {FRAMES}"
    )
    steering = parser.add_mutually_exclusive_group()
    steering.add_argument(
        "--actions", type=Path, metavar="FILE", help=".npy or .json: what leads to each dreamed frame"
    )
    steering.add_argument("--policy", choices=POLICIES, default="recorded", help="default: %(default)s")
    add_arguments(parser)
    args = parser.parse_args(argv)
    world = World.open(args)
    name = args.recording or world.names()[0]
    world.begin(name, args.context)  # what is wrong is said before the first pass, which may compile for a minute
    moves = actions_of(args, world, name)
    session = Session(world, name, **settings(args))
    count = FRAMES if moves is None else len(moves)
    moments = [session.step(None if moves is None else moves[frame]) for frame in range(args.frames or count)]
    pictures = np.concatenate([session.beginning.pictures, np.stack([moment.picture for moment in moments])])
    sound = None
    if session.beginning.sound is not None:
        heard = [session.beginning.sound, *(moment.sound for moment in moments if moment.sound is not None)]
        sound = to_sounds(torch.from_numpy(np.concatenate(heard))).numpy()
    write_dream(args.output, pictures, args.context, sound, world.rates)
    print(f"{args.output}: {args.context} frames of {name}, then {len(moments)} dreamed ones")


def actions_of(args: argparse.Namespace, world: World, name: str) -> np.ndarray | None:
    """Actions of the dreamed frames, float32 [T, A] or int64 [T]; None where there are none.

    Raises:
        ConfigurationError: if there are fewer than --frames asks for.
    """
    if args.actions is not None:
        moves = read_actions(args.actions, world.action)
        if len(moves) < (args.frames or 1):
            raise ConfigurationError(f"--actions {args.actions}: {len(moves)} actions for --frames {args.frames or 1}")
        return moves[: args.frames]
    recorded = world.latents.field(name, "action") if world.action is not None else None
    frames = args.frames or FRAMES
    if args.frames is None and args.policy == "recorded":
        frames = max(1, world.latents.frames(name) - args.context)
    return plan(args.policy, world.action, recorded, args.context, frames, args.seed)
