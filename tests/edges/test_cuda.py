"""What only a GPU can show, and the program that shows it: benchmarks/gpu.sh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sensorium.models.kernels import attend, deterministic_attention

ROOT = Path(__file__).parents[2]
KEYS, CHANNELS = 512, 64


def heads(dtype: torch.dtype) -> list[torch.Tensor]:
    """Queries, keys and values of many positions, [8, 4, KEYS, CHANNELS] each."""
    generator = torch.Generator("cuda").manual_seed(0)
    shape = (8, 4, KEYS, CHANNELS)
    return [torch.randn(shape, generator=generator, device="cuda", dtype=dtype).requires_grad_() for _ in range(3)]


@pytest.mark.gpu
@pytest.mark.parametrize("cap", [0.0, 50.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_of_attention_have_the_same_bits_each_time(dtype, cap) -> None:
    visible = torch.ones(KEYS, KEYS, dtype=torch.bool, device="cuda").tril()
    found = []
    for _ in range(3):
        parts = heads(dtype)
        with deterministic_attention():
            attend(*parts, visible, cap).square().sum().backward()
        found.append([part.grad for part in parts])
    for again in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], again, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("channels", [8, 16, 64, 128])
def test_compiled_attention_is_that_of_eager_one(channels) -> None:
    query, key, value = (torch.randn(2, 4, 100, channels, device="cuda") for _ in range(3))
    eager = attend(query, key, value, None, 50.0)
    torch.testing.assert_close(torch.compile(attend)(query, key, value, None, 50.0), eager, atol=1e-3, rtol=1e-3)


@pytest.mark.gpu
def test_uncompiled_attention_with_a_soft_cap_takes_no_dynamo(monkeypatch) -> None:
    monkeypatch.setattr("sensorium.models.kernels._attend_fused", lambda *_: pytest.fail("flex attention, uncompiled"))
    with torch.no_grad():
        attend(*heads(torch.float32), None, 50.0)


def test_the_script_for_a_gpu_runs_through_on_a_cpu(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = (str(ROOT / "benchmarks/gpu.sh"), "--dry-run", str(output))
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert {name for name, part in found.items() if "error" in part} == set(), found
    assert found["left_out"] == []
    assert all(part["cosine_of_gradients"] > 0.95 for part in found["precision"].values() if isinstance(part, dict))
    assert all(part["equal_bits"] for part in found["resumed"].values() if isinstance(part, dict))
    assert found["rates"]["seconds"]["sensorium: flow"]["frames_a_second"] > 0
    assert set(found["tests"]["outcomes"].values()) <= {"SKIPPED", "PASSED"}
    assert found["tests"]["outcomes"]


def test_without_a_gpu_the_script_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is visible")
    words = (sys.executable, str(ROOT / "benchmarks/gpu.py"), str(tmp_path / "gpu.json"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "no CUDA device is visible" in done.stderr
