"""Clips that are walked through in training: each frame dreamed after those that were dreamed before it.

Layouts: R clips, T frames, N tokens, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.generation.clips import Clips
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.config import LAST_FRAMES
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.fine_objective import guided
from sensorium.models.cache import rows_of


class Mended(NamedTuple):
    """Frames that came to a second pass.

    Attributes:
        dreamed: as they were dreamed, standardised video tokens, [R, N, C].
        own: where the dream has not left the truth, bool [R, N].
        number: of the frame in its clip.
    """

    dreamed: Tensor
    own: Tensor
    number: int


@torch.no_grad()
def walk(dynamics: Dynamics, clips: Clips, rows: Tensor, context: Tensor) -> tuple[Tensor, list[Mended]]:
    """Walk through some clips, bool [B] on the CPU, as a dream does: with a second pass where there is one.

    Where the picture leaves the truth it is put right (`guided`), so that the clip stays about its target; so is what
    is felt, since the way back to the truth is nothing that could be felt. So the glimpse of the body sense learns
    from dreamed pictures beside true numbers.

    Args:
        dynamics: with a fine path.
        clips: B of them; `dreamed` says which frames are.
        rows: clips to walk through.
        context: frames of all clips as they are read without dreams, [B, T, N, C].

    Returns:
        frames of the clips as they are read, [R, T, N, C], and those that came to a second pass.
    """
    fine = dynamics.fine
    assert fine is not None
    frames, clean, noise = (rows_of(part, rows) for part in (context, clips.clean, clips.dream_noise))
    blur, tau = rows_of(clips.context_noise, rows), rows_of(clips.context_tau, rows)
    chosen = rows_of(clips.dreamed, rows)
    action = None if clips.action is None else rows_of(clips.action, rows)
    labelled, scene = rows_of(clips.labelled[:, 0], rows), dynamics.encode_scene(rows_of(clips.scene, rows))
    memory, walked, mended = dynamics.remember(), [frames[:, :1]], []
    chosen[:, :LAST_FRAMES] = False  # a dream begins after as many true frames as the blocks see
    chosen = chosen.to(frames.device, non_blocking=True)[..., None, None]
    for number in range(1, frames.shape[1] - 1):
        pair = slice(number - 1, number + 1)
        levels = torch.cat([tau[:, [number - 1]], torch.zeros_like(tau[:, :1])], dim=1)
        moves = None if action is None else action[:, pair]
        given = Conditioning(levels, torch.full_like(levels, FINEST), moves, labelled, scene)
        pictures = torch.cat([walked[-1], noise[:, [number]]], dim=1)
        made = dynamics.stream(pictures, given, memory, keep=1, sharpness=clips.sharpness).tokens[:, 0]
        parts, truth = dynamics.split(made), clean[:, number]
        true, dreamed = dynamics.split(truth), parts["video"]
        if refined := number >= LAST_FRAMES and dynamics.paths.refines(number):
            parts = dynamics.split(dynamics.paths.refine(made, scene, clips.sharpness))
        parts["video"], left = guided(fine, parts["video"], true["video"])
        if refined:
            mended.append(Mended(dreamed, ~left, number))
        if "body" in parts:
            parts["body"] = true["body"]
        mixed = torch.where(chosen[:, number], torch.cat(list(parts.values()), dim=1), truth)[:, None]
        walked.append(dynamics.blur(mixed, blur[:, [number]], tau[:, [number]]))
    walked.append(frames[:, -1:])
    return torch.cat(walked, dim=1), mended
