"""What a setting of sound must satisfy, asked by the models that are built with it and by the check of the settings."""

from __future__ import annotations

import math

from sensorium.config.section import ConfigurationError

COLUMNS = 4  # columns of the log-mel spectrogram in a video frame
KNEE = 0.0875  # of the highest frequency: fixed bands are of equal width below, of equal ratio above; 700 Hz at 16 kHz
SHORTEST_PART = 32  # samples of a part of a frame that has a level of its own
SHORTEST_HOP, LONGEST_HOP = 16, 64  # samples a column of tokens: less than a period of most tones, which keeps phases


def fft_size(samples_per_frame: int) -> int:
    """Samples of the window of the log-mel spectrogram: the next power of two."""
    return 2 ** math.ceil(math.log2(samples_per_frame))


def check_bands(mels: int, sample_rate: int, samples_per_frame: int) -> None:
    """Refuse a log-mel spectrogram with a band that is so narrow that no frequency falls into it.

    Raises:
        ConfigurationError: if there is one, or columns are no whole number of samples.
    """
    if samples_per_frame % COLUMNS:
        raise ConfigurationError(f"samples_per_frame is {samples_per_frame}: it must be a multiple of {COLUMNS}")
    step, highest = sample_rate / fft_size(samples_per_frame), 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = [700 * (10 ** (highest * place / (mels + 1) / 2595) - 1) for place in range(mels + 2)]
    empty = sum(
        math.floor(low / step) + 1 >= math.ceil(high / step) for low, high in zip(edges, edges[2:], strict=False)
    )
    if empty:
        raise ConfigurationError(
            f"encoders.audio.mels is {mels}: {empty} bands hold no frequency at {sample_rate} Hz; take fewer"
        )


def hop_of(tokens: int, samples_per_frame: int) -> int:
    """Samples of a column where a frame of sound becomes so many tokens: as many as divide a token's share.

    Raises:
        ConfigurationError: if a frame cannot be divided into tokens, or a token's share into columns.
    """
    share, rest = divmod(samples_per_frame, tokens)
    hops = [hop for hop in range(SHORTEST_HOP, LONGEST_HOP + 1) if share and share % hop == 0]
    if rest or not hops:
        raise ConfigurationError(
            f"tokenizers.audio.tokens is {tokens}: a frame of {samples_per_frame} samples must fall into "
            f"that many parts, and a part into columns of {SHORTEST_HOP} to {LONGEST_HOP} samples"
        )
    return hops[-1]


def band_places(count: int) -> list[float]:
    """Centres of fixed bands of sound, as shares of the highest frequency, evenly spaced on the mel scale's shape."""
    top = math.log1p(1 / KNEE)
    return [KNEE * math.expm1((band + 0.5) / count * top) for band in range(count)]


def check_fixed_bands(count: int, tokens: int, samples_per_frame: int) -> None:
    """Refuse fixed bands that are narrower than a bin of a frame's spectrum, and frames that tokens do not divide.

    Raises:
        ConfigurationError: naming the setting.
    """
    if samples_per_frame % tokens or samples_per_frame < SHORTEST_PART * tokens:
        raise ConfigurationError(
            f"tokenizers.audio.tokens is {tokens}: a frame of {samples_per_frame} samples must fall into that many "
            f"parts of at least {SHORTEST_PART} samples"
        )
    first, second = band_places(count)[:2]
    if (second - first) * (samples_per_frame // 2) < 1:
        raise ConfigurationError(
            f"tokenizers.audio.bands is {count}: the lowest bands hold no frequency of a frame of "
            f"{samples_per_frame} samples; take fewer"
        )
