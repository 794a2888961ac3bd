"""Voices beside the tokens of fixed bands: known sounds are found again, and their bits are counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_band_tokenizer import SAMPLES, made, noise

from sensorium.generation import band_codec, voices
from sensorium.generation.band_codec import BAND_STEP, StoredSound, restore, store
from sensorium.generation.band_tokenizer import decibels
from sensorium.generation.evaluation.code_length import FINE, SPARE, CodeLength
from sensorium.generation.evaluation.sound_tiers import f1

MODES = ((0, 0.171, 0.0011, 0.2, 0.4), (300, 0.402, 0.004, 0.1, 2.0), (700, 1.13, 0.002, 0.05, -1.0))


def struck(*modes: tuple[float, float, float, float, float]) -> torch.Tensor:
    """A frame of damped sinusoids: start in samples, radians a sample, damping, amplitude, phase; float32 [1, F]."""
    time = torch.arange(SAMPLES, dtype=torch.float64)
    frame = torch.zeros(SAMPLES, dtype=torch.float64)
    for start, turn, damping, amplitude, phase in modes:
        since = time - start
        frame += (since >= 0) * amplitude * torch.exp(-damping * since.clamp_min(0)) * torch.cos(turn * since + phase)
    return frame.float()[None]


def error_db(truth: torch.Tensor, found: torch.Tensor) -> float:
    """Energy of the error relative to the sound, dB."""
    return float(10 * torch.log10((truth - found).square().sum() / truth.square().sum()))


@pytest.mark.parametrize("mode", MODES)
def test_one_damped_sinusoid_is_found_with_all_that_it_has(mode):
    codes = voices.find(struck(mode), 4, worth=0.01 * float(struck(mode).square().sum()))
    assert (codes[0, :, 0] != voices.ABSENT).tolist() == [True, False, False, False]
    slot, frequency, decay, level, phase = codes[0, 0].tolist()
    start, turn, damping, amplitude, angle = mode
    assert slot * SAMPLES / voices.SLOTS == start
    assert frequency / voices.FREQUENCY == pytest.approx(math.log(turn), abs=1e-3)
    assert decay / voices.DECAY == pytest.approx(math.log(damping), abs=0.1)
    assert level * voices.LEVEL == pytest.approx(20 * math.log10(amplitude), abs=0.8)
    turns = phase / voices.PHASES - angle / (2 * math.pi)
    assert abs(turns - round(turns)) < 0.02
    assert error_db(struck(mode), voices.sound(codes, SAMPLES)) < -20


def test_several_are_found_together_and_worth_decides_how_many():
    frame = struck(*MODES)
    assert error_db(frame, voices.sound(voices.find(frame, 3, 1e-3), SAMPLES)) < -18
    for worth, count in ((1e9, 0), (0.6 * float(frame.square().sum()), 1), (1e-3, 3)):
        assert int((voices.find(frame, 3, worth)[..., 0] != voices.ABSENT).sum()) == count
    hiss = torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(0))  # its energy is spread over many
    assert (voices.find(hiss, 3, 0.1 * float(hiss.square().sum()))[..., 0] == voices.ABSENT).all()


def test_frames_have_their_own_voices():
    frames = torch.cat([struck(MODES[0]), torch.zeros(1, SAMPLES), struck(MODES[1])])
    together = voices.find(frames, 2, 0.05)
    assert torch.equal(together, torch.cat([voices.find(frame[None], 2, 0.05) for frame in frames]))
    assert (together[1, :, 0] == voices.ABSENT).all()
    assert not voices.sound(together, SAMPLES)[1].any()


def test_both_tiers_follow_the_wave_and_the_tokens_alone_do_not():
    _, bands = made()
    sounds = torch.cat([struck(*MODES), struck(MODES[1]), struck(MODES[0], MODES[2])], dim=1)
    sounds = sounds + 1e-3 * torch.randn(sounds.shape, generator=torch.Generator().manual_seed(0))
    bands.power.fill_(float(sounds.square().mean()))
    stored = store(bands, sounds)
    assert error_db(sounds, restore(bands, stored)) < -15
    assert error_db(sounds, bands.decode(bands.encode(sounds))) > -3
    assert torch.equal(restore(bands, stored), restore(bands, stored))


def test_without_voices_noise_has_the_levels(monkeypatch):
    """Levels in whole steps; nothing is louder than what noise may be."""
    monkeypatch.setattr(band_codec, "VOICES", 0)
    _, bands = made()
    bands.power.fill_(1.0)
    sounds = noise(2)
    stored = store(bands, sounds)
    assert stored.voices.shape == (2, 8, 0, 5)
    wanted = stored.levels[..., :48] * BAND_STEP
    found = decibels(bands.measure(restore(bands, stored)).bands)
    loud = wanted > -70
    assert (found - wanted)[loud].abs().mean() < 2.5


def test_known_codes_have_known_lengths():
    """Changes of four values cost two bits, and what the table spares for others; values that were not seen much."""
    rng = np.random.default_rng(0)
    levels = torch.zeros(50, 9, 6, dtype=torch.long)
    steps = torch.from_numpy(rng.integers(0, 4, (50, 8, 6)))
    levels[:, 1:] = steps.cumsum(1)
    codes = torch.zeros(50, 9, 2, 5, dtype=torch.long)
    codes[..., 1, 0] = voices.ABSENT
    stored = StoredSound(levels, torch.zeros(50, 9, dtype=torch.bool), codes)
    bits = CodeLength(stored)(stored)

    def cost(seen: int, of: int) -> float:
        return math.log2((of + 512 * SPARE) / (seen + SPARE))

    onset = cost(450, 450)
    steps_cost = 8 * 6 * (np.mean([cost(int(n), 400) for n in (90, 100, 110)]))
    assert bits["tokens"] == pytest.approx((6 * cost(50, 50) + steps_cost) / 9 + onset, rel=0.02)
    plain = math.log2(FINE) + math.log2(voices.PHASES)
    assert bits["voices"] == pytest.approx(plain + 5 * cost(450, 450), rel=1e-6)
    rare = StoredSound(levels, torch.ones(50, 9, dtype=torch.bool), codes)
    assert CodeLength(stored)(rare)["tokens"] > bits["tokens"] + 10


def test_f1_of_known_onsets():
    truth, found = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    assert f1(truth, found) == pytest.approx(2 / 3)
    assert f1(truth, truth) == f1(~truth & truth, ~truth & truth) == 1
