"""Sizes of music models by arithmetic: numbers of the networks, and bytes that programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config.counts import FLOAT, Counts, linear, vectors
from sensorium.music.codec_config import LATENTS, CodecConfig, CodecQuantiserConfig
from sensorium.music.config import RATE, MaskConfig, MusicSettings

BANDS = (*[3] * 16, *[4] * 12, *[8] * 12, *[16] * 8, *[32] * 8, *[56] * 8)  # bins of each band: all but the highest one
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


def mdct_codec(config: CodecConfig) -> Counts:
    """`MdctCodec`."""
    width, hop = config.width, config.preset.hop
    layer = vectors(width) + linear(TAPS * width, 2 * width) + linear(2 * width, width)
    total = linear(2 * hop, width) + vectors(width) + linear(width, LATENTS)
    total += linear(LATENTS, width) + vectors(2 * width) + linear(2 * width, hop)
    for _ in range(2 * config.layers):
        total += layer
    return total


def codec_quantiser(config: CodecQuantiserConfig) -> Counts:
    """`LatentQuantiser`."""
    if config.kind == "none":
        return Counts()
    width = config.channels if config.kind == "fsq" else config.dim
    words = vectors(width, config.stages * config.words) if config.kind == "rvq" else Counts()
    return linear(LATENTS, width) + linear(width, LATENTS) + words


def music_codec(config: CodecConfig) -> Counts:
    """`MusicCodec`."""
    return mdct_codec(config) + codec_quantiser(config.quantiser)


def models(settings: MusicSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    return {"music/mask": mask_network(settings.music.mask), "music/codec": music_codec(settings.music.codec)}


def held(settings: MusicSettings) -> dict[str, int]:
    """Rule -> bytes of the sounds that it holds on the host: stems, mixtures, and the answers to them."""
    judged, coded = settings.evaluations.music_transfer, settings.evaluations.sound_coding
    return {
        "music_transfer": FLOAT * 24 * judged.pairs * round(RATE * judged.seconds),
        "sound_coding": FLOAT * (30 * coded.songs + 600) * round(RATE * coded.seconds),
    }
