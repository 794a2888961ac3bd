"""The real workflow on a real SLURM: the promised command, a time limit, several nodes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm
from snakemake_run import RESOURCES, Run

RULES = {"collect": 2, "index_recordings": 1, "train_encoder": 2, "train_fusion": 1, "train_tokenizer": 2}
RULES |= {"encode_latents": 4, "index_latents": 2, "train_dynamics": 1, "probe": 2, "retrieval": 1, "world_state": 1}
RULES |= {"sound_reconstruction": 1, "rollout": 1, "uncertainty": 1}
RULES |= {"drift": 1, "control": 1, "dreamed_sound": 1, "counterfactual": 1, "few_shot": 1}
RULES |= {"finetune": 1, "finetuning": 1, "summary": 1}
RULES |= {"train_state_dynamics": 1, "motion": 1, "causal": 1, "fields": 1, "properties": 1, "zero_shot": 1}
# What a user edits in profiles/slurm, and quick answers; one thread each, as two cores have to do it all.
OVERRIDES = (
    *("--default-resources", *RESOURCES, "mem_mb=2000", "runtime=20", "--max-threads", "1", "--jobs", "3"),
    *("--seconds-between-status-checks", "1", "--latency-wait", "5", "--configfile", "config/tiny.yaml"),
    *("--config", "dynamics={training: {steps: 150}}"),
)


# A user's `sensorium` for the trainings that tests stop, kill or give several nodes; a warm one for all others.
SENSORIUM = """\
#!/bin/sh
case "$5" in train-encoder | train-dynamics) exec {program} "$@" ;; esac
exec {warm}/sensorium "$@"
"""


@pytest.fixture(scope="module")
def workflow(slurm: PrivateSlurm, clone, warm_sensorium: Path, tmp_path_factory) -> Run:
    """A copy of the repository, to run on the private cluster."""
    program = tmp_path_factory.mktemp("bin") / "sensorium"
    program.write_text(SENSORIUM.format(program=Path(sys.executable).with_name("sensorium"), warm=warm_sensorium))
    program.chmod(0o755)
    return Run(slurm, clone("cluster"), program.parent)


def job_ids(run: Run, rule: str) -> list[str]:
    return re.findall(rf"job \d+ \({rule}\) is SLURM job (\d+)", run.log)


def progress(folder: Path) -> int:
    """Training steps that were recorded under an artifact's folder."""
    return max(
        (json.loads(line)["step"] for path in folder.glob("runs/*/metrics.jsonl") for line in path.open()), default=0
    )


def losses(folder: Path) -> dict[int, float]:
    """Training loss at each recorded step of an artifact's only run."""
    (path,) = folder.glob("runs/*/metrics.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {record["step"]: record["train/loss"] for record in records if "train/loss" in record}


def requeues(run: Run, pattern: str) -> int:
    """How often jobs of a rule went on after a stop."""
    return sum(len(path.read_text().splitlines()) for path in run.folder.glob(pattern))


def ask_to_stop(run: Run, slurm: PrivateSlurm, rule: str, folder: Path, times: int) -> None:
    """Send a training the signal of SLURM's time limit, each time after it has made progress."""
    run.until(lambda: job_ids(run, rule), f"{rule} is submitted", 1200)
    job = job_ids(run, rule)[-1]
    for number in range(times):
        before = progress(folder)
        run.until(lambda before=before: progress(folder) > before, f"{rule} makes progress", 600)
        subprocess.run([slurm.bin / "scancel", "--signal=USR2", job], check=True)
        past = f".snakemake/submitit/runs/{rule}.*/requeues"
        run.until(lambda past=past, number=number: requeues(run, past) > number, "a requeue", 600)


@pytest.fixture(scope="module")
def finished(workflow: Run, slurm: PrivateSlurm) -> Run:
    """That copy after the promised command, whose dynamics were asked to stop twice, as by a time limit.

    By a real one they would be stopped before they have started where the machine is slow: test_survival has one.
    """
    workflow.start(*"snakemake --profile slurm results/eval.json".split(), *OVERRIDES)
    ask_to_stop(workflow, slurm, "train_dynamics", workflow.folder / "results/dynamics", 2)
    assert workflow.wait(1200) == 0, workflow.log[-5000:]
    return workflow


def test_the_promised_command_finishes_with_one_job_for_each_rule(finished, slurm):
    assert json.loads((finished.folder / "results/eval.json").read_text())["evaluations"]
    assert {rule: len(job_ids(finished, rule)) for rule in RULES} == RULES
    for rule in RULES:
        rows = slurm.booked("JobName,State,Partition,Account,ReqTRES", *job_ids(finished, rule))
        for name, state, partition, account, asked in rows:
            needs_gpu = rule not in ("collect", "index_recordings", "index_latents", "summary")
            where = "main" if needs_gpu else "cpu"  # as profiles/slurm has it
            assert (name.partition(".")[0], state, partition, account) == (rule, "COMPLETED", where, "science")
            assert ("gres/gpu=1" in asked) == needs_gpu, (rule, asked)
            assert ("mem=8000M" in asked) == needs_gpu, (rule, asked)


def test_a_training_that_was_stopped_has_the_bits_of_an_uninterrupted_one(finished, slurm):
    (job,) = job_ids(finished, "train_dynamics")
    restarts = int(re.search(r"Restarts=(\d+)", slurm.control("show", "job", job)).group(1))
    assert restarts >= 2
    assert finished.log.count("Error in rule") == 0
    manifest = json.loads((finished.folder / "results/dynamics/manifest.json").read_text())
    words = "--latents results/latents/video/manifest.json --tokenizer results/tokenizers/video/manifest.json".split()
    words += "--sound results/latents/audio/manifest.json --body results/data/playroom/manifest.json".split()
    config = json.dumps(manifest["config"])
    words += ["--config", config, "--output", "straight", "--threads", "1"]
    program = Path(sys.executable).with_name("sensorium")
    subprocess.run([program, "train-dynamics", *words], cwd=finished.folder, check=True)
    ours = (finished.folder / "results/dynamics/model.safetensors").read_bytes()
    assert ours == (finished.folder / "straight/model.safetensors").read_bytes()


def test_two_nodes_with_two_ranks_each(finished, slurm):
    """The same rule text; requeued once, it goes on, finishes, and has learned what one process learned."""
    alone = losses(finished.folder / "results/encoders/vision")
    shutil.rmtree(finished.folder / "results/encoders/vision")
    finished.start(
        *"snakemake --profile slurm results/encoders/vision/manifest.json".split(),
        *OVERRIDES,
        *"--set-resources train_encoder:nodes=2 train_encoder:gpu=4 train_encoder:runtime=10".split(),
    )
    earlier = len(job_ids(finished, "train_encoder"))
    finished.until(lambda: len(job_ids(finished, "train_encoder")) > earlier, "submission")
    ask_to_stop(finished, slurm, "train_encoder", finished.folder / "results/encoders/vision", 1)
    assert finished.wait(1200) == 0, finished.log[-5000:]
    job = job_ids(finished, "train_encoder")[-1]
    asked = dict(part.split("=") for part in slurm.booked("ReqTRES", job)[0][0].split(","))
    assert (asked["node"], asked["gres/gpu"]) == ("2", "4")
    log = next((finished.folder / "results/encoders/vision").glob("runs/*/train.log")).read_text()
    assert log.count("4 rank(s)") == 2  # one process writes, at each start
    together = losses(finished.folder / "results/encoders/vision")
    assert list(together) == list(alone)  # no step twice, none left out
    first, *_ = alone
    assert together[first] == pytest.approx(alone[first], rel=2e-3)
    assert list(together.values()) == pytest.approx(list(alone.values()), rel=0.1)  # rounding grows with the steps


def test_a_killed_main_process_is_taken_over_and_its_jobs_are_not_stopped(workflow, slurm):
    """They belong to SLURM: the same command finds the training that went on without a main process."""
    results = workflow.folder / "results/encoders/vision"
    shutil.rmtree(results, ignore_errors=True)
    words = ("snakemake", "results/encoders/vision/manifest.json", "--profile", "slurm", *OVERRIDES)
    words += ("encoders={vision: {training: {steps: 400}}}",)
    earlier = len(job_ids(workflow, "train_encoder"))
    workflow.start(*words)
    workflow.until(lambda: progress(results), "the training makes progress", 600)
    workflow.signal(signal.SIGKILL)
    assert workflow.wait() == -signal.SIGKILL
    said = workflow.run(*words, seconds=600)
    assert "Going on after process " in said
    assert "Stopping process" not in said
    (job,) = job_ids(workflow, "train_encoder")[earlier:]
    assert f"SLURM job {job}, which was submitted for" in said
