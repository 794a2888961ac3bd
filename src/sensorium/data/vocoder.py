"""A phase vocoder, which changes pitch, tempo and formants of sounds independently.

Layouts: B batch, S samples of sound, K frames of a spectrum, Q frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SPECTRUM = 256  # samples of the vocoder's window; short, so that impacts stay sharp
DETAIL = 20  # cepstral coefficients of an envelope: a pitch below rate / 20 leaves no trace in it
LARGEST_GAIN = 4.0  # nepers, up or down, of a band when formants move


def change_voice(sounds: Tensor, semitones: Tensor, tempo: Tensor, formants: Tensor | None = None) -> Tensor:
    """Change pitch, tempo and formants of each sound independently.

    A phase vocoder (Flanagan & Golden 1966) first changes the duration by pitch / tempo without changing the pitch;
    resampling by the pitch ratio then changes both. Between neighbouring frames the phase advances as in the source.
    Analysis and synthesis hop are equal, so the advance is a product of unit phasors and needs no unwrapping.

    Args:
        sounds: float [B, S].
        semitones: [B]; 12 doubles every frequency. On the CPU, where the largest can be read while a GPU computes.
            Tempo and formants may be there too.
        tempo: [B]; 2 plays twice as fast.
        formants: [B], shift of the spectral envelope in semitones; None: as much as the pitch.

    Returns:
        float [B, S]: the first S samples, padded with silence.
    """
    length, hop = sounds.shape[1], SPECTRUM // 2
    highest = float(2 ** (semitones.abs().max() / 12))
    semitones, tempo = (part.to(sounds.device, non_blocking=True) for part in (semitones, tempo))
    pitch = 2 ** (semitones / 12)
    window = torch.hann_window(SPECTRUM, device=sounds.device)
    spectrum = torch.stft(sounds, SPECTRUM, hop, window=window, return_complex=True, pad_mode="constant")  # [B, Q, K]
    if formants is not None:
        spectrum = spectrum * formant_gain(
            spectrum.abs(), 2 ** (formants.to(sounds.device, non_blocking=True) / 12) / pitch
        )
    frames = spectrum.shape[2]
    count = math.ceil(length * highest / hop) + 2
    position = torch.arange(count, device=sounds.device) * (tempo / pitch)[:, None]  # [B, count], in source frames
    spectrum = F.pad(spectrum, (0, 2))
    before = position.floor().long().clamp(max=frames)
    fraction = (position - before).clamp(0, 1)[:, None]
    magnitude = spectrum.abs()
    phasor = spectrum / magnitude.clamp_min(1e-9)
    phasor = torch.where(magnitude > 1e-9, phasor, torch.ones_like(phasor))
    turn = phasor[:, :, 1:] * phasor[:, :, :-1].conj()

    def pick(values: Tensor, index: Tensor) -> Tensor:
        return values.gather(2, index[:, None].expand(-1, values.shape[1], -1))

    loudness = pick(magnitude, before) * (1 - fraction) + pick(magnitude, before + 1) * fraction
    turns = torch.cat([phasor[:, :, :1], pick(turn, before)[:, :, :-1]], dim=2)
    phase = torch.cumprod(turns, dim=2)
    return interpolate(
        overlap_add(loudness * phase, window), torch.arange(length, device=sounds.device) * pitch[:, None]
    )


def overlap_add(spectrum: Tensor, window: Tensor) -> Tensor:
    """Sounds [B, (K - 1) hop] of spectra [B, Q, K] whose frames overlap by half, hop = SPECTRUM / 2.

    The inverse of `torch.stft`, with the bits of `torch.istft`, which reads a number back from the device at each call.
    """
    frames = torch.fft.irfft(spectrum.transpose(1, 2), SPECTRUM) * window
    (begin, end), (rise, fall) = frames.chunk(2, dim=2), window.square().chunk(2)
    return ((begin[:, 1:] + end[:, :-1]) / (rise + fall)).flatten(1)


def formant_gain(magnitude: Tensor, ratio: Tensor) -> Tensor:
    """Gain that shifts the envelope of spectra [B, Q, K] up by `ratio` [B] without moving their partials.

    The envelope is the log spectrum, smoothed by keeping its first cepstral coefficients (Oppenheim 1969).
    """
    cepstrum = torch.fft.irfft((magnitude + 1e-5).log(), dim=1)
    slow = torch.zeros(cepstrum.shape[1], device=magnitude.device)
    slow[:DETAIL], slow[1 - DETAIL :] = 1.0, 1.0
    envelope = torch.fft.rfft(cepstrum * slow[None, :, None], dim=1).real
    last = envelope.shape[1] - 1
    source = (torch.arange(last + 1, device=magnitude.device) / ratio[:, None]).clamp(max=last)
    before = source.floor().long().clamp(max=last - 1)
    part = (source - before)[..., None]

    def at(index: Tensor) -> Tensor:
        return envelope.gather(1, index[..., None].expand(-1, -1, envelope.shape[2]))

    moved = at(before) * (1 - part) + at(before + 1) * part
    return (moved - envelope).clamp(-LARGEST_GAIN, LARGEST_GAIN).exp()


def interpolate(sounds: Tensor, place: Tensor) -> Tensor:
    """Sounds [B, S] at fractional samples `place` [B, N], by Catmull-Rom interpolation; silence beyond the end."""
    inside = place < sounds.shape[1]
    before = place.floor().long()
    x = (place - before).to(sounds.dtype)
    padded = F.pad(sounds, (1, 3))

    def at(offset: int) -> Tensor:
        return padded.gather(1, (before + offset).clamp(0, padded.shape[1] - 1))

    a, b, c, d = at(0), at(1), at(2), at(3)  # samples n-1, n, n+1, n+2, because of the padding
    value = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
    return value * inside
