"""Encoders with sets of their own beside the world's recordings: the DAG of the presets, and a small run of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import layouts

PRESETS = {"rtx3050": "cifar-100-python/meta", "a100": "val"}
HELD = "encoders={vision: {data: {recordings: 78}}, audio: {data: {recordings: 60, shards: 8}}}"  # by the stand-ins
TRAINING = "training: {steps: 60, batch: 16, warmup: 5}"
SMALL = (
    "data={frames: 32}",  # not collected
    f"encoders={{vision: {{neighbours: 0, width: 8, dim: 32, data: {{source: imagenet, path: datasets/imagenet, "
    f"recordings: 240, shards: 2}}, {TRAINING}}}, audio: {{frames: 16, width: 8, dim: 32, mels: 32, "
    f"data: {{source: speech_commands, path: datasets/speech-commands, recordings: 120, shards: 1}}, "
    "training: {steps: 120, batch: 16, warmup: 5}}}",
    "evaluations={probe: {samples: 100, labels: 10, trials: 5, supervised_steps: 30}}",
)


@pytest.fixture
def filled(clone) -> Path:
    """A copy of the repository with a small stand-in of each set where the presets look for it."""
    folder = clone("filled")
    layouts.cifar100(folder / "datasets/cifar-100")
    layouts.imagenet(folder / "datasets/imagenet", training=60, test=20)
    layouts.speech_commands(folder / "datasets/speech-commands", speakers=20)
    return folder


def jobs(text: str) -> dict[str, int]:
    """Rules that a dry run announces, with the number of their jobs."""
    table = text.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.mark.parametrize("profile", ["local", "slurm"])
@pytest.mark.parametrize("preset", PRESETS)
def test_dry_run_of_presets_with_sets(filled, warm_command, preset, profile):
    words = f"snakemake --profile {profile} -n --configfile config/{preset}.yaml --config".split()
    result = warm_command(filled, *words, HELD)
    assert result.returncode == 0, result.stdout
    assert jobs(result.stdout)["index_recordings"] == 3
    assert jobs(result.stdout)["probe"] == 2
    gone = filled / "datasets" / ("imagenet" if preset == "a100" else "cifar-100") / PRESETS[preset]
    gone.rename(filled / "away")
    result = warm_command(filled, *words, HELD)
    assert result.returncode == 1
    assert f"{gone.relative_to(filled)} is not there" in result.stdout


def test_encoders_learn_from_their_own_sets(filled, command, warm_command, warm_sensorium):
    words = [*"snakemake --profile local -j2 --max-threads 1 --resources gpu=2".split(), "--config", *SMALL, "--"]
    targets = ("results/eval/probe_vision.json", "results/eval/probe_audio.json")
    result = command(filled, *words, *targets, path=warm_sensorium)
    assert result.returncode == 0, result.stdout[-5000:]
    assert not (filled / "results/data/playroom").exists(), "the world is not asked for"
    for modality, classes in (("vision", ["tench, Tinca tinca", "goldfish", "white shark"]), ("audio", layouts.WORDS)):
        told = json.loads((filled / f"results/eval/probe_{modality}.json").read_text())
        assert told["label"] == "class"
        assert list(told["classes"]) == list(classes)
        assert told["metrics"]["few_shot"]["value"] > 0.6, "colours and pitches are easily told apart"
    again = [*words[:1], "-n", *words[1:], "results/eval/probe_vision.json"]
    assert "Nothing to be done" in warm_command(filled, *again).stdout
    for part in ("train", "val"):
        folder = filled / "datasets/imagenet" / part / "n09999999"
        shutil.copytree(folder.with_name("n01440764"), folder)
    result = warm_command(filled, *again)
    assert jobs(result.stdout) == {"collect": 2, "index_recordings": 1, "train_encoder": 1, "probe": 1}


def test_a_set_of_class_folders_is_looked_at_folder_by_folder(filled, command, warm_command, warm_sensorium):
    """A picture that comes in, or goes, makes what was collected out of date."""
    root = filled / "datasets/imagenet/train"
    data = f"{{source: picture_folders, path: {root}, recordings: 180, shards: 1}}"
    words = [
        "snakemake",
        "--profile",
        "local",
        "-j1",
        "--config",
        f"encoders={{vision: {{neighbours: 0, data: {data}}}}}",
    ]
    target = "results/data/vision/manifest.json"
    result = command(filled, *words, "--", target, path=warm_sensorium)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "Nothing to be done" in warm_command(filled, *words, "-n", "--", target).stdout
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(root / "n01440764/new.png")
    assert jobs(warm_command(filled, *words, "-n", "--", target).stdout) == {"collect": 1, "index_recordings": 1}
