"""The mask: stems add up, a piece gives the numbers of the whole, collapsed masks are refused, exact resume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_music import MASK, music_mask, write_songs

from sensorium.music.config import RATE, MaskConfig
from sensorium.music.mask_learner import MaskLearner, error_ratio
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.separation import combine, median_shares, phase_shares, ratio_shares
from sensorium.music.spectrum import analyse, synthesise
from sensorium.music.stem_variation import vary_stems
from sensorium.music.train_mask import main
from sensorium.randomness import Draw
from sensorium.training.health import UnhealthyError, Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.learner import Batch

CPU = torch.device("cpu")


@pytest.fixture
def made() -> tuple[MaskLearner, Batch]:
    """A tiny mask with fresh weights, and a batch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner, batch = music_mask()
    assert isinstance(learner, MaskLearner)
    return learner.eval(), batch


# Spectra -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [512, 2048, 5000, 24_000])
def test_the_spectrum_comes_back(samples: int) -> None:
    torch.manual_seed(0)
    sounds = torch.randn(2, 3, samples)
    torch.testing.assert_close(synthesise(analyse(sounds), samples), sounds, rtol=0, atol=5e-6)


def test_a_tone_lies_in_its_bin() -> None:
    tone = torch.sin(2 * torch.pi * 100 * RATE / 2048 * torch.arange(RATE) / RATE)
    middle = analyse(tone)[:, 20].abs()
    assert int(middle.argmax()) == 100
    assert float(middle[100]) == pytest.approx(512, rel=1e-3)


# The network ---------------------------------------------------------------------------------------------------------


def test_stems_add_up_to_the_mixture(made: tuple[MaskLearner, Batch]) -> None:
    learner, batch = made
    mixture = (batch["stems"][:, :2].float() / 32768).sum(1)
    spectra = analyse(mixture)
    mask = learner.network(spectra)
    assert (mask >= 0).all()
    assert (mask <= 1).all()
    stems = [synthesise(share * spectra, mixture.shape[1]) for share in (mask, 1 - mask)]
    torch.testing.assert_close(stems[0] + stems[1], mixture, rtol=0, atol=1e-6)


def test_a_mask_sees_its_context_and_nothing_beyond() -> None:
    torch.manual_seed(0)
    network = MaskNetwork(MaskConfig(width=8, layers=3), {"rate": RATE}).eval()
    spectra = analyse(0.1 * torch.randn(1, 40_000))
    frames, at = spectra.shape[-1], 30
    assert network.context == 1 + 1 + 2 + 4
    whole = network(spectra)
    for left, right in ((0, 40), (25, frames), (10, 60)):
        part = network(spectra[..., left:right])
        inside = slice(left + network.context if left else 0, right - network.context if right < frames else frames)
        torch.testing.assert_close(
            part[..., inside.start - left : inside.stop - left], whole[..., inside], rtol=0, atol=1e-6
        )
    changed = spectra.clone()
    changed[..., at] *= 3
    moved = (network(changed) != whole).any(1)[0].nonzero().flatten()
    assert int(moved.min()) == at - network.context
    assert int(moved.max()) == at + network.context


def test_every_bin_matters_to_its_band(made: tuple[MaskLearner, Batch]) -> None:
    """A change in one bin moves the mask around that bin."""
    network = made[0].network
    spectra = analyse(0.1 * torch.randn(1, 8000))
    whole = network(spectra)
    for place in (0, 47, 48, 100, 300, 800, 1023):
        changed = spectra.clone()
        changed[:, place, 5] *= 5
        assert (network(changed)[0, place, 5] - whole[0, place, 5]).abs() > 1e-6


# The objective -------------------------------------------------------------------------------------------------------


def test_the_error_by_hand() -> None:
    torch.manual_seed(0)
    drums, harmony = (analyse(torch.randn(3, 6000) * level) for level in (0.1, 0.2))
    mixture, mask = drums + harmony, torch.rand(3, *drums.shape[1:])
    expected = ((mask * mixture - drums).abs().square().sum((1, 2)) / mixture.abs().square().sum((1, 2))).log10()
    torch.testing.assert_close(error_ratio(mask, drums, mixture), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(error_ratio(1 - mask, harmony, mixture), expected, rtol=1e-3, atol=1e-4)


def test_both_songs_count_and_harmonies_are_exchanged(made: tuple[MaskLearner, Batch]) -> None:
    learner, batch = made
    draw = Draw(0, 3, 0, 6, 6, CPU)
    varied = vary_stems(batch["stems"].float(), draw, learner.gain)
    gains = torch.empty(6, 4)
    for row in range(6):
        for stem in range(4):
            source = batch["stems"][row].float()
            matches = [varied[row, stem].dot(other) / (varied[row, stem].norm() * other.norm()) for other in source]
            gains[row, stem] = float(torch.stack(matches).argmax())
    kinds = {tuple(row.int().tolist()) for row in gains}
    assert kinds == {(0, 1, 2, 3), (0, 3, 2, 1)}
    torch.testing.assert_close(vary_stems(batch["stems"][2:4].float(), draw.rows(2, 4), learner.gain), varied[2:4])
    loss, _ = learner(batch, draw)
    other = {"stems": batch["stems"].clone()}
    other["stems"][:, 3] *= -1
    assert learner(other, draw)[0] != loss
    assert torch.equal(learner(batch, Draw(9, 9, 0, 6, 6, CPU))[0], loss)  # validation hears stems as they are


def test_collapsed_masks_are_refused(made: tuple[MaskLearner, Batch]) -> None:
    learner, batch = made
    with torch.no_grad():
        for group in learner.network.groups:
            group.write.zero_()
        gates = {gate.name: gate for gate in learner.gates(batch)}
    assert gates["gain_db"].value == pytest.approx(0, abs=1e-4)
    assert gates["mask_spread"].value == pytest.approx(0, abs=1e-6)
    with pytest.raises(UnhealthyError, match="gain_db"):
        Verdict({}, list(gates.values())).check()


def test_sounds_for_the_log(made: tuple[MaskLearner, Batch]) -> None:
    shown = made[0].show(made[1])
    assert shown["mask"].pixels.shape[1] == 1025  # type: ignore[union-attr]
    assert shown["transfer"].samples.shape == (RATE // 2,)  # type: ignore[union-attr]


# Without a network ---------------------------------------------------------------------------------------------------


def test_ideal_masks_are_ideal() -> None:
    """The phase-sensitive mask has the least error of all masks in [0, 1]; where stems don't meet, both are exact."""
    torch.manual_seed(0)
    drums, harmony = (analyse(torch.randn(1, 9000)) for _ in range(2))
    best = error_ratio(phase_shares(drums, harmony), drums, drums + harmony)
    assert best < error_ratio(ratio_shares(drums, harmony), drums, drums + harmony)
    assert best < error_ratio((phase_shares(drums, harmony) + 0.05).clamp(0, 1), drums, drums + harmony)
    drums[:, 500:], harmony[:, :500] = 0, 0
    for shares in (ratio_shares(drums, harmony), phase_shares(drums, harmony)):
        torch.testing.assert_close(shares * (drums + harmony), drums, rtol=1e-4, atol=1e-4)


def test_median_filters_tell_clicks_from_tones() -> None:
    time = torch.arange(RATE) / RATE
    tone, clicks = torch.sin(2 * torch.pi * 900 * time), torch.zeros(RATE)
    clicks[5000::6000] = 20.0
    spectra = analyse(torch.stack((tone + clicks, tone)))[:, None].expand(-1, 2, -1, -1)
    shares = median_shares(spectra.flatten(0, 1)).view(spectra.shape)
    answer = combine(shares, spectra, RATE)[0]
    assert torch.corrcoef(torch.stack((answer, clicks + tone)))[0, 1] > 0.9
    drums = synthesise(shares[0, 0] * spectra[0, 0], RATE)
    assert torch.corrcoef(torch.stack((drums, clicks)))[0, 1] > 0.9


# The stage -----------------------------------------------------------------------------------------------------------


def train(songs: Path, output: Path) -> Path:
    """Train by the command; the weights."""
    section = MASK.model_dump(mode="json") | {"training": {"steps": 6, "batch": 4, "warmup": 0}}
    argv = ["--config", json.dumps(section), "--songs", str(songs), "--output", str(output)]
    main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    return output / "model.safetensors"


def test_a_run_that_was_stopped_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = write_songs(tmp_path / "songs")
    monkeypatch.setattr(Verdict, "check", lambda verdict: None)
    straight = train(songs, tmp_path / "straight")
    calls = iter([None, None, "a signal", "a signal"])
    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "reason", lambda *_: next(calls))
        with pytest.raises(StoppedEarly, match="after step 3 of 6"):
            train(songs, tmp_path / "stopped")
    weights = [load_file(path) for path in (straight, train(songs, tmp_path / "stopped"))]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert np.isfinite([float(weight.abs().max()) for weight in weights[0].values()]).all()
