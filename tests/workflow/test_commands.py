"""The promised commands, literally, in a fresh copy of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sensorium.music.config import MaskConfig

PRESETS = ("config", "tiny", "atari", "music-a100")  # those with sets on disk: test_own_sets.py
PROFILES = ("local", "slurm")


@pytest.fixture(scope="module")
def fresh(clone):
    return clone("fresh")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("snakemake -n", "train_dynamics"),
        ("snakemake --profile slurm -n results/eval.json", "train_dynamics"),
        ("snakemake --profile slurm --executor slurm --retries 20 -n results/eval.json", "train_dynamics"),
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
def test_dry_run_of_every_profile_and_preset(fresh, warm_command, profile, preset):
    result = warm_command(
        fresh, *f"snakemake --profile {profile} -n --configfile config/{preset}.yaml".split(), unchanged=True
    )
    assert result.returncode == 0, result.stdout
    assert "summary" in result.stdout
    probed = "Probing the vision encoder" in result.stdout
    assert probed == (preset in ("config", "tiny"))  # a console has no labels to probe for, and music no encoder
    assert ("Training the codec of music" in result.stdout) == (preset == "music-a100")


@pytest.mark.parametrize("own", [None, "music: {mask: {width: 8}}\n"])
def test_settings_of_another_folder_are_laid_over_the_defaults(fresh, warm_command, tmp_path, own):
    """One key of a section leaves its others as they are, wherever the results go."""
    if own:
        (tmp_path / "config").mkdir()
        (tmp_path / "config/config.yaml").write_text(own)
    words = f"snakemake --profile local -n -p --directory {tmp_path} --configfile config/music.yaml --config"
    result = warm_command(fresh, *words.split(), "music={mask: {training: {seed: 3}}}", unchanged=True)
    assert result.returncode == 0, result.stdout
    (line,) = [line for line in result.stdout.splitlines() if " train-mask " in line]
    found, usual = json.loads(line.split("--config ")[1].split(" --songs")[0].strip("'")), MaskConfig()
    assert found["training"] == usual.training.model_dump() | {"seed": 3}
    assert found["width"] == (8 if own else usual.width)


def test_a_profile_says_how_fast_a_training_computes(fresh, warm_command, tmp_path):
    speed = "{workers: 6, precision: fp32, micro_batch: 4, compile: off, recompute: on}"  # YAML takes them for booleans
    (tmp_path / "config.yaml").write_text(f"cores: 1\nset-resources: {{train_dynamics: {speed}}}\n")
    result = warm_command(fresh, *f"snakemake --profile {tmp_path} -n -p".split())
    lines = [line for line in result.stdout.splitlines() if " --ranks " in line]
    found = {line.split(" --ranks ")[1].split()[1]: line.split(" --max-minutes ")[1] for line in lines}
    assert (
        found["train-dynamics"] == "240 --workers 6 --precision fp32 --micro-batch 4 --compile False --recompute True"
    )
    usual = "240 --workers auto --precision auto --micro-batch 0 --compile auto --recompute auto"
    for program in ("train-encoder", "train-tokenizer", "train-fusion", "finetune"):
        assert found[program] == usual
    assert found["train-state-dynamics"].startswith("60 --workers auto")


def test_a_partition_of_an_hour_and_4_cpus_a_node_is_answered_with_the_lines_to_write(fresh, warm_command, tmp_path):
    """A newcomer's literal command: what no node can run is said of all rules at once; the lines that it says do it."""
    (tmp_path / "sinfo").write_text(
        "#!/bin/sh\necho 'gpu*|1:00:00|4|64000|gpu:a100:4|up\ncpu|1:00:00|4|64000|none|up'\n"
    )
    (tmp_path / "sinfo").chmod(0o755)
    words = "snakemake -n results/eval.json --configfile config/tiny.yaml --profile".split()
    said = warm_command(fresh, *words, "slurm", path=tmp_path).stdout
    assert "1     train_dynamics        gpu        1     8     8000  240      1\n" in said
    assert "  partition gpu: runtime=240 minutes is more than its time limit of 60: train_encoder" in said
    assert "  partition gpu: 8 CPUs on a node are more than the 4 that one has: " in said
    rows = [line.split() for line in said.partition("  nodes\n")[2].partition("By sinfo")[0].splitlines()]
    jobs, holding = (sum(int(row[0]) for row in rows if int(row[3]) >= gpus) for gpus in (0, 1))
    assert f"{holding} of the {jobs} jobs of the default run hold a GPU" in Path("docs/cluster.md").read_text()
    lines = yaml.safe_load(said.partition("Lines of the profile that mend it")[2].partition("\n")[2])
    assert lines["max-threads"] == 4
    assert lines["set-resources"]["collect"] == {"runtime": 60}
    profile = yaml.safe_load((fresh / "profiles/slurm/config.yaml").read_text())
    for rule, values in lines.pop("set-resources").items():
        profile["set-resources"].setdefault(rule, {}).update(values)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**profile, **lines}))
    said = warm_command(fresh, *words, str(tmp_path), path=tmp_path).stdout
    assert "1     train_dynamics        gpu        1     4     8000  60       1\n" in said
    assert "2     collect               cpu        0     1     4000  60       1\n" in said
    assert "By sinfo" not in said


DREAMS = "sound_reconstruction rollout uncertainty drift control counterfactual dreamed_sound".split()


@pytest.mark.parametrize(
    ("limited", "expected"),
    [
        ("", "gpu        7     56    56000  60       1"),  # side by side
        ("--resources gpu=1 --set-resource-scopes gpu=local", "gpu        1     8     8000   420      1"),
    ],
)
def test_short_evaluations_can_share_a_job(fresh, warm_command, limited, expected):
    """As docs/cluster.md groups them: one after the other on one GPU."""
    words = "snakemake --profile slurm -n results/eval.json --configfile config/tiny.yaml --group-components dreams=7"
    groups = [f"{rule}=dreams" for rule in DREAMS]
    said = warm_command(fresh, *words.split(), *limited.split(), "--groups", *groups).stdout
    (row,) = [line for line in said.splitlines() if "group of 7" in line]
    assert row.split()[4:] == expected.split()


def test_dry_run_never_imports_torch(fresh, command, tmp_path):
    trap = tmp_path / "torch"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise ImportError('torch was imported')")
    result = command(fresh, "env", f"PYTHONPATH={fresh / 'src'}:{tmp_path}", "snakemake", "-n")
    assert result.returncode == 0, result.stdout


def test_files_of_a_folder_are_inputs(clone, warm_command, tmp_path):
    """A file that is gone is seen before anything runs."""
    fresh = clone("films")
    files = [tmp_path / f"film{number}.mp4" for number in range(12)]
    for file in files:
        file.touch()
    words = ("snakemake", "-n", "--config", f"data={{source: folder, path: '{tmp_path}', recordings: 12, shards: 1}}")
    result = warm_command(fresh, *words)
    assert result.returncode == 0, result.stdout
    assert "Probing" not in result.stdout  # files have neither labels nor state
    assert "world state" not in result.stdout.lower()
    assert "audio tokenizer" in result.stdout
    silent = f"data={{source: folder, path: '{tmp_path}', recordings: 12, shards: 1, streams: [video]}}"
    without = warm_command(fresh, *words[:3], silent, "lines={representation: false}")
    assert without.returncode == 0, without.stdout
    assert "video tokenizer" in without.stdout
    assert "audio" not in without.stdout  # no tokenizer and no evaluation of what is not there
    files[3].unlink()
    result = warm_command(fresh, *words)
    assert result.returncode == 1
    assert "data.recordings = 12" in result.stdout
    assert "11 files" in result.stdout


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
        ("dynamics={long_frames: 1008}", ("dynamics.long_frames", "1008", "data.frames")),
        ("lines={representation: false, generative: false}", ("lines", "switch one on")),
        ("nonsense=1", ("nonsense", "1", "no such key", "dynamics")),
    ],
)
def test_bad_configuration_stops_the_dry_run(fresh, warm_command, override, named):
    result = warm_command(fresh, "snakemake", "-n", "--config", override, unchanged=True)
    assert result.returncode == 1
    for word in named:
        assert word in result.stdout, result.stdout
    assert "Traceback" not in result.stdout
    assert len(result.stdout.splitlines()) < 8, result.stdout


@pytest.mark.parametrize(
    ("off", "gone", "kept"),
    [
        ("representation", "train_fusion", "rollout"),
        ("finetune", "finetuning", "train_fusion"),
        ("generative", "rollout", "probe"),
    ],
)
def test_a_line_can_be_switched_off(fresh, warm_command, off, gone, kept):
    result = warm_command(fresh, "snakemake", "-n", "--config", f"lines={{{off}: false}}", unchanged=True)
    assert result.returncode == 0, result.stdout
    assert gone not in result.stdout
    assert kept in result.stdout


@pytest.mark.parametrize("code", [65, 70, 75, 78])
def test_a_failed_stage_fails_the_workflow_and_shows_why(clone, warm_command, tmp_path, code):
    folder = clone(f"fails{code}")
    program = tmp_path / "sensorium"
    program.write_text(f'#!/bin/sh\necho "the reason" > "$2"\nexit {code}\n')
    program.chmod(0o755)
    result = warm_command(folder, *"snakemake --profile local -j1".split(), path=tmp_path)
    assert result.returncode == 1
    assert "the reason" in result.stdout  # the failed job's log is shown
    assert not Path(folder, "results/eval.json").exists()
