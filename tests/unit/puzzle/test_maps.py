"""Maps of sound and of pictures: fixed scale, a start that is written down, codes that alone decode, exact resume."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_puzzles import SIGHT, SOUND, fitted, pictures, sight_puzzle, sound_puzzle

from sensorium.puzzle.config import SIDE, SOUND_RATE
from sensorium.puzzle.grid import write_grids
from sensorium.puzzle.map_code import ENDS, MapCode
from sensorium.puzzle.map_learner import MapLearner, squared
from sensorium.puzzle.sight_map import EDGE, SightMap
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.spectrogram import BANDS, COLUMNS, DecibelSpectrogram, to_decibels
from sensorium.puzzle.voices import varied
from sensorium.randomness import Draw
from sensorium.training.health import UnhealthyError, Verdict
from sensorium.training.learner import Batch

CPU = torch.device("cpu")


@pytest.fixture(params=["sound", "sight"])
def made(request: pytest.FixtureRequest) -> tuple[MapCode, Batch]:
    """A map with small corrections, and a batch."""
    torch.manual_seed(0)
    learner, batch = sound_puzzle() if request.param == "sound" else sight_puzzle()
    assert isinstance(learner, MapLearner)
    return learner.map.eval(), batch


# The scale -----------------------------------------------------------------------------------------------------------


def test_a_sine_lies_in_its_band_at_its_level() -> None:
    """A sine at full scale has power (sum of the window / 2) ** 2 in its bin, and the band's triangle weighs it."""
    tone, spectrogram = 8 * SOUND_RATE / 1024 * 16, DecibelSpectrogram()  # 2 kHz, in the middle of a bin
    wave = torch.sin(2 * torch.pi * tone * torch.arange(SOUND_RATE) / SOUND_RATE)[None]
    decibels = to_decibels(spectrogram(wave))[0, :, COLUMNS // 2]
    middle = int(decibels.argmax())
    edges = 700 * (10 ** (torch.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2) / 2595) - 1)
    assert edges[middle] < tone < edges[middle + 2]
    bins = torch.arange(513) * SOUND_RATE / 1024
    power = torch.fft.rfft(wave[0, :1024] * torch.hann_window(1024)).abs().square()
    up = (bins - edges[middle]) / (edges[middle + 1] - edges[middle])
    down = (edges[middle + 2] - bins) / (edges[middle + 2] - edges[middle + 1])
    expected = 10 * torch.log10((power * torch.minimum(up, down).clamp_min(0)).sum())
    assert float(decibels[middle]) == pytest.approx(float(expected), abs=0.05)


def test_the_scale_does_not_depend_on_the_batch() -> None:
    spectrogram, waves = DecibelSpectrogram(), torch.randn(3, SOUND_RATE) * torch.tensor([[1e-3], [0.1], [1.0]])
    together, alone = spectrogram(waves), torch.cat([spectrogram(wave[None]) for wave in waves])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    louder = to_decibels(spectrogram(0.1 * waves)) - to_decibels(together)
    torch.testing.assert_close(louder, torch.full_like(louder, -20.0), atol=0.01, rtol=0)
    assert (spectrogram(torch.zeros(1, SOUND_RATE)) == 0).all()


# The start -----------------------------------------------------------------------------------------------------------


def test_an_untrained_map_is_levels_and_a_linear_decoder(made: tuple[MapCode, Batch]) -> None:
    """Corrections are none at first: codes are the pooled values in order, between quantiles of the examples."""
    corrected, batch = made
    torch.manual_seed(1)
    model = fitted(type(corrected)(SOUND if corrected.stream == "audio" else SIGHT, {"size": 32}), batch, False)
    seen = model.view(batch)
    values, codes = model.pooled(seen), model.encode(seen).codes
    order = values.flatten().argsort()
    assert (codes.flatten()[order].diff() >= 0).all()
    share = float(((values < model.low) | (values > model.high)).float().mean())
    assert share <= 2 * ENDS + 1e-3
    step = (model.high - model.low) / 9
    inside = (values > model.low) & (values < model.high)
    assert ((model.low + codes * step - values).abs() <= step / 2 + 1e-5)[inside].all()
    torch.testing.assert_close(model.decode(codes), model.linear(model.quantiser.decode(codes)[..., 0]))


def test_the_linear_decoder_is_the_best_one(made: tuple[MapCode, Batch]) -> None:
    model, batch = made
    levels = model.quantiser.decode(model.quantiser(model.start(model.view(batch))[..., None]).codes)[..., 0]
    best = squared(model.linear(levels), model.view(batch))
    for _ in range(5):
        weights = model.weights.clone()
        model.weights += 0.01 * torch.randn_like(weights)
        assert squared(model.linear(levels), model.view(batch)) > best
        model.weights.copy_(weights)


def test_examples_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all alike"):
        SoundMap(SOUND, {}).describe(torch.zeros(3, BANDS, COLUMNS))


def test_places_are_a_bijection(made: tuple[MapCode, Batch]) -> None:
    model, batch = made
    seen = model.view(batch)
    torch.testing.assert_close(model.from_places(model.to_places(seen)), seen)


def test_larger_pictures_begin_with_the_mean_of_a_place() -> None:
    model, batch = SightMap(SIGHT, {"size": 64}), {"video": pictures(4, 64)}
    model.describe(model.view(batch))
    seen = model.view(batch)
    torch.testing.assert_close(model.from_places(model.to_places(seen)), seen)
    grey = (seen * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert float(model.pooled(seen)[0, 3, 5]) == pytest.approx(float(grey[0, 8:10, 12:14].mean()), rel=1e-5)
    assert model(seen)[0].shape == seen.shape
    with pytest.raises(ValueError, match="multiple of 32"):
        SightMap(SIGHT, {"size": 48})


# The codes -----------------------------------------------------------------------------------------------------------


ELSEWHERE = """
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sensorium.puzzle.grid import read_grids
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_map import SoundMap
torch.set_num_threads(1)
for kind in (SoundMap, SightMap):
    model, folder = kind(kind.Config(width=8, blocks=1), {"size": 32}).eval(), f"{sys.argv[1]}/{kind.kind}"
    model.load_state_dict(load_file(folder + "-model"))
    grids = np.stack(read_grids(Path(folder + "-grids"))).astype(np.int64)
    decoded = model.decode(torch.from_numpy(grids))
    save_file({"decoded": decoded.detach().contiguous()}, folder + "-decoded")
"""


def test_nothing_but_the_codes_reaches_the_decoder(tmp_path: Path) -> None:
    """Grids written to a file of 374 bytes each, decoded by another process from it and the weights, give the same."""
    expected = {}
    for make in (sound_puzzle, sight_puzzle):
        torch.manual_seed(0)
        learner, batch = make()
        assert isinstance(learner, MapLearner)
        model = learner.map.eval()
        decoded, quantised = model(model.view(batch))
        assert quantised.codes.shape == (6, SIDE, SIDE)
        assert set(quantised.codes.unique().tolist()) <= set(range(10))
        weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
        save_file(weights, tmp_path / f"{model.kind}-model")
        write_grids(tmp_path / f"{model.kind}-grids", list(quantised.codes.byte().numpy()))
        assert (tmp_path / f"{model.kind}-grids").stat().st_size == 6 * 374
        expected[model.kind] = decoded.detach()
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path)], check=True, timeout=300)
    for kind, decoded in expected.items():
        torch.testing.assert_close(load_file(tmp_path / f"{kind}-decoded")["decoded"], decoded)


def test_a_cell_depends_on_nothing_beyond_its_reach() -> None:
    """Codes stay still where nothing moves: a change in one corner leaves the opposite corner as it was."""
    torch.manual_seed(0)
    learner, batch = sight_puzzle()
    assert isinstance(learner, MapLearner)
    with torch.no_grad():
        for weight in learner.map.encoder.parameters():  # corrections begin at zero
            weight += 0.3 * torch.randn_like(weight)
    seen = learner.map.view(batch)
    changed = seen.clone()
    changed[:, :, :4, :4] = 1 - changed[:, :, :4, :4]
    before, after = learner.map.encode(seen), learner.map.encode(changed)
    assert (before.vectors[:, :3, :3] != after.vectors[:, :3, :3]).any()
    reach = 4 + 2 * 3 + 2  # pixels that changed, three convolutions of width 3 at half size, the fold
    torch.testing.assert_close(before.vectors[:, reach:, reach:], after.vectors[:, reach:, reach:], rtol=0, atol=0)


def test_corrections_are_bounded(made: tuple[MapCode, Batch]) -> None:
    """However large the network's numbers, a code is within the bound of the level that it began with."""
    model, batch = made
    seen = model.view(batch)
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight *= 100
    start = ((model.start(seen) + 1) * 4.5).clamp(0, 9)
    change = (model.encode(seen).codes - start).abs()
    assert 1 < change.max() <= SOUND.correction + 0.5 + 1e-4


def test_levels_grow_with_the_brightness_of_their_own_pixel() -> None:
    torch.manual_seed(0)
    batch = {"video": pictures(6)}
    model = fitted(SightMap(SIGHT, {"size": 32}), batch, corrected=False)
    seen = model.view(batch) * 0.5 + 0.25
    brighter = seen.clone()
    brighter[:, :, 7 + EDGE, 9 + EDGE] += 0.2
    change = model.start(brighter) - model.start(seen)
    assert (change[:, 7, 9] > 0).all()
    change[:, 7, 9] = 0
    assert (change == 0).all()


def test_a_cell_is_still_where_none_of_its_own_pixels_changes() -> None:
    for size in (32, 64):
        model, pixels = SightMap(SIGHT, {"size": size}), size // 32
        before = pictures(3, size)[:, 0].permute(0, 3, 1, 2).numpy() / np.float32(255)
        after = before.copy()
        after[0, 1, (7 + EDGE) * pixels, (9 + EDGE) * pixels] += 1 / 255
        after[1, :, 0] = 1 - after[1, :, 0]  # the rim has no cells
        moved = ~model.still(torch.from_numpy(before), torch.from_numpy(after)).numpy()
        assert np.argwhere(moved).tolist() == [[0, 7, 9]]


# Training ------------------------------------------------------------------------------------------------------------


def test_training_sees_other_speeds_and_levels_and_the_same_silence() -> None:
    wave = torch.sin(torch.arange(SOUND_RATE) * 0.05)[None].repeat(50, 1)
    wave[:, SOUND_RATE // 2 :] = 0
    draw = Draw(0, 0, 0, 50, 50, CPU)
    heard = varied(wave, 0.2, 6.0, draw)
    last = (heard != 0).float().cumsum(1).argmax(1)
    speed = (SOUND_RATE // 2) / last
    assert 0.79 < speed.min() < 0.85
    assert 1.15 < speed.max() < 1.21
    level = 20 * heard.abs().max(1).values.log10()
    assert -6.01 < level.min() < -4
    assert 4 < level.max() < 6.01
    assert torch.equal(varied(wave, 0, 0, draw), wave)
    torch.testing.assert_close(varied(wave[20:30], 0.2, 6.0, draw.rows(20, 30)), heard[20:30])


def test_validation_sees_sounds_as_they_are() -> None:
    learner, batch = sound_puzzle()
    draw = Draw(0, 0, 0, 6, 6, CPU)
    first, second = (learner.eval()(batch, other)[0] for other in (draw, Draw(1, 5, 0, 6, 6, CPU)))
    assert torch.equal(first, second)
    assert not torch.equal(learner.train()(batch, draw)[0], first)


@pytest.mark.parametrize("kind", ["sound", "sight"])
def test_gates_refuse_corrections_that_are_worth_nothing_and_codes_that_collapsed(kind: str) -> None:
    torch.manual_seed(0)
    learner, batch = sound_puzzle() if kind == "sound" else sight_puzzle()
    assert isinstance(learner, MapLearner)
    learner.eval()
    with torch.no_grad():
        for weight in (*learner.map.encoder.parameters(), *learner.map.decoder.parameters()):
            weight.zero_()
        found = {gate.name: gate for gate in learner.gates(batch)}
        assert found["gain_db"].value == pytest.approx(0, abs=1e-4)
        assert not found["gain_db"].passed
        learner.map.low -= 100
        learner.map.high += 100  # every level is now the middle one
        collapsed = learner.gates(batch)
    with pytest.raises(UnhealthyError, match=r"code_share.*code_perplexity"):
        Verdict({}, collapsed).check()


def test_pictures_for_the_log(made: tuple[MapCode, Batch]) -> None:
    model, batch = made
    shown = MapLearner(model, model.view(batch)).show(batch)["map"].pixels  # type: ignore[union-attr]
    rows, columns = (2 * BANDS, 6 * COLUMNS) if model.stream == "audio" else (64, 6 * 32)
    assert shown.shape == (3, rows, columns)
    assert 0 <= shown.min() <= shown.max() <= 1
