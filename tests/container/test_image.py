"""The image, built and run for real."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

OWNER = 12345  # a user whom the image does not know
WORKFLOW = (
    "results/eval.json --profile local -j2 --max-threads 1 --resources gpu=2 --configfile config/tiny.yaml".split()
)
REPRESENTATION = ("--config", "lines={generative: false}")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """An empty folder to mount, owned by a user who is not root."""
    folder = tmp_path / "results"
    folder.mkdir()
    try:
        os.chown(folder, OWNER, OWNER)
    except PermissionError:
        pytest.skip("only root can hand a folder to another user")
    return folder


def mounted(results: Path) -> tuple[str, ...]:
    return ("--user", f"{OWNER}:{OWNER}", "--volume", f"{results}:/sensorium/results")


def test_it_is_labelled_and_not_run_by_root(engine, image):
    shown = subprocess.run([*engine, "inspect", image], capture_output=True, text=True, check=True)
    config = json.loads(shown.stdout)[0]["Config"]
    assert config["User"] == "1000:1000"
    for name in ("title", "description", "licenses", "version", "revision"):
        assert config["Labels"][f"org.opencontainers.image.{name}"] not in ("", "unknown"), name


def test_it_holds_no_installers_caches_or_settings_of_the_machine_that_built_it(container):
    places = "/etc/pip.conf /etc/uv /run/secrets/* /tmp/* /root/.cache/* results/*"
    script = f"type -p uv pip gcc pytest ruff; find {places} -type f 2>/dev/null"
    result = container("-c", script, flags=("--entrypoint", "bash", "--user", "0"))
    assert result.stdout == ""
    certificates = container("/etc/ssl/certs/ca-certificates.crt", flags=("--entrypoint", "ls"))
    assert certificates.returncode == 0, "the build has taken the base's own certificates away"


def test_the_promised_command_needs_nothing_but_the_image(container):
    result = container("--profile", "local", "-j1", "-n", "results/eval.json")
    assert result.returncode == 0, result.stdout
    assert "train_dynamics" in result.stdout


def test_a_wrong_key_is_named(container):
    result = container("--profile", "local", "-j1", "--config", "nonsense=1")
    assert result.returncode == 1
    assert "nonsense = 1: no such key; allowed here: data, lines" in result.stdout


def test_a_folder_that_cannot_be_written_is_explained(container, results):
    result = container("-n", flags=mounted(results)[2:])  # as the image's own user
    assert result.returncode == 74
    assert "--user" in result.stdout


def run_and_stop(engine, start, image, results) -> int:
    """Start the workflow, stop the container as soon as the fusion trains; return its exit code."""
    words = [*start, "--name", "stopped", *mounted(results), image, *WORKFLOW, *REPRESENTATION]
    with (results.parent / "stopped.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        while process.poll() is None and not list(results.glob("fusion/runs/*/metrics.jsonl")):
            time.sleep(0.2)
        subprocess.run([*engine, "stop", "--time", "60", "stopped"], capture_output=True, check=False)
        return process.wait(60)


def test_stopped_in_a_training_it_saves_and_the_same_command_goes_on(engine, start, image, container, results):
    assert run_and_stop(engine, start, image, results) == 75, (results.parent / "stopped.log").read_text()[-5000:]
    assert "returned non-zero exit status 75" in (results.parent / "stopped.log").read_text()
    assert not (results / "fusion/manifest.json").exists()
    (checkpoint,) = results.glob("fusion/runs/*/checkpoints/step-*")
    done = int(checkpoint.name.removeprefix("step-"))
    assert done > 0

    result = container(*WORKFLOW, *REPRESENTATION, flags=mounted(results))
    assert result.returncode == 0, result.stdout[-5000:]
    assert f"steps {done} to 200" in (results / "logs/train_fusion.log").read_text()
    summary = json.loads((results / "eval.json").read_text())
    judged = {"probe_vision", "probe_audio", "retrieval", "few_shot", "properties", "zero_shot"}
    judged |= {"world_state", "finetuning", "motion", "causal", "fields"}
    assert judged == set(summary["evaluations"])
    assert {path.stat().st_uid for path in results.rglob("*")} == {OWNER}

    again = container(*WORKFLOW, *REPRESENTATION, flags=mounted(results))
    assert "Nothing to be done" in again.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_runs_the_whole_tiny_workflow(container, results):
    result = container(*WORKFLOW, flags=mounted(results))
    assert result.returncode == 0, result.stdout[-5000:]
    assert "rollout" in json.loads((results / "eval.json").read_text())["evaluations"]
