"""The promised commands, literally, in a fresh copy of the repository."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

PRESETS = ("config", "tiny", "atari", "rtx3050")
PROFILES = ("local", "slurm")


@pytest.fixture(scope="module")
def fresh(clone):
    return clone("fresh")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("snakemake -n", "train_dynamics"),
        ("snakemake --profile slurm -n results/eval.json", "train_dynamics"),
        ("snakemake --profile local -j1 -n", "train_dynamics"),
        ("snakemake --lint", "good condition"),
        ("snakemake --rulegraph mermaid-js", "train_dynamics"),
        ("sensorium --help", "train-dynamics"),
        ("tensorboard --version", ""),
    ],
)
def test_promised_command(fresh, command, words, expected):
    result = command(fresh, *words.split())
    assert result.returncode == 0, result.stdout
    assert expected in result.stdout


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("preset", PRESETS)
def test_dry_run_of_every_profile_and_preset(fresh, command, profile, preset):
    result = command(fresh, *f"snakemake --profile {profile} -n --configfile config/{preset}.yaml".split())
    assert result.returncode == 0, result.stdout
    assert "summary" in result.stdout
    probed = "Probing the vision encoder" in result.stdout
    assert probed == (preset != "atari")  # a console has no labels to probe for


def test_dry_run_answers_within_three_seconds(fresh, command):
    times = []
    for _ in range(3):
        start = time.monotonic()
        assert command(fresh, "snakemake", "-n").returncode == 0
        times.append(time.monotonic() - start)
    assert min(times) <= 3.0, times  # the least: other work on the machine is no fault of the workflow


def test_dry_run_never_imports_torch(fresh, command, tmp_path):
    trap = tmp_path / "torch"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise ImportError('torch was imported')")
    result = command(fresh, "env", f"PYTHONPATH={fresh / 'src'}:{tmp_path}", "snakemake", "-n")
    assert result.returncode == 0, result.stdout


def test_catalog_entry_includes_the_workflow(fresh, command):
    result = command(fresh, "snakemake", "-s", "workflow/Snakefile", "-n")
    assert result.returncode == 0, result.stdout
    assert "summary" in result.stdout


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("dynamics={layer: 9}", ("dynamics", "layer", "9", "layers")),
        ("dynamics={layers: many}", ("dynamics.layers", "many", "integer")),
        ("fusion={mask: 1.5}", ("fusion.mask", "1.5", "less than 1")),
        ("data={size: 33}", ("data", "33", "multiple of 8")),
        ("data={source: television}", ("data", "television", "playroom", "atari")),
        ("data={source: atari, games: [joust]}", ("games", "joust")),
        ("dynamics={frames: 1000}", ("dynamics.frames", "1000", "data.frames")),
        ("lines={representation: false, generative: false}", ("lines", "switch one on")),
        ("nonsense=1", ("nonsense", "1", "no such key", "dynamics")),
    ],
)
def test_bad_configuration_stops_the_dry_run(fresh, command, override, named):
    result = command(fresh, "snakemake", "-n", "--config", override)
    assert result.returncode == 1
    for word in named:
        assert word in result.stdout, result.stdout
    assert "Traceback" not in result.stdout
    assert len(result.stdout.splitlines()) < 8, result.stdout


@pytest.mark.parametrize(
    ("off", "gone", "kept"), [("representation", "train_fusion", "rollout"), ("generative", "rollout", "probe")]
)
def test_a_line_can_be_switched_off(fresh, command, off, gone, kept):
    result = command(fresh, "snakemake", "-n", "--config", f"lines={{{off}: false}}")
    assert result.returncode == 0, result.stdout
    assert gone not in result.stdout
    assert kept in result.stdout


@pytest.mark.parametrize("code", [65, 70, 75, 78])
def test_a_failed_stage_fails_the_workflow_and_shows_why(clone, command, tmp_path, code):
    folder = clone(f"fails{code}")
    program = tmp_path / "sensorium"
    program.write_text(f'#!/bin/sh\necho "the reason" > "$2"\nexit {code}\n')
    program.chmod(0o755)
    result = command(folder, *"snakemake --profile local -j1".split(), path=tmp_path)
    assert result.returncode == 1
    assert "the reason" in result.stdout  # the failed job's log is shown
    assert not Path(folder, "results/eval.json").exists()
