"""The comparison of two runs: it sees a changed bit, a changed number, and a key that only one side has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.artifacts import write_json

ROOT = Path(__file__).parents[3]


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """The program."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "compare_results", raising=False)
    from compare_results import main

    return main


def results(folder: Path, weight: bytes = b"weights", **metrics: float) -> str:
    """A folder of results with one model and one evaluation."""
    (folder / "fusion").mkdir(parents=True)
    (folder / "fusion/model.safetensors").write_bytes(weight)
    write_json(folder / "eval.json", {"evaluations": {"rollout": {"metrics": metrics, "seconds": len(folder.name)}}})
    return str(folder)


def test_two_runs_are_compared(
    tmp_path: Path, compare: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = results(tmp_path / "before", psnr=20.0)
    assert compare([before, results(tmp_path / "same", psnr=20.0)]) == 0
    assert "DIFFERENT" not in capsys.readouterr().out
    assert compare([before, results(tmp_path / "other bit", b"Weights", psnr=20.0)]) == 1
    assert "DIFFERENT fusion/model.safetensors" in capsys.readouterr().out
    assert compare([before, results(tmp_path / "other number", psnr=20.5)]) == 1
    assert "largest difference 0.5" in capsys.readouterr().out
    assert compare([before, results(tmp_path / "other key", psnr=20.0, ssim=0.9)]) == 1
    assert "metrics.ssim" in capsys.readouterr().out


def test_results_that_are_not_there_are_named(tmp_path: Path, compare: Callable[[list[str]], int]) -> None:
    with pytest.raises(SystemExit) as leaving:
        compare([results(tmp_path / "before", psnr=20.0), str(tmp_path / "nowhere")])
    assert leaving.value.code == 2
