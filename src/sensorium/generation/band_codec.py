"""Both tiers of a sound of fixed bands: the levels in whole steps, and the voices, as they would be stored.

Levels and voices say what sounds; noise is added where the voices do not reach the levels, but nowhere so loud that it
costs much of the signal-to-noise ratio: what is random there is an error twice.
Layouts: B sounds, T frames of F samples, K bands, N parts of a frame, V voices a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sensorium.generation import voices
from sensorium.generation.band_synthesis import Sounding
from sensorium.generation.band_tokenizer import BandTokenizer, decibels, energy
from sensorium.generation.sound_bands import QUIETEST

BAND_STEP, PART_STEP = 2.0, 0.75  # dB
VOICES = 8  # of a frame, at most
WORTH = 0.004  # of the mean energy of a training frame, that a voice must explain
LOUDEST = 0.0007  # of the mean square of training sounds, that noise in a band may have
LEAST = 0.1  # of the energy of a band, that is noise: voices begin and end with a frame, which sounds in all bands
CORRECTION = 3.0  # dB by which a frame may be louder or quieter than its voices and noise, to have its level


@dataclass(frozen=True)
class StoredSound:
    """Codes of sounds.

    Attributes:
        levels: steps of bands and parts, int64 [B, T, K + N].
        onset: bool [B, T].
        voices: int64 [B, T, V, 5].
    """

    levels: Tensor
    onset: Tensor
    voices: Tensor


def store(tokenizer: BandTokenizer, sounds: Tensor) -> StoredSound:
    """Sounds [B, S] of whole frames -> codes."""
    measured = tokenizer.measure(sounds)
    scaled = torch.cat([decibels(measured.bands) / BAND_STEP, decibels(measured.parts) / PART_STEP], dim=-1)
    frames = sounds.unflatten(1, (-1, tokenizer.samples))
    worth = WORTH * tokenizer.samples * float(tokenizer.power)
    found = voices.find(frames.flatten(0, 1), VOICES, worth)
    return StoredSound(torch.round(scaled).long(), measured.onset, found.unflatten(0, frames.shape[:2]))


def restore(tokenizer: BandTokenizer, stored: StoredSound) -> Tensor:
    """Codes -> sounds float32 [B, S], close to [-1, 1]."""
    count, shape = tokenizer.bands.count, stored.voices.shape[:2]
    bands, parts = energy(stored.levels[..., :count] * BAND_STEP), energy(stored.levels[..., count:] * PART_STEP)
    sung = voices.sound(stored.voices.flatten(0, 1), tokenizer.samples).unflatten(0, shape)
    own = tokenizer.measure(sung.flatten(1))
    rest = (bands - own.bands).maximum(LEAST * bands).minimum(LOUDEST * tokenizer.power)
    half = parts.sqrt()  # in dB: the noise beside voices is steadier than what the parts hold together
    sounds = sung + tokenizer.synthesis.shaped(rest, half, stored.onset, Sounding())
    found, wanted = sounds.square().mean(-1), parts.mean(-1)
    gain = (decibels(wanted) - decibels(found + QUIETEST)).clamp(-CORRECTION, CORRECTION)
    return (sounds * 10 ** (gain[..., None] / 20)).flatten(1)
