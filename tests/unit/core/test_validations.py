"""When a training is validated: ten times, at least twenty steps apart, and after its last step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import ToyConfig, run_folder, run_toy

from sensorium.config import Training


@pytest.mark.parametrize(
    ("steps", "validated"), [(16, [16]), (50, [20, 40, 50]), (200, [*range(20, 201, 20)]), (400, [*range(40, 401, 40)])]
)
def test_validations_are_ten_and_never_closer_than_twenty_steps(
    tmp_path: Path, steps: int, validated: list[int]
) -> None:
    run_toy(tmp_path / "toy", ToyConfig(training=Training(steps=steps, batch=16, warmup=5)))
    rows = [json.loads(line) for line in (run_folder(tmp_path / "toy") / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "val/loss" in row] == validated
