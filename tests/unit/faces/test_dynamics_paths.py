"""What the paths of the dynamics ask of settings, and which presets take which."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sensorium.config import ConfigurationError
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.planning.configuration import read_settings
from sensorium.settings import validate

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "config/config.yaml"
FILMS = {"source": "folder", "path": "films"}
LEARNED = {"tokenizers": {"video": {"kind": "convolutional"}}, "dynamics": {"path": "filtered"}}


def test_only_patches_are_copied():
    """Learned tokens would be shifted by whole tokens, in units that were never tried."""
    with pytest.raises(ConfigurationError, match=r"dynamics\.path is fine.*video\.kind is convolutional; set the kind"):
        validate({"tokenizers": LEARNED["tokenizers"]})
    validate(LEARNED)
    with pytest.raises(ConfigurationError, match=r"fine\.pool is 5: it must divide the 16 tokens"):
        validate({"dynamics": {"path": "fine", "fine": {"pool": 5}}})
    with pytest.raises(ConfigurationError, match=r"frames is 4: with path fine clips dream after 3 frames"):
        validate({"dynamics": {"path": "fine", "frames": 4}})
    with pytest.raises(ConfigurationError, match=r"dynamics\.path is fine: this study"):
        validate({"studies": {"agent_returns": {"dynamics": {"path": "fine"}}}})


def test_a_body_sense_is_dreamed_where_there_is_one():
    assert validate({}).dreamed_body == 12
    assert validate({"data": FILMS}).dreamed_body == 0
    feeling = {"fine": {"body": True}}
    assert validate({"dynamics": {"path": "fine", **feeling}}).dreamed_body == 12
    assert validate({"dynamics": feeling}).dreamed_body == 0  # on the other path
    acting = {"lines": {"agent": True}, "data": {"task": "touch"}}
    with pytest.raises(
        ConfigurationError, match=r"lines\.agent is on, and dynamics\.fine\.body is true: agents do not"
    ):
        validate(acting)
    validate({**acting, "dynamics": {"path": "fine"}})


LEARNED_TOKENS = ("convolutional", "agent", "atari", "minigrid", "replay", "rtx3050", "a100", "h200")


@pytest.mark.parametrize("name", LEARNED_TOKENS)
def test_presets_of_the_filtered_path_take_nothing_from_the_default_one(name):
    """What they do not say is what the models of the settings say, and not what the default run has."""
    path = ROOT / f"config/{name}.yaml"
    found, said = read_settings([path], DEFAULT), yaml.safe_load(path.read_text())
    own = {key: value for key, value in said["dynamics"].items() if key != "training"}
    usual = DynamicsConfig()
    training = usual.training.model_copy(update=said["dynamics"].get("training", {}))
    expected = usual.model_copy(update={**own, "training": training, "fine": found.dynamics.fine})
    assert found.dynamics == expected
    for stream, usual in (("video", VideoTokenizerConfig()), ("audio", AudioTokenizerConfig())):
        own = said["tokenizers"][stream]
        training = usual.training.model_copy(update=own.get("training", {}))
        assert getattr(found.tokenizers, stream) == usual.model_copy(update={**own, "training": training})
