"""Merging evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.artifacts import ArtifactError, write_json, write_manifest
from sensorium.evaluation import summary
from sensorium.evaluation.curves import main as draw_curves
from sensorium.evaluation.curves import run_curves
from sensorium.evaluation.statistics import NOTHING, measure

CHANCE = {"chance": 0.25, "untrained": 0.3}


def result(name: str, passed: bool = True, data: str = "d") -> dict[str, Any]:
    """An evaluation with one metric."""
    samples = np.array([0.4, 0.6] * 50)
    groups = [str(number) for number in range(100)]
    metric = measure("accuracy", samples, groups, fitted_on=NOTHING, baselines=CHANCE, ceilings={"all": 1.0})
    metric |= {"low": 0.4, "high": 0.6, "passed": passed}
    return {"name": name, "metrics": {"accuracy": metric}, "inputs": {"data": data}, "seconds": 1.0}


def written(folder: Path, *results: dict[str, Any]) -> list[Path]:
    """Files of results."""
    paths = []
    for number, content in enumerate(results):
        paths.append(folder / f"{number}.json")
        write_json(paths[-1], content)
    return paths


def manifest_of(folder: Path, kind: str, **details: int) -> None:
    """A manifest whose run is named abc."""
    write_manifest(folder, kind=kind, section_json="{}", inputs={}, files={}, details={"run": "abc", **details})


def test_pages_that_do_not_match_what_they_show_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluations = ["--evaluations", *map(str, written(tmp_path, result("good")))]
    outputs = ["--output", str(tmp_path / "eval.json"), "--table", str(tmp_path / "baselines.tsv")]
    with pytest.raises(SystemExit) as stopped:
        summary.main([*evaluations, *outputs, "--played", "dream.wav", "--pages", str(tmp_path / "one.html")])
    assert stopped.value.code == 2
    assert "1 pages for 2 files" in capsys.readouterr().err
    assert not (tmp_path / "eval.json").exists()


def test_merge_counts_and_names_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All evaluations in one file, with what failed; the table says the same."""
    paths = written(tmp_path, result("good"), result("bad", passed=False))
    outputs = ["--output", str(tmp_path / "eval.json"), "--table", str(tmp_path / "baselines.tsv")]
    summary.main(["--evaluations", *map(str, paths), *outputs])
    merged = json.loads((tmp_path / "eval.json").read_text())
    assert set(merged["evaluations"]) == {"good", "bad"}
    assert merged["summary"] == {"metrics": 2, "passed": 1, "failed": ["bad.accuracy"]}
    printed = capsys.readouterr().out
    assert "bad.accuracy" in printed
    assert "FAILED" in printed
    assert "1 of 2 metrics passed" in printed
    assert "[0.400, 0.600]" in printed
    assert printed.index("bad.accuracy") < printed.index("good.accuracy"), "what fails comes first"
    assert "untrained" in printed.splitlines()[1], "the best baseline is named"
    listed = [line.split("\t") for line in (tmp_path / "baselines.tsv").read_text().splitlines()]
    assert [row[1] for row in listed[1:5]] == ["the model", "untrained", "chance", "ceiling"]
    assert listed[2][2] == "0.3"


def test_a_sense_may_be_judged_on_a_set_of_its_own(tmp_path: Path) -> None:
    """Whichever comes first."""
    own = result("probe_vision") | {"inputs": {"labelled": "other", "encoder": "e"}}
    for contents in ((own, result("x"), result("y")), (result("x"), own)):
        assert "probe_vision" in summary.merge(written(tmp_path, *contents))["evaluations"]
    with pytest.raises(ArtifactError, match="other recordings than the evaluation 'x'"):
        summary.merge(written(tmp_path, own, result("x"), result("y", data="e")))


def test_faults_are_named(tmp_path: Path) -> None:
    """What is no evaluation, comes twice, lacks a part, or saw other recordings is refused."""
    incomplete = result("x")
    del incomplete["metrics"]["accuracy"]["ceiling"]
    for contents, message in (
        (({"kind": "fusion"},), "no evaluation result"),
        ((result("x"), result("x")), "a second result named 'x'"),
        ((incomplete,), r"metrics\.accuracy\.ceiling .*Field required"),
        ((result("x"), result("y", data="e")), "other recordings than the evaluation 'x'"),
    ):
        with pytest.raises(ArtifactError, match=message):
            summary.merge(written(tmp_path, *contents))
    with pytest.raises(ArtifactError, match="not found"):
        summary.merge([tmp_path / "absent.json"])


def test_curves_come_from_the_run_that_was_exported(tmp_path: Path) -> None:
    """Losses by step; other runs in the folder and records without a loss are left alone."""
    manifest_of(tmp_path, "fusion")
    with pytest.raises(ArtifactError, match="run's folder was removed"):
        run_curves(tmp_path / "manifest.json")
    (tmp_path / "runs" / "abc").mkdir(parents=True)
    lines = [{"step": 1, "train/loss": 3.0}, {"step": 2, "train/loss": None}, {"step": 2, "val/loss": 2.5}]
    (tmp_path / "runs" / "abc" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    expected = {"training": ([1], [3.0]), "validation": ([2], [2.5])}
    assert run_curves(tmp_path / "manifest.json") == ("fusion", "loss", expected)


def test_where_a_loss_is_divided_by_its_own_size_the_error_is_drawn(tmp_path: Path) -> None:
    """Such a loss may rise while the error falls."""
    manifest_of(tmp_path, "tokenizer_video")
    (tmp_path / "runs" / "abc").mkdir(parents=True)
    lines = [{"step": step, "train/loss": 1.0 * step, "train/psnr": 20.0 + step} for step in (1, 2)]
    (tmp_path / "runs" / "abc" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run_curves(tmp_path / "manifest.json") == ("tokenizer_video", "psnr", {"training": ([1, 2], [21.0, 22.0])})


def test_what_was_fitted_without_a_step_has_no_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, steps in (("fusion", 2), ("tokenizer_video", 0)):
        (tmp_path / kind / "runs/abc").mkdir(parents=True)
        manifest_of(tmp_path / kind, kind, steps=steps)
    lines = "".join(json.dumps({"step": step, "train/loss": 1.0}) + "\n" for step in (1, 2))
    (tmp_path / "fusion/runs/abc/metrics.jsonl").write_text(lines)
    manifests = [str(tmp_path / kind / "manifest.json") for kind in ("fusion", "tokenizer_video")]
    draw_curves(["--manifests", *manifests, "--output", str(tmp_path / "curves.png")])
    assert "the curves of 1 trainings" in capsys.readouterr().out
