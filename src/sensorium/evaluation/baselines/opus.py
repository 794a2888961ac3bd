"""Opus (RFC 6716) at a given rate, as the libraries that read and write films come with it."""

from __future__ import annotations

import av
import numpy as np
from scipy.signal import resample_poly

RATES = (8000, 12000, 16000, 24000, 48000)  # of the sounds that it takes
BITS = (6000, 510000)  # a second
_DECODED = 48000  # samples a second, whatever went in
_PACKET = 960  # of these: 20 ms
_FULL_SCALE = 2**15  # of the 16-bit samples that it decodes to


def available(rate: int, bits: float) -> bool:
    """Whether Opus is there, and takes sounds of `rate` samples a second in `bits` a second."""
    try:
        av.codec.Codec("libopus", "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return rate in RATES and BITS[0] <= bits <= BITS[1]


def opus(waves: np.ndarray, rate: int, bits: float) -> tuple[np.ndarray, int]:
    """Sounds as they are heard after Opus at a constant rate, one after the other in one stream.

    Args:
        waves: float32 [n, S] in [-1, 1].
        rate: samples a second, one of `RATES`.
        bits: a second, at most; packets have whole bytes. Headers of a file are not counted.

    Returns:
        float32 [n, S], and the bits of all packets; one packet more than the sounds last, for Opus is late.
    """
    length, packets = _PACKET * rate // _DECODED, -(-waves.size * _DECODED // rate // _PACKET) + 1
    padded = np.pad(waves.reshape(-1), (0, packets * length - waves.size)).astype(np.float32)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "flt"
    encoder.bit_rate = int(bits * _PACKET / _DECODED / 8) * 8 * _DECODED // _PACKET
    encoder.options = {"vbr": "off"}
    encoder.open()
    stream = []
    for start in range(0, len(padded), length):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + length], format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        stream += encoder.encode(frame)
    stream = (stream + encoder.encode(None))[:packets]
    decoder = av.CodecContext.create("libopus", "r")
    decoder.layout, decoder.extradata = "mono", encoder.extradata  # they say how late it is
    heard = np.concatenate([part.to_ndarray().ravel() for packet in stream for part in decoder.decode(packet)])
    sounds = resample_poly(heard.astype(np.float32) / _FULL_SCALE, rate, _DECODED)[: waves.size]
    return sounds.reshape(waves.shape).clip(-1, 1), sum(8 * packet.size for packet in stream)
