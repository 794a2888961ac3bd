"""Sizes by arithmetic are those of the networks: parameters, checkpoints and recordings, for every preset and more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from toys import materialise

from sensorium.config import AnyData, parse
from sensorium.config.counts import Counts, frame_bytes, recorded, set_bytes
from sensorium.config.gymnasium import Described
from sensorium.data import sources
from sensorium.data.recording import write_shard
from sensorium.generation.sizes import latent_bytes
from sensorium.planning.configuration import DEFAULT, lay_over, read_settings
from sensorium.planning.footprint import file_bytes, learner_tensors
from sensorium.planning.learners import stage
from sensorium.planning.resources import LEAST, checkpoints, learners, memory_mb, models, training_of
from sensorium.planning.table import size
from sensorium.settings import Config, validate
from sensorium.training.optimiser import Optimiser

ROOT = Path(__file__).parents[3]
PRESETS = ("tiny", "convolutional", "agent", "atari", "puzzle", "music", "music-a100", "rtx3050", "a100", "h200")
STEP = 4  # bytes of the count of steps that AdamW keeps of each tensor
ODD: dict[str, dict[str, Any]] = {
    "priors and a transformer that tokenizes": {
        "encoders": {"vision": {"priors": {"edges": True, "depth": True}}, "audio": {"priors": {"onset": True}}},
        "tokenizers": {"video": {"kind": "transformer", "transformer": {"patch": 4}, "training": {"muon": 1.0}}},
        "dynamics": {"path": "filtered"},
    },
    "silent films, grouped keys, no registers": {
        "data": {"source": "folder", "path": "films", "streams": ["video"]},
        "lines": {"representation": False},
        "dynamics": {"dim": 48, "heads": 3, "key_heads": 1, "registers": 0, "training": {"muon": 0.0, "ema": 0.0}},
    },
    "video tokens on a path of their own": {
        "tokenizers": {"video": {"kind": "patches", "channels": 12}, "audio": {"channels": 12}},
        "dynamics": {
            "path": "fine",
            "fine": {"width": 20, "blocks": 3, "pool": 2, "reach": 2, "body": True, "onsets": True},
        },
    },
    "puzzle codes of large pictures": {
        "lines": {"representation": False, "generative": False, "puzzle": True},
        "data": {"size": 96},
        "puzzle": {
            "others": ["sound_list", "sound_legacy", "sight_legacy", "text_legacy"],
            "sound": {"width": 24, "blocks": 1},
            "sight": {"width": 20, "blocks": 3},
            "sound_list": {"width": 24, "blocks": 3},
            "next": {"width": 20, "blocks": 2},
            "joint": {"dim": 48, "heads": 3, "layers": 1, "width": 12, "blocks": 3},
        },
    },
    "a cascade beside the mask": {
        "lines": {"representation": False, "generative": False, "music": True},
        "music": {
            "others": ["cascade"],
            "cascade": {"dim": 48, "heads": 3, "layers": 3, "training": {"muon": 2.0, "ema": 0.9}},
        },
    },
    "a codec of strided convolutions, residual codes": {
        "lines": {"representation": False, "generative": False, "music": True, "codec": True},
        "music": {"codec": {"kind": "seanet", "channels": 6, "quantiser": {"kind": "rvq", "stages": 3, "words": 10}}},
    },
    "a codec at 44.1 kHz without codes": {
        "lines": {"representation": False, "generative": False, "music": True, "codec": True},
        "music": {"codec": {"kind": "dac", "channels": 5, "quantiser": {"kind": "none"}}},
    },
    "a narrow codec, an average": {
        "lines": {"representation": False, "generative": False, "music": True, "codec": True},
        "music": {"codec": {"width": 24, "layers": 3, "training": {"ema": 0.9}}},
    },
    "frozen parts, wide frames, an average": {
        "data": {"size": 72},
        "finetune": {"frozen": ["vision", "fusion"], "training": {"ema": 0.0}},
        "fusion": {"components": 16, "offsets": [1, 2], "training": {"muon": 2.0, "ema": 0.9}},
        "encoders": {"audio": {"mels": 50}},
        "tokenizers": {"audio": {"tokens": 5, "kernel": 1, "layers": 1}},
        "dynamics": {"path": "filtered"},
    },
}


def preset(name: str) -> Config:
    return read_settings([ROOT / f"config/{name}.yaml"], ROOT / DEFAULT)


def compare(settings: Config) -> None:
    """Parameters and checkpoints of every stage, by arithmetic and of the networks."""
    for folder, counted in learners(settings).items():
        learner, training = stage(settings, folder).learner, training_of(settings, folder)
        tensors = learner_tensors(learner, training)
        assert models(settings)[folder].parameters == sum(p.numel() for p in learner.model.parameters()), folder
        trained = sum(p.numel() for p in learner.parameters() if p.requires_grad)
        assert counted.parameters == trained, folder
        steps = STEP * sum(name.endswith("/step") for name in tensors)
        stored = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        assert checkpoints(settings)[folder] == stored - steps, folder


@pytest.mark.parametrize("name", PRESETS)
def test_the_arithmetic_is_right_for_every_preset(name):
    compare(preset(name))


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_the_arithmetic_is_right_for_odd_settings(changes):
    compare(validate(changes))


def test_the_arithmetic_is_right_for_an_agent_in_a_world_that_ends(monkeypatch):
    known = Described({"kind": "discrete", "size": 7}, 4)
    monkeypatch.setattr("sensorium.config.counts.described", lambda data: known)  # a process of its own would find it
    settings = preset("minigrid")
    compare(settings)
    assert "continuation.shared.1.weight" in stage(settings, "clone").learner.model.state_dict()
    assert frame_bytes(settings.data) == 3 * 32 * 32 + 8 + 4 + 4 + 4 * 4 + 1


@pytest.mark.parametrize("folder", ["encoders/audio", "fusion", "finetuned", "state_dynamics", "dynamics"])
def test_a_checkpoint_has_the_estimated_size_to_the_byte(folder, tmp_path):
    settings = preset("tiny")
    learner, training = stage(settings, folder).learner, training_of(settings, folder)
    estimated = file_bytes(learner_tensors(learner, training)), file_bytes(learner.model.state_dict())
    materialise(learner)
    optimiser = Optimiser(learner, training)
    for parameter in optimiser.parameters:
        parameter.grad = torch.ones_like(parameter)
    optimiser.update(0, torch.ones(1))
    weights = {f"learner/{name}": tensor for name, tensor in learner.state_dict().items()}
    for name, tensors in (("checkpoint", weights | optimiser.tensors()), ("model", learner.model.state_dict())):
        save_file({key: tensor.detach().contiguous() for key, tensor in tensors.items()}, tmp_path / name)
    assert tuple((tmp_path / name).stat().st_size for name in ("checkpoint", "model")) == estimated


@pytest.mark.parametrize(
    "data",
    [
        {"source": "playroom", "size": 32, "frames": 32, "recordings": 12, "task": "left"},
        {"source": "playroom", "size": 64, "frames": 16, "recordings": 12, "seed": 3},
        {"source": "atari", "size": 48, "frames": 16, "recordings": 12},
    ],
    ids=str,
)
def test_recordings_have_the_estimated_size(data, tmp_path):
    config = parse(AnyData, data)
    source = sources.module(config.source)
    write_shard(tmp_path / "shard", {f"toy-{number:06d}": source.simulate(config, number) for number in range(12)})
    assert set_bytes(config) == pytest.approx((tmp_path / "shard").stat().st_size, rel=0.02)
    details, known = source.details(config), recorded(config)
    assert (known.sample_rate, known.samples) == (details["sample_rate"], details["samples_per_frame"])
    assert (known.body, known.action) == (details["body"], details["action"])


def test_films_and_labelled_sets_are_known():
    films, silent = (parse(AnyData, {"source": "folder", "path": "x", **more}) for more in ({}, {"streams": ["video"]}))
    assert frame_bytes(films) == 3 * 32 * 32 + 2 * 1000
    assert frame_bytes(silent) == 3 * 32 * 32
    encoders = preset("a100").encoders
    assert frame_bytes(encoders.vision.data) == 3 * 64 * 64 + 8
    assert frame_bytes(encoders.audio.data) == 2 * 1000 + 8


@pytest.mark.parametrize(
    "rule", ["train_fusion", "world_state", "rollout", "drift", "train_dynamics", "encode_latents"]
)
@pytest.mark.parametrize("name", ["tiny", "agent", "atari"])
def test_small_presets_ask_for_what_they_always_asked(name, rule):
    assert memory_mb(preset(name), rule) == LEAST


def test_large_presets_ask_for_what_they_hold():
    h200, a100 = preset("h200"), preset("a100")
    assert memory_mb(h200, "train_dynamics") * 1e6 > checkpoints(h200)["dynamics"] + 3e9  # one copy on the host
    film = 240 * 64 * 3 * 128 * 128 * 4
    assert memory_mb(h200, "rollout") * 1e6 > 3 * film
    grids = 4000 * 128 * 0.8 * 4 * 6144  # of every frame that fusion learns from
    assert memory_mb(a100, "train_fusion") * 1e6 > grids
    assert memory_mb(h200, "collect") * 1e6 > set_bytes(h200.data) / 64


def test_more_windows_ask_for_more():
    more = {"evaluations": {"rollout": {"windows": 20_000}}, "data": {"size": 64}}
    assert memory_mb(validate(more), "rollout") > 2 * memory_mb(validate({}), "rollout")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}),
        ({"a": {"b": 1}}, {"a": 5}),
        ({"a": 5}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": None}}, "e": {}}),
        ({}, {"a": {"b": {"c": 1}}}),
    ],
    ids=str,
)
def test_files_are_laid_over_each_other_as_by_snakemake(below, above):
    from snakemake.utils import update_config

    expected = dict(below)
    update_config(expected, above)
    assert lay_over(below, above) == expected


def test_a_model_without_an_entry_asks_for_the_least(monkeypatch):
    trained = Config.trained
    monkeypatch.setattr(Config, "trained", lambda self: [*trained(self), "mean_picture"])
    settings = validate({"data": {"seed": 12}})
    assert "mean_picture" not in models(settings)
    assert memory_mb(settings, "train_mean_picture") == LEAST


def test_counts_add():
    assert Counts(1, 2, 3) + Counts(4, 5, 6) == Counts(5, 7, 9)
    assert Counts(1, 2, 3).model() == 24


def test_the_page_names_the_disk_that_presets_take():
    table = (ROOT / "docs/planning.md").read_text().partition("<!-- disk:")[2].partition("\n\n")[0]
    rows = {line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]] for line in table.splitlines()[3:]}
    assert set(rows) == {"tiny", "default", "rtx3050", "a100", "h200"}
    for name, cells in rows.items():
        settings = read_settings([], ROOT / DEFAULT) if name == "default" else preset(name)
        data = sum(set_bytes(each) for each in settings.sets().values())
        latents, saved = sum(latent_bytes(settings).values()), checkpoints(settings).values()
        runs = 2 * sum(saved) + sum(own.model() for own in models(settings).values())
        assert cells == [size(count) for count in (data, latents, runs, max(saved), data + latents + runs)], name


def test_memory_does_not_grow_with_the_hours_of_films() -> None:
    given = {"source": "video", "path": "films", "recordings": 1, "shards": 1, "split_by": "time", "frames": 1024}
    config = validate({"data": given | {"hours": 50.0, "size": 256}, "lines": {"representation": False}})
    assert memory_mb(config, "collect") == 4000
    assert set_bytes(config.data) > 5e11
