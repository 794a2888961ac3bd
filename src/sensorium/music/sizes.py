"""Sizes of music models by arithmetic: numbers of the networks, and bytes that programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config.counts import FLOAT, Counts, blocks, linear, vectors
from sensorium.config.critic import SoundCriticConfig
from sensorium.music.cascade_config import CascadeConfig
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


def cascade(config: CascadeConfig) -> Counts:
    """`Cascade`."""
    dim, total = config.dim, Counts()
    for sounds in (2, 3):
        total += linear(TAPS * sounds * LATENTS, dim) + blocks(config, config.layers) + vectors(dim)
        total += linear(dim + sounds * LATENTS, 2 * dim)
        total += linear(2 * dim, 3 * LATENTS) + linear(2 * dim, 3 * LATENTS)
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


def strided_units(kind: str) -> tuple[tuple[int, ...], int, int]:
    """Of seanet and dac: dilations of the units at each stride, their kernel, and that of the layer to the latents."""
    return ((1, 3, 9), 7, 3) if kind == "dac" else ((1,), 3, 7)


def strided_codec(config: CodecConfig) -> Counts:
    """`StridedCodec`: encoder and decoder."""
    dilations, kernel, ends = strided_units(config.kind)
    snakes, width = config.kind == "dac", config.channels
    total = linear(7, width) + linear(7 * width, 1) + vectors(snakes * width)
    for stride in config.preset.strides:
        hidden = width if snakes else width // 2
        unit = linear(kernel * width, hidden) + linear(hidden, width) + vectors(snakes * (width + hidden))
        for _ in range(2 * len(dilations)):
            total += unit
        total += linear(2 * stride * width, 2 * width) + linear(2 * stride * 2 * width, width)
        total += vectors(snakes * 3 * width)
        width *= 2
    total += vectors(LATENTS)
    return total + vectors(snakes * width) + linear(ends * width, LATENTS) + linear(7 * LATENTS, width)


def codec_quantiser(config: CodecQuantiserConfig) -> Counts:
    """`LatentQuantiser`."""
    if config.kind == "none":
        return Counts()
    width = config.channels if config.kind == "fsq" else config.dim
    words = vectors(width, config.stages * config.words) if config.kind == "rvq" else Counts()
    return linear(LATENTS, width) + linear(width, LATENTS) + words


def music_codec(config: CodecConfig) -> Counts:
    """`MusicCodec`."""
    network = mdct_codec(config) if config.kind == "mdct" else strided_codec(config)
    return network + codec_quantiser(config.quantiser)


def sound_critic(config: SoundCriticConfig) -> Counts:
    """`SoundCritic`: a critic has no average, and is no part of the model."""
    wide, small = 27 * config.channels, 9 * config.channels  # numbers that a kernel sees
    one = linear(27 * 2, config.channels) + linear(small, config.channels) + linear(small, 1)
    for _ in range(3):
        one += linear(wide, config.channels)
    return Counts(rivals=len(config.ffts) * one.parameters)


def models(settings: MusicSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    own = settings.music
    return {
        "music/mask": mask_network(own.mask),
        "music/cascade": cascade(own.cascade),
        "music/codec": music_codec(own.codec),
    }


def learners(settings: MusicSettings) -> dict[str, Counts]:
    """The same folders -> numbers of the learner: the codec's has a critic, and how large gradients were."""
    known, codec = models(settings), settings.music.codec
    shares = [list(codec.shares.model_dump().values())]
    if codec.critic:
        known["music/codec"] += sound_critic(codec.critic)
        shares.append([codec.critic.weight, codec.critic.matching])
    for each in shares:
        known["music/codec"] += Counts(buffers=1 + sum(share > 0 for share in each))
    return known


def held(settings: MusicSettings) -> dict[str, int]:
    """Rule -> bytes of the sounds that it holds on the host: stems, mixtures, and the answers to them."""
    judged, coded = settings.evaluations, settings.evaluations.sound_coding
    by_mask, in_latents = judged.music_transfer, judged.cascade_transfer
    return {
        "music_transfer": FLOAT * 24 * by_mask.pairs * round(RATE * by_mask.seconds),
        "cascade_transfer": FLOAT * 24 * in_latents.pairs * round(RATE * in_latents.seconds),
        "sound_coding": FLOAT * (30 * coded.songs + 600) * round(RATE * coded.seconds),
    }
