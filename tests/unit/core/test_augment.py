"""Augmentations against ground truth: tones of known pitch, images of known content."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sensorium.config import AudioAugmentation, VisionAugmentation
from sensorium.data.augment import (
    add_noise,
    augment_images,
    augment_sounds,
    crop_and_flip,
    decibels,
    jitter,
    shift_time,
)
from sensorium.data.vocoder import change_voice
from sensorium.randomness import Draw

RATE = 16000
STILL = VisionAugmentation(crop=1.0, flip=0.0, jitter=0.0, grayscale=0.0)
QUIET = AudioAugmentation(shift=0.0, pitch=0.0, stretch=0.0, gain=0.0, noise=80.0)


def draw(rows: int, seed: int = 0) -> Draw:
    return Draw(seed, 0, 0, rows, rows, torch.device("cpu"))


def ramp() -> Tensor:
    """Brightness rises from left to right in every channel, from 0.2 to 0.8."""
    return torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32).clone()


def tone(frequency: float, seconds: float = 1.0) -> Tensor:
    return 0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(int(RATE * seconds)) / RATE)


def peak(sound: Tensor) -> float:
    """Frequency of the strongest partial, to a few hertz."""
    piece = sound[1000:9192] * torch.hann_window(8192)
    spectrum = torch.fft.rfft(piece, 65536).abs()
    return float(spectrum.argmax()) * RATE / 65536


def test_no_strength_changes_no_image() -> None:
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(augment_images(images, STILL, draw(4), "a"), images, atol=1e-5, rtol=0)


def test_certain_flip_mirrors() -> None:
    images = torch.rand(4, 3, 32, 32)
    flipped = augment_images(images, STILL.model_copy(update={"flip": 1.0}), draw(4), "a")
    torch.testing.assert_close(flipped, images.flip(3), atol=1e-5, rtol=0)


def test_crop_shows_the_asked_part() -> None:
    one = torch.ones(1)
    left = crop_and_flip(ramp(), 0.5 * one, torch.tensor([[-0.5, 0.0]]), one)[0, 0, 16]
    torch.testing.assert_close(left[1:-1], torch.linspace(left[1], left[-2], 30), atol=1e-4, rtol=0)
    assert left.max() < 0.51
    assert left.min() < 0.21
    right = crop_and_flip(ramp(), 0.5 * one, torch.tensor([[0.5, 0.0]]), -one)[0, 0, 16]
    assert right.min() > 0.49
    assert right[0] > right[-1]


def test_a_crop_is_the_affine_map_it_names() -> None:
    """As torch's own, slower grid of any affine map has it; pictures need not be square."""
    images, side, place = torch.rand(8, 3, 24, 32), 0.3 + 0.7 * torch.rand(8), torch.rand(8, 2) - 0.5
    mirror, zero = torch.tensor([1.0, -1.0]).repeat(4), torch.zeros(8)
    rows = torch.stack([side * mirror, zero, place[:, 0], zero, side, place[:, 1]], dim=1).reshape(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(rows, list(images.shape), align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(crop_and_flip(images, side, place, mirror), expected, atol=1e-4, rtol=0)


def test_random_crops_keep_to_their_smallest_area() -> None:
    spans = augment_images(ramp().expand(64, -1, -1, -1), STILL.model_copy(update={"crop": 0.25}), draw(64), "a")
    spans = spans[:, 0, 16, -1] - spans[:, 0, 16, 0]
    assert spans.min() > 0.25
    assert spans.max() <= 0.61
    assert spans.std() > 0.03


def test_turns_keep_to_their_angle() -> None:
    line = torch.zeros(64, 3, 33, 33)
    line[:, :, 16] = 1  # level
    turned = augment_images(line, STILL.model_copy(update={"rotation": 30.0}), draw(64), "a")[:, 0]
    rows = torch.arange(33.0)[None]
    ends = [(turned[:, :, column] * rows).sum(1) / turned[:, :, column].sum(1) for column in (8, 24)]
    angles = torch.atan((ends[1] - ends[0]) / 16).rad2deg()
    assert angles.abs().max() < 31
    assert angles.max() > 20
    assert angles.min() < -20


def test_shear_and_bend_move_what_they_name() -> None:
    images = ramp().expand(8, -1, -1, -1)
    sheared = augment_images(images, STILL.model_copy(update={"shear": 0.5}), draw(8), "a")
    assert (sheared[:, 0, 4, 16] - sheared[:, 0, 28, 16]).abs().max() > 0.1
    torch.testing.assert_close(sheared[:, 0, 15:17, 16].mean(1), images[:, 0, 15:17, 16].mean(1), atol=0.02, rtol=0)
    bent = augment_images(images, STILL.model_copy(update={"bend": 0.2}), draw(8), "a")
    assert 0.02 < (bent - images).abs().mean() < 0.2


def test_jitter_scales_what_it_names() -> None:
    images, same = torch.rand(1, 3, 8, 8) * 0.4 + 0.2, torch.ones(1)
    torch.testing.assert_close(jitter(images, 1.5 * same, same, same), images * 1.5)
    gray = jitter(images, same, same, 0 * same)
    torch.testing.assert_close(gray[:, 0], gray[:, 2])
    flat = jitter(images, same, 0 * same, same)
    assert flat.std() < 1e-6
    torch.testing.assert_close(jitter(images, same, same, same), images)


def test_jitter_is_brightness_then_contrast_then_saturation() -> None:
    images, (brightness, contrast, saturation) = torch.rand(8, 3, 12, 16), 0.5 + torch.rand(3, 8, 1, 1, 1)
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    step = images * brightness
    mean = (step * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    step = mean + (step - mean) * contrast
    grey = (step * luma).sum(1, keepdim=True)
    step = grey + (step - grey) * saturation
    assert (step < 0).any()
    assert (step > 1).any()
    changed = jitter(images, brightness.flatten(), contrast.flatten(), saturation.flatten())
    torch.testing.assert_close(changed, step.clamp(0, 1), atol=1e-5, rtol=0)


def test_grayscale_takes_the_colour() -> None:
    view = augment_images(torch.rand(8, 3, 16, 16), STILL.model_copy(update={"grayscale": 1.0}), draw(8), "a")
    torch.testing.assert_close(view[:, 0], view[:, 1])


@pytest.mark.parametrize("semitones", [-12.0, -4.0, 0.0, 4.0, 7.0])
@pytest.mark.parametrize("frequency", [300.0, 440.0, 1900.0])
def test_pitch_moves_by_the_asked_semitones(frequency: float, semitones: float) -> None:
    shifted = change_voice(tone(frequency)[None], torch.tensor([semitones]), torch.ones(1))[0]
    assert peak(shifted) == pytest.approx(frequency * 2 ** (semitones / 12), rel=0.006)
    assert shifted[1000:9000].std() == pytest.approx(float(tone(frequency).std()), rel=0.25)


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_tempo_moves_events_but_not_pitch(tempo: float) -> None:
    sound = tone(440.0)
    sound[8000:] *= 0.05  # the tone stops at 0.5 s
    played = change_voice(sound[None], torch.zeros(1), torch.tensor([tempo]))[0]
    assert peak(sound) == pytest.approx(440, rel=0.006)
    assert peak(played[:9192]) == pytest.approx(440, rel=0.01)
    loud = played.unfold(0, 400, 100).std(1) > 0.15
    end = float(loud.nonzero().max()) * 100 / RATE
    assert end == pytest.approx(0.5 / tempo, abs=0.03)


def test_rows_of_a_batch_have_their_own_rates() -> None:
    sounds = tone(440.0).expand(3, -1)
    played = change_voice(sounds, torch.tensor([0.0, 12.0, -12.0]), torch.ones(3))
    assert [round(peak(row) / 440, 1) for row in played] == [1.0, 2.0, 0.5]
    torch.testing.assert_close(played[0, 400:-400], sounds[0, 400:-400], atol=1e-3, rtol=0)


def vowel(pitch: float, resonance: float) -> Tensor:
    """Partials of `pitch`, loudest at `resonance`: one second."""
    partials = pitch * torch.arange(1, int(7000 / pitch))
    loudness = torch.exp(-(((partials - resonance) / 300) ** 2)) + 0.01
    time = torch.arange(RATE) / RATE
    return 0.2 * (loudness[:, None] * torch.sin(2 * torch.pi * partials[:, None] * time)).sum(0)


def loudest_region(sound: Tensor) -> float:
    """Centre of the spectrum's energy, in hertz."""
    power = torch.fft.rfft(sound[1000:9192] * torch.hann_window(8192)).abs().square()
    return float((power * torch.arange(4097) * RATE / 8192).sum() / power.sum())


def fundamental(sound: Tensor) -> float:
    """Strongest period between 80 and 400 Hz, as a frequency."""
    power = torch.fft.rfft(sound[1000:9192], 16384).abs().square()
    lags = torch.fft.irfft(power)[RATE // 400 : RATE // 80]
    return RATE / (RATE // 400 + int(lags.argmax()))


@pytest.mark.parametrize(("semitones", "formants"), [(0.0, 4.0), (0.0, -4.0), (4.0, 0.0), (-5.0, 3.0)])
def test_pitch_and_formants_move_by_themselves(semitones: float, formants: float) -> None:
    sound = vowel(125.0, 1500.0)
    moved = change_voice(sound[None], torch.tensor([semitones]), torch.ones(1), torch.tensor([formants]))[0]
    assert fundamental(moved) == pytest.approx(125 * 2 ** (semitones / 12), rel=0.02)
    assert loudest_region(moved) == pytest.approx(1500 * 2 ** (formants / 12), rel=0.05)
    together = change_voice(sound[None], torch.tensor([4.0]), torch.ones(1))[0]
    assert loudest_region(together) == pytest.approx(1500 * 2 ** (4 / 12), rel=0.05)


def test_formants_that_stay_change_nothing() -> None:
    sound = vowel(125.0, 1500.0)[None]
    still = change_voice(sound, torch.zeros(1), torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(still[:, 400:-400], sound[:, 400:-400], atol=2e-3, rtol=0)


def test_views_have_their_own_formants() -> None:
    sounds = vowel(125.0, 1500.0).expand(32, -1)
    views = augment_sounds(sounds, QUIET.model_copy(update={"formant": 4.0}), draw(32), "a")
    regions = torch.tensor([loudest_region(view) for view in views])
    assert regions.max() > 1.12 * 1500
    assert regions.min() < 1500 / 1.12
    assert all(fundamental(view) == pytest.approx(125, rel=0.02) for view in views)


def test_time_shift_moves_and_leaves_silence() -> None:
    sounds = torch.rand(2, 100) + 0.1
    moved = shift_time(sounds, torch.tensor([10, -20]))
    assert torch.equal(moved[0, 10:], sounds[0, :-10])
    assert moved[0, :10].abs().max() == 0
    assert torch.equal(moved[1, :-20], sounds[1, 20:])
    assert moved[1, -20:].abs().max() == 0


def test_noise_has_the_asked_ratio() -> None:
    sounds = tone(440.0).expand(2, -1)
    noise = torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    added = add_noise(sounds, noise, torch.tensor([10.0, 30.0])) - sounds
    ratio = 20 * torch.log10(sounds.std(1) / added.std(1))
    torch.testing.assert_close(ratio, torch.tensor([10.0, 30.0]), atol=0.2, rtol=0)
    assert add_noise(torch.zeros(2, 100), noise[:, :100], torch.zeros(2)).abs().max() == 0


def test_gain_keeps_to_its_decibels() -> None:
    assert float(decibels(torch.tensor(6.0206))) == pytest.approx(2.0, rel=1e-3)
    sounds = tone(440.0, 0.25).expand(256, -1)
    view = augment_sounds(sounds, QUIET.model_copy(update={"gain": 12.0}), draw(256), "a")
    gain = 20 * torch.log10(view.std(1) / sounds.std(1))
    assert gain.abs().max() <= 12.01
    assert gain.max() > 10
    assert gain.min() < -10


def test_views_depend_on_their_row_alone() -> None:
    sounds, images, strong = torch.randn(8, 4000), torch.rand(8, 3, 32, 32), AudioAugmentation()
    whole = augment_sounds(sounds, strong, draw(8), "a")
    part = augment_sounds(sounds[3:6], strong, draw(8).rows(3, 6), "a")
    torch.testing.assert_close(whole[3:6], part, atol=1e-5, rtol=1e-4)
    whole = augment_images(images, VisionAugmentation(), draw(8), "a")
    part = augment_images(images[3:6], VisionAugmentation(), draw(8).rows(3, 6), "a")
    torch.testing.assert_close(whole[3:6], part, atol=1e-6, rtol=0)
    assert not torch.allclose(whole, augment_images(images, VisionAugmentation(), draw(8), "b"), atol=0.01)
