"""Voices: the damped sinusoids of a frame, found by matching pursuit, for reconstructions.

A voice sounds from the start of a slot of the frame to its end: A exp(-d m) cos(w m + p), m samples after that start.
The pursuit (Mallat and Zhang 1993, "Matching pursuits with time-frequency dictionaries"; damped: Goodwin and Vetterli
1999) adds the voice that explains most of what is left, fits it by Gauss-Newton, and goes on until the next one would
not be worth its bits. Then all are fitted together, frequencies and decays rounded, amplitudes solved for once more.
Layouts: R frames of F samples, V voices a frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SLOTS = 10  # of a frame, in which a voice begins; the impacts of the playroom begin in such steps
FREQUENCY, DECAY = 2000, 6  # steps of an e-fold
LEVEL, PHASES = 1.0, 48  # dB of a step; steps of a turn
FIELDS = ("slot", "frequency", "decay", "level", "phase")
ABSENT = -(2**31)  # code of the slot of a voice that is not there
_TIMES = (0.08, 0.3, 1.2, 8.0)  # frames in which the damped sinusoids of the search fall to 1 / e
_FASTEST, _SLOWEST = 20.0, 16000.0  # samples of a decay
_LOWEST, _HIGHEST = 0.01, 3.1  # radians a sample
_FFT = 1024
_RIDGE = 1e-3
_ROWS = 64  # frames a pass


class Fit:
    """Voices of some frames, and what they leave: slot, frequency, damping, float [R, V], amplitude complex [R, V]."""

    def __init__(self, slot: Tensor, frequency: Tensor, damping: Tensor, there: Tensor) -> None:
        self.slot, self.frequency, self.damping, self.there = slot, frequency, damping, there

    def waves(self, samples: int) -> Tensor:
        """Voices of amplitude 1, complex64 [R, V, F]."""
        time = torch.arange(samples, device=self.slot.device) - self.slot[..., None]
        size = torch.exp(-self.damping[..., None] * time.clamp_min(0)) * ((time >= 0) & self.there[..., None])
        return torch.polar(size, self.frequency[..., None] * time.clamp_min(0))

    def solve(self, frames: Tensor, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitudes [R, V] with the least squared error of frames [R, F], and that error [R, F]."""
        basis = torch.cat([waves.real, -waves.imag], dim=1)
        real, imaginary = _least_squares(basis, frames, _RIDGE).chunk(2, dim=1)
        return torch.complex(real, imaginary), frames - (torch.cat([real, imaginary], 1)[:, None] @ basis)[:, 0]

    def refine(self, frames: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Gauss-Newton steps on frequencies and dampings, each kept where it helps; amplitudes and what is left."""
        samples = frames.shape[1]
        waves = self.waves(samples)
        amplitude, left = self.solve(frames, waves)
        time = torch.arange(samples, device=frames.device)
        for _ in range(steps):
            sounding = waves * amplitude[..., None]
            slope = (time - self.slot[..., None]).clamp_min(0) * sounding
            basis = torch.cat([waves.real, -waves.imag, -slope.imag, -slope.real], dim=1)
            _, _, turn, damp = _least_squares(basis, left, 1e-2).chunk(4, dim=1)
            changed = Fit(
                self.slot,
                (self.frequency + turn.clamp(-3 / samples, 3 / samples)).clamp(_LOWEST, _HIGHEST),
                (self.damping * (damp / self.damping).clamp(-0.5, 0.5).exp()).clamp(1 / _SLOWEST, 1 / _FASTEST),
                self.there,
            )
            new = changed.waves(samples)
            other, rest = changed.solve(frames, new)
            better = rest.square().sum(1) < left.square().sum(1)
            self.frequency = torch.where(better[:, None], changed.frequency, self.frequency)
            self.damping = torch.where(better[:, None], changed.damping, self.damping)
            amplitude, left = (torch.where(better[:, None], a, b) for a, b in ((other, amplitude), (rest, left)))
            waves = torch.where(better[:, None, None], new, waves)
        return amplitude, left


def find(frames: Tensor, count: int, worth: float) -> Tensor:
    """Voices of frames.

    Args:
        frames: [R, F].
        count: V, at most.
        worth: sum of squares that a voice must explain.

    Returns:
        codes int64 [R, V, 5], in the order of FIELDS.
    """
    parts = [_find(part, count, worth) for part in frames.float().split(_ROWS)]
    return torch.cat(parts)


def sound(codes: Tensor, samples: int) -> Tensor:
    """Codes int64 [R, V, 5] -> frames float32 [R, F]."""
    parts = []
    for part in codes.split(_ROWS):
        fit, level, phase = _decoded(part, samples)
        waves = fit.waves(samples)
        parts.append((torch.polar(10 ** (level / 20), phase)[..., None] * waves).real.sum(1))
    return torch.cat(parts)


def _find(frames: Tensor, count: int, worth: float) -> Tensor:
    rows, samples = frames.shape
    slot, frequency, damping = (frames.new_full((rows, count), value) for value in (0.0, 0.2, 1e-3))
    fit = Fit(slot, frequency, damping, torch.zeros_like(slot, dtype=torch.bool))
    left, going = frames.clone(), torch.arange(rows, device=frames.device)
    envelopes = _envelopes(samples, frames.device)
    for number in range(count):
        going = going[left[going].square().sum(1) > worth]
        if not len(going):
            break
        one = _best(left[going], envelopes)
        rest = one.refine(left[going], 3)[1]
        good = left[going].square().sum(1) - rest.square().sum(1) > worth
        going = going[good]
        left[going] = rest[good]
        for name in ("slot", "frequency", "damping", "there"):
            getattr(fit, name)[going, number] = getattr(one, name)[good, 0]
    fit.refine(frames, 3)
    codes = torch.stack([_coded(fit, samples, name) for name in FIELDS[:3]], dim=-1)
    rounded, _, _ = _decoded(torch.nn.functional.pad(codes, (0, 2)), samples)
    amplitude, _ = rounded.solve(frames, rounded.waves(samples))
    level = torch.round(20 * torch.log10(amplitude.abs().clamp_min(1e-6)) / LEVEL).long()
    phase = torch.round(amplitude.angle() * PHASES / (2 * math.pi)).long() % PHASES
    return torch.cat([codes, level[..., None], phase[..., None]], dim=-1)


def _envelopes(samples: int, device: torch.device) -> Tensor:
    """Envelopes of the search, float32 [slots, times, F]."""
    starts = torch.round(torch.arange(SLOTS, device=device) * samples / SLOTS)
    time = torch.arange(samples, device=device) - starts[:, None, None]
    falls = torch.tensor(_TIMES, device=device)[:, None] * samples
    return torch.exp(-time.clamp_min(0) / falls) * (time >= 0)


def _best(left: Tensor, envelopes: Tensor) -> Fit:
    """The damped sinusoid of the search that explains most of each frame."""
    slots, times, samples = envelopes.shape
    size = max(_FFT, 2 ** math.ceil(math.log2(samples)))
    spectrum = torch.fft.rfft(left[:, None, None] * envelopes, n=size)
    power = (spectrum.real.square() + spectrum.imag.square()) / envelopes.square().sum(-1)[..., None]
    power[..., :3] = 0  # what is nearly constant over the frame
    best = power.flatten(1).argmax(1)
    bins = size // 2 + 1
    slot, time = best // (bins * times), best // bins % times
    falls = torch.tensor(_TIMES, device=left.device)[time] * samples
    frequency = (best % bins * (2 * math.pi / size)).clamp(_LOWEST, _HIGHEST)
    start = torch.round(slot * samples / slots)
    there = torch.ones_like(start[:, None], dtype=torch.bool)
    return Fit(start[:, None], frequency[:, None], 1 / falls[:, None], there)


def _coded(fit: Fit, samples: int, name: str) -> Tensor:
    if name == "slot":
        return torch.where(fit.there, torch.round(fit.slot * SLOTS / samples).long(), ABSENT)
    if name == "frequency":
        return torch.round(fit.frequency.log() * FREQUENCY).long()
    return torch.round(fit.damping.log() * DECAY).long()


def _decoded(codes: Tensor, samples: int) -> tuple[Fit, Tensor, Tensor]:
    """Codes -> voices without amplitudes, levels in dB, and phases."""
    slot, frequency, decay, level, phase = codes.unbind(-1)
    there = slot != ABSENT
    start = torch.round(torch.where(there, slot, 0) * samples / SLOTS)
    fit = Fit(start, (frequency / FREQUENCY).exp(), (decay / DECAY).exp(), there)
    return fit, level * LEVEL, phase * (2 * math.pi / PHASES)


def _least_squares(basis: Tensor, target: Tensor, ridge: float) -> Tensor:
    """Weights [R, n] of the rows of basis [R, n, F] that give target [R, F], with a ridge relative to the diagonal."""
    products = basis @ basis.mT
    diagonal = products.diagonal(dim1=-2, dim2=-1).clamp_min(1e-3)
    return torch.linalg.solve(products + torch.diag_embed(ridge * diagonal), (basis @ target[..., None]))[..., 0]
