"""Where onsets are drawn in dreams: with sound tokens of bands that have a channel to spare."""

from __future__ import annotations

from typing import Any

import pytest

from sensorium.config import ConfigurationError
from sensorium.settings import Config, validate


def settings(onsets: bool = True, **audio: Any) -> Config:
    sizes = {"video": {"kind": "patches", "channels": 12}, "audio": {"kind": "bands", "channels": 12, "tokens": 8}}
    sizes["audio"] |= audio
    return validate({"tokenizers": sizes, "dynamics": {"path": "fine", "fine": {"onsets": onsets}}})


def test_onsets_are_drawn_where_sound_tokens_are_bands():
    assert settings().drawn_onsets == 7
    assert settings(bands=72).drawn_onsets == 10
    assert settings(onsets=False).drawn_onsets == 0
    assert settings(kind="learned").drawn_onsets == 0


def test_draws_need_a_channel_to_spare():
    with pytest.raises(ConfigurationError, match=r"audio\.channels is 12, all in use.*onsets.*channels to 13"):
        settings(bands=80)
    assert settings(onsets=False, bands=80).drawn_onsets == 0
