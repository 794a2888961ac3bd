"""Every number of every section is finite and bounded, whatever its own rules allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import torch

from sensorium.config import AnyData, ConfigurationError, Section, parse, parse_section
from sensorium.config.section import LARGEST, LARGEST_FLOAT, LARGEST_SEED
from sensorium.config.sound import check_bands, fft_size
from sensorium.config_export import walk
from sensorium.data import sources
from sensorium.generation.config import DynamicsConfig
from sensorium.models.spectrogram import melscale_fbanks
from sensorium.perception.config import FusionConfig
from sensorium.settings import Config
from sensorium.studies.config import ForgettingConfig


def sections() -> set[type[Section]]:
    """Every kind of section that a configuration may have."""
    config = Config()
    return {type(config), *get_args(get_args(AnyData)[0])} | {
        type(value) for _, _, value in walk(config) if isinstance(value, Section)
    }


def numbers(kind: type) -> Iterator[tuple[type[Section], str]]:
    """Every number of this kind, as a section and the name of a key."""
    for section in sorted(sections(), key=lambda section: section.__name__):
        for name, field in section.model_fields.items():
            if field.annotation is kind or field.annotation == kind | None:
                yield section, name


def refusal(section: type[Section], name: str, value: Any) -> str:
    """The line about a key that a value is refused with."""
    with pytest.raises(ConfigurationError) as error:
        parse(section, {name: value})
    (line,) = [line for line in str(error.value).splitlines() if line.startswith(f"config: {name} = ")]
    return line


def test_every_float_is_finite():
    found = list(numbers(float))
    assert len(found) > 90
    for section, name in found:
        for value in (float("inf"), float("-inf"), float("nan"), 1e39):
            refusal(section, name, value)


def test_every_whole_number_is_bounded():
    found = list(numbers(int))
    assert len(found) > 150
    for section, name in found:
        for value in (2**63, 2**64, 10**30, -(2**63) - 1):
            refusal(section, name, value)


def test_a_refusal_names_the_bound_and_is_short():
    assert refusal(DynamicsConfig, "window", 2**31) == (f"config: window = {2**31}: Input should be at most {LARGEST}")
    assert "finite number" in refusal(DynamicsConfig, "soft_cap", float("inf"))
    assert len(refusal(DynamicsConfig, "window", 10**4000)) < 200


def test_numbers_of_tuples_are_bounded():
    for section, key, value in ((FusionConfig, "offsets", [1, -(2**40)]), (ForgettingConfig, "weights", [1.0, 1e39])):
        with pytest.raises(ConfigurationError, match=f"config: {key}"):
            parse(section, {key: value})


def test_torch_takes_the_largest_seed_and_no_larger():
    assert parse_section(DynamicsConfig, json.dumps({"training": {"seed": LARGEST_SEED}})).training.seed == LARGEST_SEED
    torch.manual_seed(LARGEST_SEED)
    with pytest.raises((RuntimeError, ValueError, OverflowError)):
        torch.manual_seed(2 * LARGEST_SEED + 2)
    assert torch.tensor(LARGEST_FLOAT).isfinite()


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
@pytest.mark.parametrize(("rate", "samples"), [(16_000, 1_000), (30_720, 2_048), (44_100, 2_940)])
def test_bands_are_refused_that_the_spectrogram_could_not_fill(rate, samples):
    for mels in range(8, 400, 7):
        bank = melscale_fbanks(fft_size(samples) // 2 + 1, 0.0, rate / 2, mels, rate)
        empty = int((bank.sum(0) == 0).sum())
        if empty:
            with pytest.raises(ConfigurationError, match=f"{empty} bands hold no frequency"):
                check_bands(mels, rate, samples)
        else:
            check_bands(mels, rate, samples)


@pytest.mark.parametrize("source", ["playroom", "atari"])
def test_the_sound_of_a_source_has_the_rates_that_its_settings_say(source):
    config = parse(AnyData, {"source": source})
    details = sources.module(source).details(config)
    assert details["sample_rate"] == config.sample_rate
    assert details["samples_per_frame"] == config.samples_per_frame


def test_the_sound_of_files_has_the_rates_that_their_settings_say(tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.mp4").touch()
    config = parse(AnyData, {"source": "folder", "path": str(tmp_path), "recordings": 12})
    details = sources.module("folder").details(config)
    assert details["sample_rate"] == config.sample_rate
    assert details["samples_per_frame"] == config.samples_per_frame
