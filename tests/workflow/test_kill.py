"""Each training stage, killed again and again and started again, ends with the bits of a run that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import warm
from sensorium.config import canonical_json
from sensorium.planning.configuration import read_settings
from sensorium.settings import Config

STEPS = 16
KILLS = 2
DATA = ("--data", "results/data/playroom/manifest.json")
TOKENIZER = ("--tokenizer", "results/tokenizers/video/manifest.json")
LATENTS = ("--latents", "results/latents/video/manifest.json", "--sound", "results/latents/audio/manifest.json")
ENCODERS = ("--vision", "results/encoders/vision/manifest.json", "--audio", "results/encoders/audio/manifest.json")
STAGES = {
    "encoders.vision": ("train-encoder", "vision", *DATA),
    "encoders.audio": ("train-encoder", "audio", *DATA),
    "tokenizers.video": ("train-tokenizer", "video", *DATA),
    "tokenizers.audio": ("train-tokenizer", "audio", *DATA),
    "fusion": ("train-fusion", *DATA, *ENCODERS),
    "finetune": ("finetune", *DATA, *ENCODERS, "--fusion", "results/fusion/manifest.json"),
    "state_dynamics": ("train-state-dynamics", *DATA, *ENCODERS, "--fusion", "results/fusion/manifest.json"),
    "dynamics": ("train-dynamics", *LATENTS, *TOKENIZER, "--body", DATA[1]),
}


def short_section(path: str) -> str:
    """The tiny preset's section of a stage, a few steps long, as JSON; tokenizers are those that are learned."""
    below = ["config/convolutional.yaml"] if path.startswith("tokenizers") else []
    section: Config = read_settings([Path(each) for each in (*below, "config/tiny.yaml")])
    for name in path.split("."):
        section = getattr(section, name)
    training = section.training.model_copy(update={"steps": STEPS, "warmup": 2})
    return canonical_json(section.model_copy(update={"training": training}))


def command(output: str, path: str, *flags: str) -> tuple[str, ...]:
    """A stage with one thread."""
    return ("sensorium", *STAGES[path], "--config", short_section(path), "--output", output, "--threads", "1", *flags)


def environment(folder: Path) -> dict[str, str]:
    """With the sources of the folder."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(places), "PYTHONPATH": str(folder / "src")}


def start(folder: Path, output: str, path: str, *flags: str) -> warm.Process:
    """A stage as a warm process of its own, in a group that can be killed as a whole."""
    log = folder / f"{path}.log"
    return warm.start(command(output, path, *flags), folder, environment(folder), log, session=True)


def newest(output: Path) -> str:
    """Name of the newest checkpoint, or nothing."""
    return max((path.name for path in output.glob("runs/*/checkpoints/step-*")), default="")


def final_state(folder: Path, output: str) -> dict[str, bytes]:
    """Weights, averages and optimiser at the last step, file by file."""
    (checkpoint,) = (folder / output).glob(f"runs/*/checkpoints/step-{STEPS:08d}")
    return {file.name: file.read_bytes() for file in sorted(checkpoint.glob("*.safetensors"))}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("path", STAGES)
def test_killed_at_random_moments_ends_with_the_same_bits(tiny: Path, path: str, device: str) -> None:
    straight, killed, chosen = f"straight/{device}/{path}", f"killed/{device}/{path}", ("--device", device)
    # After so few steps a gate may refuse the export (70); the state that was trained is there all the same.
    # It starts afresh: warm processes share the order of their sets, which must not matter.
    fresh = subprocess.run(command(straight, path, *chosen), cwd=tiny, env=environment(tiny), timeout=300, check=False)
    assert fresh.returncode in (0, 70)
    rng = random.Random(path)
    for _ in range(KILLS):
        process = start(tiny, killed, path, *chosen, "--checkpoint-minutes", "0")  # saves after every step
        before = newest(tiny / killed)
        while process.poll() is None and newest(tiny / killed) == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))  # anywhere between and within saves
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
    assert start(tiny, killed, path, *chosen).wait(300) in (0, 70)
    expected, found = final_state(tiny, straight), final_state(tiny, killed)
    assert expected
    assert found == expected
