"""True frames, harmed as dreams harm them: what a second pass learns to mend.

Seen in dreams of copied frames: a body that is felt is lost, drawn beside its place or drawn twice; what turns is
smeared; the first frame shows through; contrasts grow; colours wander; streaks and grain spread over the background.

Layouts: B windows of T frames, R = B T, c channels, S x S pixels. Places are (x, y), from -1 to 1 across the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.randomness import Draw

_LOST = 0.45  # share of the frames in which other content stands where the body is felt
_DISC = (0.15, 0.4)  # least and largest radius of that, of half the picture
_SMEAR = 0.1  # largest displacement, of half the picture
_CONTRAST = (0.7, 1.6)  # least and largest factor
_TINT, _STREAKS, _GRAIN = 0.06, 0.1, 0.03  # deviations, of full scale
_COARSE = (5, 5, 6, 6)  # rows and columns of the noise that bounds where a frame is smeared, ... streaked
_WHERE = (0.4, 0.3, 0.25, 0.2)  # of that noise, below which it is
_WAVES = 6  # rows and columns of the noise that displaces
_REMAINS, _THROUGH = 0.5, 0.3  # share of the frames in which the scene shows through, and of the picture there
_FAINTEST, _STRONGEST = 0.1, 0.7  # how much of it
_SURROUNDINGS = 5  # rows and columns of pixels about which contrasts grow


def harmed(frames: Tensor, places: Tensor | None, scene: Tensor, draw: Draw) -> Tensor:
    """Frames of windows, each harmed in its own way.

    Args:
        frames: [B, T, c, S, S] in [0, 1].
        places: where the body is felt, [B, T, 2]; None: anywhere.
        scene: an earlier frame of each window's recording, [B, c, S, S].
        draw: of the windows.

    Returns:
        [R, c, S, S].
    """
    time, flat = frames.shape[1], frames.flatten(0, 1)
    chance = partial(_drawn, draw.uniform, time)
    bell = partial(_drawn, draw.normal, time)
    if places is None:
        places = 2 * draw.uniform("harmed place", time, 2) - 1
    harm = _lose(frames, places.flatten(0, 1), chance)
    smear, contrast, tint, streak = (
        (_smooth(chance(f"where {number}", 1, cells, cells), flat.shape[-1]) < share).float()
        for number, (cells, share) in enumerate(zip(_COARSE, _WHERE, strict=True))
    )
    far = _SMEAR * chance("how far", 1, 1, 1)
    both = [_displaced(harm, far * bell(f"waves {number}", 2, _WAVES, _WAVES)) for number in range(2)]
    harm = torch.lerp(harm, (both[0] + both[1]) / 2, smear)
    faint = _FAINTEST + (_STRONGEST - _FAINTEST) * chance("how faint", 1, 1, 1)
    blobs = _smooth(chance("where it remains", 1, _COARSE[-1], _COARSE[-1]), flat.shape[-1]) < _THROUGH
    remains = blobs * (chance("remains", 1, 1, 1) < _REMAINS) * faint
    harm = torch.lerp(harm, scene.repeat_interleave(time, dim=0), remains)
    least, largest = _CONTRAST
    factor = least + (largest - least) * chance("factor", 1, 1, 1)
    around = F.avg_pool2d(harm, _SURROUNDINGS, stride=1, padding=_SURROUNDINGS // 2)
    harm = harm + contrast * (factor - 1) * (harm - around)
    harm = harm + tint * _TINT * bell("tint", flat.shape[1], 1, 1)
    along = bell("streaks", flat.shape[1], flat.shape[-1], 1)
    along = torch.where(chance("upright", 1, 1, 1) < 0.5, along, along.transpose(-1, -2))
    harm = harm + streak * _STREAKS * along
    return harm + _GRAIN * chance("grainy", 1, 1, 1) * bell("grain", *flat.shape[1:])


def _drawn(numbers: Callable[..., Tensor], time: int, name: str, *shape: int) -> Tensor:
    """Random numbers for each frame of the windows, [R, *shape]."""
    return numbers(f"harm: {name}", time, *shape).flatten(0, 1)


def _lose(frames: Tensor, places: Tensor, chance: Callable[..., Tensor]) -> Tensor:
    """Frames [R, c, S, S], in some of which a disc near the felt place shows another frame of the window.

    That frame has the body elsewhere, or another one here: it is lost, doubled, or stands beside its place.
    """
    flat = frames.flatten(0, 1)
    others = frames.roll(frames.shape[1] // 2, dims=1).flatten(0, 1)
    size, (least, largest) = flat.shape[-1], _DISC
    axis = (torch.arange(size, device=flat.device) + 0.5) / size * 2 - 1
    centre = places + 0.3 * (chance("beside", 2) - 0.5)
    radius = least + (largest - least) * chance("radius", 1, 1, 1)
    across, down = (axis - centre[:, :1]).square(), (axis - centre[:, 1:]).square()
    disc = (down[:, None, :, None] + across[:, None, None, :]) < radius.square()
    lost = (chance("lost", 1, 1, 1) < _LOST) * (0.5 + 0.5 * chance("how much", 1, 1, 1))
    return torch.lerp(flat, others, disc * lost)


def _smooth(coarse: Tensor, size: int) -> Tensor:
    return F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)


def _displaced(pictures: Tensor, by: Tensor) -> Tensor:
    """Pictures [R, c, S, S], displaced by a coarse field [R, 2, n, n], in units of half the picture."""
    size = pictures.shape[-1]
    axis = (torch.arange(size, device=pictures.device) + 0.5) / size * 2 - 1
    still = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    field = _smooth(by, size).movedim(1, -1)
    return F.grid_sample(pictures, still + field, padding_mode="border", align_corners=False)
