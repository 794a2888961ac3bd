"""The rerun matrix: what runs again after each kind of change. A stand-in `sensorium` makes the files."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from sensorium.programs import PROGRAMS

SHARDS = 2
EVALUATE_SENSES = {"retrieval": 1, "few_shot": 1, "world_state": 1}
STATE_DYNAMICS = {"train_state_dynamics": 1, "motion": 1, "causal": 1, "fields": 1}
END = {"summary": 1, "all": 1}
DREAMS = {"rollout": 1, "uncertainty": 1, "drift": 1, "control": 1, "dreamed_sound": 1, "counterfactual": 1}
DYNAMICS = {"train_dynamics": 1, **DREAMS, "curves": 1, **END}
ONE_STREAM = {"encode_latents": SHARDS, "index_latents": 1, **DYNAMICS}
LATENTS = {"encode_latents": 2 * SHARDS, "index_latents": 2, **DYNAMICS}
TOKENIZER = {"train_tokenizer": 1, **ONE_STREAM}
SOUND_TOKENIZER = {"train_tokenizer": 1, "sound_reconstruction": 1, **ONE_STREAM}
BOTH_TOKENIZERS = {"train_tokenizer": 2, "sound_reconstruction": 1, **LATENTS}
FINETUNE = {"finetune": 1, "finetuning": 1, "curves": 1, **END}
BODIES = {"properties": 1, "zero_shot": 1}
FUSION = {"train_fusion": 1, **STATE_DYNAMICS, **EVALUATE_SENSES, **FINETUNE}
EAR = {"train_encoder": 1, "probe": 1, **BODIES, **FUSION}
EYE = {**EAR, "drift": 1}  # long dreams are looked at by it
BOTH_ENCODERS = {**EYE, "train_encoder": 2, "probe": 2}
INDEX = {"index_recordings": 1, "show_recordings": 1, **BOTH_ENCODERS, **BOTH_TOKENIZERS}
EVERYTHING = {"collect": SHARDS, **INDEX}

SECTIONS = {
    "data={seed: 7}": EVERYTHING,
    "data={max_bodies: 3}": EVERYTHING,
    "encoders={vision: {neighbours: 1}}": EYE,
    "encoders={audio: {training: {lr: 0.003}}}": EAR,
    "tokenizers={video: {perceptual_weight: 0.25}}": TOKENIZER,
    "tokenizers={audio: {wave_weight: 1.0}}": SOUND_TOKENIZER,
    "latents={dtype: float32}": LATENTS,
    "fusion={mask: 0.25}": FUSION,
    "finetune={keep_weight: 2.0}": FINETUNE,
    "state_dynamics={horizon: 8}": {**STATE_DYNAMICS, "curves": 1, **END},
    "dynamics={training: {seed: 3}}": DYNAMICS,
    "evaluations={probe: {seed: 1}}": {"probe": 2, **END},
    "evaluations={retrieval: {seed: 1}}": {"retrieval": 1, **END},
    "evaluations={few_shot: {seed: 1}}": {"few_shot": 1, **END},
    "evaluations={properties: {seed: 1}}": {"properties": 1, **END},
    "evaluations={zero_shot: {seed: 1}}": {"zero_shot": 1, **END},
    "evaluations={world_state: {seed: 1}}": {"world_state": 1, **END},
    "evaluations={finetuning: {seed: 1}}": {"finetuning": 1, **END},
    "evaluations={motion: {seed: 1}}": {"motion": 1, **END},
    "evaluations={causal: {seed: 1}}": {"causal": 1, **END},
    "evaluations={fields: {seed: 1}}": {"fields": 1, **END},
    "evaluations={reconstruction: {seed: 1}}": {},  # patches lose nothing: see AGENT_SECTIONS
    "evaluations={sound_reconstruction: {seed: 1}}": {"sound_reconstruction": 1, **END},
    "evaluations={rollout: {seed: 1}}": {"rollout": 1, **END},
    "evaluations={uncertainty: {seed: 1}}": {"uncertainty": 1, **END},
    "evaluations={counterfactual: {seed: 1}}": {"counterfactual": 1, **END},
    "evaluations={drift: {seed: 1}}": {"drift": 1, **END},
    "evaluations={control: {seed: 1}}": {"control": 1, **END},
    "evaluations={dreamed_sound: {seed: 1}}": {"dreamed_sound": 1, **END},
    "studies={curiosity: {seed: 1}}": {},  # a study is no part of `rule all`
    "agent={cloning: {distances: 4}}": {},  # their line is off: see AGENT_SECTIONS
    "agent={imagination: {horizon: 5}}": {},
    "evaluations={agent_return: {seed: 1}}": {},
    "puzzle={sight: {training: {seed: 3}}}": {},  # their line is off, too
    "puzzle={sound_list: {training: {seed: 3}}}": {},
    "puzzle={joint: {training: {seed: 3}}}": {},
    "puzzle={next: {training: {seed: 3}}}": {},
    "evaluations={puzzle_next: {seed: 1}}": {},
    "evaluations={puzzle_common: {seed: 1}}": {},
    "evaluations={puzzle_sound: {seed: 1}}": {},
    "evaluations={puzzle_sight: {seed: 1}}": {},
    "evaluations={puzzle_text: {seed: 1}}": {},
    "music={mask: {training: {seed: 3}}}": {},
    "music={cascade: {training: {seed: 3}}}": {},
    "evaluations={music_transfer: {seed: 1}}": {},
    "evaluations={cascade_transfer: {seed: 1}}": {},
    "music={codec: {training: {seed: 3}}}": {},
    "evaluations={sound_coding: {seed: 1}}": {},
    "lines={generative: false}": {"curves": 1, **END},
    "lines={representation: false}": {"drift": 1, "curves": 1, **END},  # then the tokenizer looks at long dreams
}
AGENT = ("--configfile", "config/agent.yaml")
IMAGINATION = {"train_agent": 1, "agent_return": 1, "curves": 1, **END}
AGENT_SECTIONS = {
    "agent={cloning: {distances: 4}}": {"train_clone": 1, **IMAGINATION},
    "agent={imagination: {horizon: 5}}": IMAGINATION,
    "evaluations={agent_return: {seed: 1}}": {"agent_return": 1, **END},
    "evaluations={reconstruction: {seed: 1}}": {"reconstruction": 1, **END},
}
STAGES = {
    "collect": EVERYTHING,
    "index": INDEX,
    "train_encoder": BOTH_ENCODERS,
    "train_tokenizer": BOTH_TOKENIZERS,
    "encode_latents": LATENTS,
    "train_fusion": FUSION,
    "finetune": FINETUNE,
    "train_state_dynamics": {**STATE_DYNAMICS, "curves": 1, **END},
    "train_dynamics": DYNAMICS,
    "probe": {"probe": 2, **END},
    "retrieval": {"retrieval": 1, **END},
    "few_shot": {"few_shot": 1, **END},
    "properties": {"properties": 1, **END},
    "zero_shot": {"zero_shot": 1, **END},
    "world_state": {"world_state": 1, **END},
    "finetuning": {"finetuning": 1, **END},
    "motion": {"motion": 1, **END},
    "causal": {"causal": 1, **END},
    "fields": {"fields": 1, **END},
    "reconstruction": {},
    "sound_reconstruction": {"sound_reconstruction": 1, **END},
    "train_clone": {},
    "train_agent": {},
    "agent_return": {},
    "rollout": {"rollout": 1, **END},
    "uncertainty": {"uncertainty": 1, **END},
    "drift": {"drift": 1, **END},
    "control": {"control": 1, **END},
    "dreamed_sound": {"dreamed_sound": 1, **END},
    "counterfactual": {"counterfactual": 1, **END},
    "summary": END,
    "curves": {"curves": 1, "all": 1},
    "inspect": {"show_recordings": 1, "all": 1},
}


@pytest.fixture(scope="module")
def done(clone, command, stub) -> Path:
    """A copy of the repository in which the whole workflow has run."""
    folder = clone("done")
    result = command(folder, *"snakemake --profile local -j1".split(), path=stub)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture(scope="module")
def acting(clone, command, stub) -> Path:
    """A copy in which the whole workflow has run with the agent's line on."""
    folder = clone("acting")
    result = command(folder, *"snakemake --profile local -j1".split(), *AGENT, path=stub)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def changed(done, tmp_path) -> Path:
    """A copy of that copy, to be changed by one test."""
    return Path(shutil.copytree(done, tmp_path / "sensorium", symlinks=True))


def would_run(warm_command, folder: Path, *words: str, unchanged: bool = False) -> dict[str, int]:
    """Rules that a dry run announces, with the number of their jobs; `unchanged`: in a copy with its own sources."""
    result = warm_command(folder, "snakemake", "-n", *words, unchanged=unchanged)
    assert result.returncode == 0, result.stdout
    table = result.stdout.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def test_a_finished_workflow_has_nothing_to_do(done, warm_command):
    assert would_run(warm_command, done, unchanged=True) == {}


@pytest.mark.parametrize("change", SECTIONS)
def test_a_changed_section_reruns_its_stage_and_what_stands_on_it(done, warm_command, change):
    assert would_run(warm_command, done, "--config", change, unchanged=True) == SECTIONS[change]


def test_every_section_is_in_the_matrix():
    config = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())
    nested = {"encoders", "tokenizers", "agent", "evaluations", "studies"}
    config["studies"] = ["curiosity"]  # one for all of config/studies.yaml
    sections = {(name, part) for name in nested for part in config[name]} | {
        (name, "") for name in config if name not in nested
    }
    tested = [re.match(r"(\w+)={(\w+)", change).groups() for change in SECTIONS]
    assert sections == {(name, part if name in nested else "") for name, part in tested}


@pytest.mark.parametrize("change", AGENT_SECTIONS)
def test_a_changed_section_of_the_agent_reruns_it_where_its_line_is_on(acting, warm_command, change):
    assert would_run(warm_command, acting, *AGENT, "--config", change) == AGENT_SECTIONS[change]


@pytest.mark.parametrize("stage", STAGES)
def test_a_raised_revision_reruns_its_stage(done, warm_command, stage):
    """It is read, not imported, so it may change in a copy whose sources were imported."""
    module = PROGRAMS[stage.replace("_", "-")]
    source = done / f"src/{module.replace('.', '/')}.py"
    given = source.read_text()
    text, count = re.subn(r"^REVISION = \d+$", "REVISION = 999", given, flags=re.MULTILINE)
    assert count == 1
    source.write_text(text)
    try:
        assert would_run(warm_command, done, unchanged=True) == STAGES[stage]
    finally:
        source.write_text(given)


def test_a_restyled_configuration_reruns_nothing(changed, warm_command):
    path = changed / "config/config.yaml"
    values = yaml.safe_load(path.read_text())
    values["fusion"]["training"]["lr"] = "2e-3"  # text to YAML 1.1, and the number 0.002 all the same
    values["dynamics"]["layers"] = str(values["dynamics"]["layers"])
    restyled = {key: values[key] for key in sorted(values, reverse=True)}
    path.write_text(yaml.safe_dump(restyled, default_flow_style=True, sort_keys=False))
    assert would_run(warm_command, changed) == {}


def test_leaving_out_defaults_reruns_nothing(changed, warm_command):
    (changed / "config/config.yaml").write_text("fusion: {}\n")
    assert would_run(warm_command, changed) == {}


@pytest.mark.parametrize(
    "words",
    [
        ("--set-resources", "train_dynamics:mem_mb=64000", "train_dynamics:gpu=8", "collect:runtime=9"),
        (
            "--set-resources",
            *(f"train_dynamics:{how}" for how in ("workers=6", "precision=fp32", "compile=off", "recompute=on")),
        ),
        ("--set-threads", "train_fusion=3"),
        ("--profile", "slurm"),
        ("--profile", "local"),
        ("--cores", "1"),
    ],
)
def test_other_resources_and_profiles_rerun_nothing(done, warm_command, words):
    assert would_run(warm_command, done, *words, unchanged=True) == {}


def test_a_touched_or_edited_source_file_reruns_nothing(changed, warm_command):
    for source in (changed / "src/sensorium").rglob("*.py"):
        source.write_text(source.read_text() + "\n# a remark\n")
        os.utime(source)
    assert would_run(warm_command, changed) == {}


def test_changing_a_value_back_has_nothing_to_do(changed, warm_command, stub):
    change = ("--config", "evaluations={rollout: {seed: 1}}")
    assert would_run(warm_command, changed, *change)
    assert would_run(warm_command, changed) == {}


def test_a_changed_study_runs_alone(changed, command, warm_command, stub):
    target = "results/studies/curiosity.json"
    result = command(changed, *f"snakemake --profile local -j1 {target}".split(), path=stub)
    assert result.returncode == 0, result.stdout
    assert would_run(warm_command, changed, target) == {}
    assert would_run(warm_command, changed, target, "--config", "studies={curiosity: {seed: 1}}") == {"study": 1}
    assert would_run(warm_command, changed, target, "--config", "dynamics={training: {seed: 3}}") == {}
    module = changed / "src/sensorium/studies/curiosity.py"
    module.write_text(re.sub(r"^REVISION = \d+$", "REVISION = 999", module.read_text(), flags=re.MULTILINE))
    assert would_run(warm_command, changed, target) == {"study": 1}
