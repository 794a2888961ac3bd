"""One film of what was recorded, of dreams of few and of more denoising steps, and of persistence, side by side."""

from __future__ import annotations

import argparse

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.evaluation.films import write_comparison
from sensorium.interactive.film import dream_on
from sensorium.interactive.parts import DreamParts, settings
from sensorium.progress import say

FEWEST, USUAL = 1, 4  # denoising steps of the two dreams


def compare(args: argparse.Namespace, parts: DreamParts, name: str) -> None:
    """Write the film that `sensorium dream --compare` asks for: one context, the recorded actions, one noise seed.

    Raises:
        ConfigurationError: if the recording does not show what should have been dreamed.
    """
    frames = _frames_with_truth(args, parts, name)
    end = args.context + frames
    moves = None if parts.action is None else parts.latents.field(name, "action")[args.context : end]
    dreams = {
        steps: dream_on(parts, name, moves, frames, settings(args) | {"denoising_steps": steps})
        for steps in (FEWEST, USUAL)
    }
    recorded = parts.recordings.field(name, "video")[:end]
    panels = {
        "recorded": recorded,
        **{f"dream, K = {steps}": pictures for steps, (pictures, *_) in dreams.items()},
        "persistence": recorded[np.minimum(np.arange(end), args.context - 1)],
    }
    sound = dreams[USUAL][1]
    write_comparison(args.output, panels, args.context, sound, parts.rates)
    heard = "" if sound is None or args.output.suffix.lower() == ".gif" else f"; the sound is that of K = {USUAL}"
    say(f"{args.output}: {args.context} frames of {name}, then {frames} of {', '.join(panels)}{heard}")


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse actions that nobody recorded, for there is no truth to compare their dream with, and other steps.

    Raises:
        ConfigurationError: if the arguments ask for such actions, or for a number of denoising steps.
    """
    if args.denoising_steps != FEWEST:
        raise ConfigurationError(
            f"--compare --denoising-steps {args.denoising_steps}: the film shows {FEWEST} and {USUAL}; "
            "leave --denoising-steps out, or --compare"
        )
    for flag, value, recorded in (("actions", args.actions, None), ("policy", args.policy, "recorded")):
        if value != recorded:
            raise ConfigurationError(
                f"--compare --{flag} {value}: the recording shows only what followed its own actions; "
                f"leave --{flag} out, or --compare"
            )


def _frames_with_truth(args: argparse.Namespace, parts: DreamParts, name: str) -> int:
    """How many frames are dreamed beside the recording."""
    left = parts.latents.frames(name) - args.context
    if left < (args.frames or 1):
        asked = f"--context {args.context}" if left < 1 else f"--frames {args.frames}"
        raise ConfigurationError(
            f"--compare {asked}: recording {name} goes on for {left} frames after its context, and nothing shows what "
            f"came then; ask for {'a shorter context' if left < 1 else 'fewer'}, or leave --compare out"
        )
    return args.frames or left
