"""Memory of a GPU that runs out for real: the batch is cut, the training goes on and learns from the same rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

LIMIT = 400_000_000  # bytes this process may have on the device
PROGRAM = f"""
import sys
import torch
from sensorium.cli import main
torch.cuda.set_per_process_memory_fraction({LIMIT} / torch.cuda.get_device_properties(0).total_memory)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.gpu
def test_a_batch_beyond_the_memory_is_cut(tiny: Path, command) -> None:
    section = {"width": 48, "training": {"steps": 6, "batch": 4096, "warmup": 2}}
    words = ("train-tokenizer", "video", "--data", "results/data/playroom/manifest.json", "--compile", "off")
    result = command(
        tiny, sys.executable, "-c", PROGRAM, *words, "--config", json.dumps(section), "--output", "memory",
        "--device", "cuda",
    )  # fmt: skip
    assert result.returncode in (0, 70), result.stdout  # after so few steps a gate may refuse the export
    assert "out of memory with a micro-batch of 4096" in result.stdout
    assert list((tiny / "memory").glob("runs/*/checkpoints/step-00000006"))
