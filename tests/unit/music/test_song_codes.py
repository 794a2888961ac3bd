"""Codes of songs: each sees its song alone, probes find what is there, exchanged codes are scored as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_music import noisy_stems

from sensorium.config import ConfigurationError, Training
from sensorium.music.config import RATE
from sensorium.music.latents import HOP, CosineLatents
from sensorium.music.legacy_agents import PART
from sensorium.music.sizes import LATENTS
from sensorium.music.song_codes import CodeComposer, chroma_of, onset_strength
from sensorium.music.song_codes_learner import SongCodesLearner
from sensorium.randomness import Draw
from sensorium.settings import validate
from sensorium.studies import music_codes
from sensorium.studies.music_codes import Probed, probe_r2, probed, run, swap_scores
from sensorium.studies.music_config import MusicCodesConfig
from sensorium.studies.paired_songs import pairs_of, stems_of

SHORT = Training(steps=3, batch=4, lr=1e-3, warmup=1)
CONFIG = MusicCodesConfig(seeds=2, songs=4, tested=4, seconds=0.5, dim=16, training=SHORT)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def made() -> CodeComposer:
    return CodeComposer(16, [0.1] * LATENTS).eval()


@pytest.mark.parametrize(("code", "reach"), [(0, 1 + 2), (1, 3 + 4)], ids=["rhythm", "harmony"])
def test_a_code_sees_as_many_moments_as_its_name_says(code: int, reach: int) -> None:
    composer, songs = made(), 0.1 * torch.randn(1, LATENTS, 40)
    changed = songs.clone()
    changed[..., 20] += 1
    with torch.no_grad():
        first, second = (composer.codes(each)[code] for each in (songs, changed))
    assert first.shape == (1, PART, 40)
    moved = (first != second).any(1)[0].nonzero().flatten()
    assert (int(moved.min()), int(moved.max())) == (20 - reach, 20 + reach)


def test_rhythm_is_of_a_and_harmony_is_of_b() -> None:
    composer, songs = made(), 0.1 * torch.randn(1, 2, LATENTS, 20)
    with torch.no_grad():
        whole = composer(songs)
        for song, same, other in ((0, "chroma", "onsets"), (1, "onsets", "chroma")):
            changed = songs.clone()
            changed[:, song] += 0.1 * torch.randn_like(songs[:, song])
            found = composer(changed)
            assert torch.equal(getattr(found, same), getattr(whole, same))
            assert not torch.equal(getattr(found, other), getattr(whole, other))
            assert not torch.equal(found.latents, whole.latents)


def test_onsets_are_where_clicks_are() -> None:
    sounds = torch.zeros(2, RATE)
    for place in (6000, 15_000):
        sounds[0, place : place + 400] = torch.randn(400)
    strength = onset_strength(sounds)
    assert strength.shape == (2, CosineLatents.moments(RATE))
    assert not strength[1].any()
    strongest = strength[0].topk(2).indices.sort().values
    assert (strongest - torch.tensor([6000, 15_000]) // HOP).abs().max() <= 1


@pytest.mark.parametrize(("frequency", "pitch_class"), [(440.0, 9), (261.63, 0), (880.0, 9), (739.99, 6)])
def test_chroma_is_that_of_a_tone(frequency: float, pitch_class: int) -> None:
    tone = 0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(RATE) / RATE)
    found = chroma_of(torch.stack((tone, 0 * tone)))
    assert found.shape == (2, 12, CosineLatents.moments(RATE))
    assert int(found[0, :, 30].argmax()) == pitch_class
    assert float(found[0, :, 30].norm()) == pytest.approx(1, abs=0.01)
    assert not found[1].any()


def test_every_weight_learns_and_probes_only_with_supervision() -> None:
    for supervision, still in ((0.3, set()), (0.0, {"onset_probe", "chroma_probe"})):
        learner = SongCodesLearner(made(), supervision)
        loss, metrics = learner(noisy_stems(), Draw(0, 0, 0, 6, 6, torch.device("cpu")))
        loss.backward()
        unmoved = {name.split(".")[1] for name, each in learner.named_parameters() if not each.grad.abs().sum()}
        assert unmoved == still
        assert set(metrics) == {"error_db", "onsets", "chroma"}


# The study -----------------------------------------------------------------------------------------------------------


def test_probes_find_what_is_linear_and_nothing_in_noise() -> None:
    weights = torch.randn(8, 2)
    known, other = torch.randn(20, 30, 8), torch.randn(10, 30, 8)
    assert probe_r2(known, known @ weights + 3, other, other @ weights + 3) > 0.999
    assert abs(probe_r2(known, torch.randn(20, 30, 2), other, torch.randn(10, 30, 2))) < 0.05
    assert probe_r2(known, known @ weights, other, other @ -weights) < -2.9


def test_exchanged_codes_are_scored_by_whom_the_output_follows() -> None:
    tested = pairs_of(stems_of(4, 8, 1)[4:])
    other = np.roll(tested, -1, 0)
    went_along = swap_scores(other[:, 0] + tested[:, 3], tested, other)
    stayed = swap_scores(tested[:, 0] + tested[:, 3], tested, other)
    harmony_left = swap_scores(tested[:, 0] + other[:, 1], tested, other)
    assert went_along == pytest.approx({"rhythm_follows": 1, "harmony_stays": 1})
    assert stayed["rhythm_follows"] < -0.5 < 0.9 < stayed["harmony_stays"]
    assert harmony_left["rhythm_follows"] < -0.5
    assert harmony_left["harmony_stays"] < -0.5


def test_a_short_run_has_all_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = probed(CONFIG, 0)
    assert isinstance(found, Probed)
    assert len(found.probes) == 4
    assert all(np.isfinite([*found.probes.values(), *found.si_sdr]))
    monkeypatch.setattr(music_codes, "probed", lambda config, seed: found)
    findings = run(CONFIG)
    assert set(findings.metrics) == {"onsets_in_rhythm", "chroma_in_harmony", "rhythm_follows", "harmony_stays"}
    assert set(findings.controls) == {"harmony_swap_rhythm_follows", "harmony_swap_harmony_stays"}
    assert findings.metrics["rhythm_follows"]["value"] == pytest.approx(found.swaps["rhythm"]["rhythm_follows"])


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="dim is 20"):
        validate({"studies": {"music_codes": {"dim": 20}}})
