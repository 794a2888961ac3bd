"""Sizes of music models by arithmetic: numbers of the networks, and bytes that programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config.counts import FLOAT, Counts, blocks, linear, vectors
from sensorium.music.cascade_config import CascadeConfig
from sensorium.music.config import RATE, MaskConfig, MusicSettings

BANDS = (*[3] * 16, *[4] * 12, *[8] * 12, *[16] * 8, *[32] * 8, *[56] * 8)  # bins of each band: all but the highest one
LATENTS = 128  # channels of latents
TAPS = 3  # frames that a layer looks at: one before, the frame itself, one after


def mask_network(config: MaskConfig) -> Counts:
    """`MaskNetwork`."""
    width, bands = config.width, len(BANDS)
    total = vectors(width)
    for _ in range(config.layers):
        total += vectors(width, 2) + linear(TAPS * width, 2 * width) + linear(2 * width, width)
        total += linear(bands, bands) + linear(bands, bands)
    for bins in BANDS:
        total += linear(TAPS * bins, width) + linear(width + TAPS * bins, 2 * width) + linear(2 * width, bins)
    return total


def cascade(config: CascadeConfig) -> Counts:
    """`Cascade`."""
    dim, total = config.dim, Counts()
    for sounds in (2, 3):
        total += linear(TAPS * sounds * LATENTS, dim) + blocks(config, config.layers) + vectors(dim)
        total += linear(dim + sounds * LATENTS, 2 * dim)
        total += linear(2 * dim, 3 * LATENTS) + linear(2 * dim, 3 * LATENTS)
    return total


def models(settings: MusicSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    return {"music/mask": mask_network(settings.music.mask), "music/cascade": cascade(settings.music.cascade)}


def held(settings: MusicSettings) -> dict[str, int]:
    """Rule -> bytes of the sounds that it holds on the host: four stems of each pair, and some answers."""
    judged = settings.evaluations
    each = {
        "music_transfer": (judged.music_transfer.pairs, judged.music_transfer.seconds),
        "cascade_transfer": (judged.cascade_transfer.pairs, judged.cascade_transfer.seconds),
    }
    return {rule: FLOAT * 24 * pairs * round(RATE * seconds) for rule, (pairs, seconds) in each.items()}
