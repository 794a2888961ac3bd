"""The configuration: defaults, refusals, canonical form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sensorium.config import (
    AtariConfig,
    ConfigurationError,
    Data,
    PlayroomConfig,
    Section,
    canonical_json,
    parse_section,
)
from sensorium.config_export import PAGES, walk
from sensorium.generation.config import DynamicsConfig
from sensorium.settings import Config, validate

ROOT = Path(__file__).parents[3]
CIFAR = {"source": "cifar100", "path": "x"}
DREAMS = ["rollout", "uncertainty", "drift"]
HEARD = [*DREAMS, "dreamed_sound"]
STEERED = [*DREAMS, "control", "dreamed_sound"]  # in worlds with actions
SPEECH = {"source": "speech_commands", "path": "x"}
FILMS = {"source": "folder", "path": "films"}
MAZE = {"source": "gymnasium", "environment": "minigrid:MiniGrid-Empty-5x5-v0"}
BLOCKS = {"kind": "transformer"}
LEARNED = {"tokenizers": {"video": {"kind": "convolutional"}}, "dynamics": {"path": "filtered"}}


def overlay(base: dict, other: dict) -> dict:
    """Lay one configuration over another as Snakemake does."""
    merged = dict(base)
    for key, value in other.items():
        merged[key] = (
            overlay(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        )
    return merged


def written(values: dict, prefix: str = "") -> list[str]:
    """The dotted keys of all values that are no dictionaries."""
    below = [(prefix + key, value) for key, value in values.items()]
    return [leaf for key, value in below for leaf in (written(value, f"{key}.") if isinstance(value, dict) else [key])]


def preset(name: str) -> Config:
    """A preset as the workflow sees it: laid over the default file."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return validate(overlay(default, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())))


def test_the_default_file_holds_the_defaults_of_all_but_the_studies():
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert set(values) == set(Config.model_fields) - {"studies"}
    assert validate(values) == Config()


def test_the_file_of_the_studies_holds_their_defaults():
    values = yaml.safe_load((ROOT / "config/studies.yaml").read_text())
    assert validate(values) == Config()
    leaves = {key for key, _, value in walk(Config().studies) if not isinstance(value, Section)}
    assert leaves == set(written(values["studies"]))


def test_the_file_of_the_studies_is_laid_over_any_preset():
    studies = yaml.safe_load((ROOT / "config/studies.yaml").read_text())
    studies["studies"]["curiosity"]["seeds"] = 3
    tiny = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    config = validate(overlay(overlay(yaml.safe_load((ROOT / "config/config.yaml").read_text()), tiny), studies))
    assert config.studies.curiosity.seeds == 3
    assert config.dynamics == preset("tiny").dynamics


def test_every_key_stands_in_a_table():
    pages = {name: (ROOT / f"config/{name}.md").read_text() for name in ("README", "evaluations", "studies")}
    for page, names in PAGES.items():
        own = (ROOT / f"config/{page}.md").read_text()
        pages |= dict.fromkeys(names, own + pages["README"])  # where the keys of all trainings stand
    assert len(pages["README"].splitlines()) <= 250
    for key, _, value in walk(Config()):
        if not isinstance(value, Section):
            page = pages.get(key.split(".")[0], pages["README"])
            sections = [f"`{key.rsplit('.', count)[0]}`" for count in range(1, key.count(".") + 1)]
            shared = f"| `{key.rpartition('.')[2]}` |" in page and sections[0] in page
            # its own row, or a row that it shares with other sections, or that of a section explained elsewhere
            assert f"| `{key}` |" in page or shared or any(f"| {each} |" in page for each in sections), key


def test_presets_change_the_source_by_an_overlay():
    assert preset("atari").data.source == "atari"
    assert isinstance(preset("atari").data, AtariConfig)
    assert isinstance(preset("tiny").data, PlayroomConfig)
    assert preset("rtx3050").data.size == 64
    assert preset("minigrid").data.environment == "minigrid:MiniGrid-Empty-Random-5x5-v0"
    assert list(preset("a100").sets()) == ["playroom", "vision", "audio"]


def test_every_key_is_described():
    for key, field, _ in walk(Config()):
        assert field.description or isinstance(field.default, Section), key


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dynamic": {}}, ("dynamic", "no such key", "dynamics")),
        ({"dynamics": {"layer": 9}}, ("dynamics", "layer", "9", "layers")),
        ({"data": {"min_bodys": 1}}, ("data", "min_bodys", "min_bodies")),
        ({"data": {"source": "atari", "min_bodies": 1}}, ("data", "min_bodies", "games")),
        ({"dynamics": {"layers": "many"}}, ("dynamics.layers", "'many'", "integer")),
        ({"dynamics": {"training": {"lr": -1}}}, ("dynamics.training.lr", "-1", "greater than 0")),
        ({"latents": {"dtype": "int8"}}, ("latents.dtype", "int8", "float16")),
        ({"fusion": {"offsets": [0, 1]}}, ("fusion", "offsets is (0, 1)", "other than 0")),
        ({"fusion": {"offsets": [-1]}}, ("fusion", "offsets is (-1,)", "lies ahead")),
        ({"fusion": {"offsets": [-16, 1]}}, ("fusion", "offsets is (-16, 1)", "frames (16)")),
        ({"fusion": {"heads": 3}}, ("fusion", "heads is 3", "multiple")),
        ({"data": {"size": 20}}, ("data", "size is 20", "multiple of 8")),
        ({"data": {"min_bodies": 4, "max_bodies": 2}}, ("min_bodies is 4", "max_bodies")),
        ({"data": {"shards": 900}}, ("shards is 900", "recordings")),
        ({"data": {"recordings": 8, "validation_fraction": 0.1}}, ("recordings is 8", "too few")),
        ({"data": {"source": "atari", "games": ["maze_craze"]}}, ("maze_craze", "cannot be loaded")),
        ({"data": MAZE}, ("gymnasium has no sound", "lines.representation", "silent recordings")),
        ({"data": {**MAZE, "policy": "best"}}, ("policy is 'best'", "module:function")),
        ({"dynamics": {"training": {"warmup": 9000}}}, ("warmup is 9000", "steps")),
        (
            {"encoders": {"audio": {"training": {"muon": 2}}}},
            ("encoders.audio.training", "muon is 2.0", "no transformer"),
        ),
        ({"tokenizers": {"video": {"training": {"muon": 2}}}}, ("tokenizers.video", "muon is 2.0", "set it to 0")),
        ({"fusion": {"frames": 64}}, ("fusion.frames", "data.frames")),
        ({"dynamics": {"window": 20}}, ("window is 20", "long_frames (16)")),
        ({"dynamics": {"frames": 5}}, ("long_frames is 16", "multiple of frames (5)")),
        ({"dynamics": {"key_heads": 3}}, ("key_heads is 3", "heads (4)")),
        ({"dynamics": {"frames": 24, "long_frames": 72}}, ("dynamics.long_frames", "72", "data.frames (64)")),
        ({"tokenizers": {"audio": {"channels": 8}}}, ("tokenizers", "audio.channels is 8", "video.channels (16)")),
        (
            {"tokenizers": {"audio": {"kind": "bands", "bands": 50}}},
            ("tokenizers.audio", "bands is 50", "multiple of tokens (4)"),
        ),
        (
            {"tokenizers": {"audio": {"kind": "bands", "tokens": 6}}},
            ("tokenizers.audio.tokens is 6", "1000 samples", "at least 32"),
        ),
        ({"tokenizers": {"audio": {"frames": 99}}}, ("tokenizers.audio.frames is 99", "data.frames")),
        ({"dynamics": {"layers": 2, "time_every": 3}}, ("time_every is 3", "layers 2")),
        ({"lines": {"representation": False, "generative": False}}, ("lines", "switch one on")),
        ({"encoders": {"vision": {"data": CIFAR}}}, ("encoders.vision.neighbours is 12", "at most 0")),
        (
            {"data": {"size": 64}, "encoders": {"vision": {"neighbours": 0, "data": CIFAR}}},
            ("encoders.vision.data.size is 32", "data.size (64)"),
        ),
        (
            {"encoders": {"audio": {"frames": 32, "data": SPEECH}}},
            ("encoders.audio.frames is 32", "encoders.audio.data.frames (16)"),
        ),
        ({"data": {"source": "atari"}, "encoders": {"audio": {"data": SPEECH}}}, ("encoders.audio.data", "own rate")),
        ({"lines": {"agent": True}}, ("lines.agent is on", "set data.task")),
        (
            {"lines": {"agent": True, "generative": False}, "data": {"task": "left"}},
            ("agent is on, generative is off", "switch it on"),
        ),
        (
            {"lines": {"agent": True}, "data": {"task": "left"}, "agent": {"imagination": {"context": 65}}},
            ("agent.imagination.context is 65", "data.frames (64)"),
        ),
        ({"agent": {"imagination": {"denoising_steps": 3}}}, ("denoising_steps is 3", "power of two")),
        ({"encoders": {"audio": {"data": CIFAR}}}, ("encoders.audio.data", "cifar100", "speech_commands")),
        (
            {"encoders": {"audio": {"data": {"source": "folder", "path": "x", "streams": ["video"]}}}},
            ("encoders.audio.data.streams", "audio"),
        ),
        ({"data": {"min_bodies": 2, "max_bodies": 2}}, ("min_bodies and data.max_bodies are equal", "several numbers")),
        ({"data": {"recordings": 20}}, ("data.recordings is 20", "4 of them", "few_shot needs 38", "190 or more")),
        ({"data": {"recordings": 100, "max_bodies": 2}}, ("20 of them", "few_shot needs 25", "125 or more")),
        ({"data": {**FILMS, "recordings": 12, "test_fraction": 0.1}}, ("1 of them", "needs 2", "set it to 20")),
        ({"data": {**FILMS, "streams": ["audio"]}}, ("data.streams has no video", "encoders.audio.data")),
        ({"data": {**FILMS, "streams": ["video"]}}, ("data.streams has no audio", "lines.representation")),
        ({"encoders": {"audio": {"mels": 300}}}, ("encoders.audio.mels is 300", "16000 Hz", "take fewer")),
        ({"encoders": {"vision": {"width": 6}}}, ("encoders.vision.width = 6", "multiple of 4")),
        (
            {"data": {"frames": 30}, "encoders": {"audio": {"frames": 31, "data": {**SPEECH, "frames": 40}}}},
            ("encoders.audio.frames is 31", "data.frames (30)"),
        ),
        ({"tokenizers": {"audio": {"tokens": 3}}}, ("tokenizers.audio.tokens is 3", "1000 samples")),
        ({"tokenizers": {"video": {"width": 30}}}, ("tokenizers.video", "width is 30", "multiple of 4")),
        ({"tokenizers": {"video": {**BLOCKS, "transformer": {"patch": 5}}}}, ("transformer.patch is 5", "size (32)")),
        (
            {"tokenizers": {"video": {**BLOCKS, "transformer": {"frames": 65}}}},
            ("tokenizers.video.transformer.frames is 65", "data.frames (64)"),
        ),
        (
            {"tokenizers": {"video": {**BLOCKS, "transformer": {"frames": 60}}}},
            ("evaluations.drift.piece + the frames before it", "is 75", "data.frames (64)"),
        ),
        (
            {"data": {"size": 16}, "tokenizers": {"video": {"channels": 1}, "audio": {"channels": 1}}},
            ("video.channels is 1", "4 numbers"),
        ),
        ({"finetune": {"frozen": ["fusion"], "training": {"muon": 2}}}, ("finetune", "muon is 2.0")),
        ({"agent": {"imagination": {"training": {"muon": 2}}}}, ("agent.imagination.training", "muon is 2.0")),
        ({"studies": {"agent_returns": {"data": {"source": "playroom"}}}}, ("studies.agent_returns", "no rewards")),
        ({"studies": {"agent_returns": {"dynamics": {"long_frames": 64}}}}, ("long_frames", "68", "data.frames (64)")),
        ({"studies": {"tokenizers": {"transformer": {**BLOCKS, "transformer": {"patch": 6}}}}}, ("patch is 6",)),
        ({"studies": {"babbling": {"random": 250}}}, ("random is 250", "visits (250)")),
        ({"studies": {"physics_prior": {"samples": []}}}, ("studies.physics_prior", "samples is ()")),
        ({"studies": {"sight_priors": {"labels": [2, 50]}}}, ("labels is (2, 50)", "one class")),
    ],
)
def test_a_fault_names_key_value_and_way_out(values, words):
    with pytest.raises(ConfigurationError) as error:
        validate(values)
    for word in words:
        assert word in str(error.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigurationError) as error:
        validate({"dynamics": {"layers": 0}, "fusion": {"mask": 2}})
    assert len(str(error.value).splitlines()) == 2


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Config().dynamics.layers = 3  # type: ignore[misc]


@pytest.mark.parametrize("layers", [6, "6", 6.0])
@pytest.mark.parametrize("rate", [0.003, "3e-3"])
def test_equal_settings_have_equal_text(layers, rate):
    wanted = canonical_json(validate({"dynamics": {"layers": 6, "training": {"lr": 3e-3}}}).dynamics)
    assert canonical_json(validate({"dynamics": {"training": {"lr": rate}, "layers": layers}}).dynamics) == wanted


def test_defaults_may_be_written_out():
    assert canonical_json(validate({"fusion": {"mask": 0.15}}).fusion) == canonical_json(validate({}).fusion)


def test_muon_suits_a_tokenizer_that_has_blocks():
    video = {"kind": "transformer", "training": {"muon": 2}}
    values = {"tokenizers": {"video": video}, "dynamics": {"path": "filtered"}}
    assert validate(values).tokenizers.video.training.muon == 2


def test_a_section_survives_the_way_to_its_stage():
    dynamics = DynamicsConfig(layers=9)
    assert parse_section(DynamicsConfig, canonical_json(dynamics)) == dynamics
    data = AtariConfig(games=("pong",))
    assert parse_section(Data, canonical_json(data)) == data


def test_a_section_that_is_no_json_is_refused():
    with pytest.raises(ConfigurationError, match="not JSON"):
        parse_section(DynamicsConfig, "{layers: 3")


BODIES = ("properties", "zero_shot")
FORECASTS = ("motion", "causal", "fields")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {},
            [
                "probe_vision",
                "probe_audio",
                "retrieval",
                "few_shot",
                *BODIES,
                "world_state",
                "finetuning",
                *FORECASTS,
                "sound_reconstruction",
                *STEERED,
                "counterfactual",
            ],
        ),
        (
            {"data": {"source": "atari"}},
            ["retrieval", "world_state", "finetuning", "sound_reconstruction", *STEERED],
        ),
        (
            {"data": MAZE, "lines": {"representation": False, "agent": True}, **LEARNED},
            ["reconstruction", *DREAMS, "control", "agent_return"],
        ),
        (
            {"lines": {"generative": False}},
            [
                "probe_vision",
                "probe_audio",
                "retrieval",
                "few_shot",
                *BODIES,
                "world_state",
                "finetuning",
                *FORECASTS,
            ],
        ),
        (
            {"data": {"source": "folder", "path": "x"}, "encoders": {"audio": {"data": SPEECH}}},
            ["probe_audio", "retrieval", "few_shot", "finetuning", "sound_reconstruction", *HEARD],
        ),
        (
            {"lines": {"generative": False, "finetune": False}},
            [
                "probe_vision",
                "probe_audio",
                "retrieval",
                "few_shot",
                *BODIES,
                "world_state",
                *FORECASTS,
            ],
        ),
        (
            {"data": {"max_bodies": 2}, "lines": {"generative": False, "finetune": False}},
            [
                "probe_vision",
                "probe_audio",
                "retrieval",
                "few_shot",
                "properties",
                "world_state",
                *FORECASTS,
            ],
        ),
        ({"lines": {"representation": False}}, ["sound_reconstruction", *STEERED, "counterfactual"]),
        ({"data": {**FILMS, "streams": ["video"]}, "lines": {"representation": False}}, [*DREAMS]),
        ({"data": FILMS}, ["retrieval", "finetuning", "sound_reconstruction", *HEARD]),
    ],
)
def test_evaluations_follow_source_and_lines(values, expected):
    assert validate(values).evaluations_on() == expected


@pytest.mark.parametrize(
    ("data", "streams"),
    [
        ({}, ["video", "audio"]),
        ({"source": "atari"}, ["video", "audio"]),
        (FILMS, ["video", "audio"]),
        ({**FILMS, "streams": ["video"]}, ["video"]),
        (MAZE, ["video"]),
    ],
)
def test_silent_recordings_are_dreamt_without_sound(data, streams):
    assert validate({"data": data, "lines": {"representation": False}}).streams() == streams
