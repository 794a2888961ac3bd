"""The whole workflow, for real, on the tiny preset; then its report."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import av
import pytest

from sensorium.artifacts import read_json
from sensorium.planning.configuration import read_settings
from sensorium.planning.estimate import disk
from sensorium.planning.footprint import file_bytes, learner_tensors
from sensorium.planning.kept_runs import kept_runs
from sensorium.planning.learners import stage
from sensorium.planning.resources import models, training_of

EXAMPLE = Path(__file__).parents[2] / "examples/perceive_and_imagine.py"
EVALUATIONS = {
    "probe_vision",
    "probe_audio",
    "retrieval",
    "few_shot",
    "properties",
    "zero_shot",
    "world_state",
    "finetuning",
    "motion",
    "causal",
    "fields",
    "sound_reconstruction",
    "rollout",
    "uncertainty",
    "drift",
    "control",
    "dreamed_sound",
    "counterfactual",
}
# Two jobs side by side with a thread each: networks this small gain nothing from a second thread.
RUN = "snakemake --profile local -j2 --max-threads 1 --resources gpu=2".split()
TINY = ("--configfile", "config/tiny.yaml")


def test_every_evaluation_is_there_in_the_promised_form(tiny):
    for name in EVALUATIONS:
        result = json.loads((tiny / f"results/eval/{name}.json").read_text())
        assert set(result) >= {"name", "metrics", "inputs", "seconds"}
        assert result["metrics"]
        for metric in result["metrics"].values():
            assert set(metric) >= {"value", "low", "high", "n", "floor", "ceiling", "higher_is_better", "passed"}
            assert metric["low"] <= metric["value"] <= metric["high"]
            assert all(math.isfinite(metric[key]) for key in ("value", "low", "high", "floor"))
            assert metric["n"] > 0
            # the interval that decides is that of the distance to the floor, resampled together with the value
            assert metric["passed"] is (metric["margin"]["low"] > 0)
            assert metric["floor"] == metric["baselines"][0]["value"]
            assert {"name", "value", "low", "high", "margin"} == set(metric["baselines"][-1])


def test_the_summary_holds_every_evaluation(tiny):
    summary = json.loads((tiny / "results/eval.json").read_text())
    assert set(summary["evaluations"]) == EVALUATIONS
    metrics = [metric for result in summary["evaluations"].values() for metric in result["metrics"].values()]
    assert any(metric["passed"] for metric in metrics)  # even so small a run learns something


def test_run_folders_survive_with_their_records(tiny):
    runs = list((tiny / "results").glob("**/runs/*/metrics.jsonl"))
    assert len(runs) == 6, runs  # two encoders, fusion, both together, state dynamics, dynamics; tokenizers are fitted
    for run in runs:
        assert [json.loads(line) for line in run.read_text().splitlines()]
        assert list(run.parent.rglob("events.out.tfevents.*"))


def test_no_artifact_is_a_pickle(tiny):
    files = [path for path in (tiny / "results").rglob("*") if path.is_file()]
    allowed = {".safetensors", ".json", ".jsonl", ".log", ".png", ".mp4", ".svg", ".tsv", ".wav", ".npy", ".html"}
    odd = [p for p in files if p.suffix not in allowed and "tfevents" not in p.name and p.name != "lock"]
    assert not odd


def test_a_second_run_has_nothing_to_do(tiny, command):
    result = command(tiny, *RUN, *TINY)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout


def test_every_rule_is_benchmarked_and_logged(tiny):
    recordings, encoders, tokenizers, latents = 2 + 1, 2, 2, 4 + 2
    trained = 4  # fusion, finetuned encoders, both dynamics
    jobs = recordings + encoders + tokenizers + latents + trained + len(EVALUATIONS) + 3  # summary, curves, recordings
    assert len(list((tiny / "results/benchmarks").rglob("*.tsv"))) == jobs
    assert len(list((tiny / "logs").rglob("*.log"))) == jobs


def test_a_finished_training_is_exported_again_without_training(tiny, command):
    model = tiny / "results/fusion/model.safetensors"
    before = model.read_bytes()
    model.unlink()
    (tiny / "results/fusion/manifest.json").unlink()
    result = command(tiny, *RUN[:-2], "results/fusion/manifest.json", *TINY)
    assert result.returncode == 0, result.stdout[-3000:]
    assert model.read_bytes() == before


def test_the_report_builds_with_its_figures(tiny, command):
    result = command(tiny, "snakemake", "--report", "report.html", *TINY)
    assert result.returncode == 0, result.stdout[-3000:]
    text = (tiny / "report.html").read_text()
    for name in ("recordings.png", "training.png", "rollout.png", "eval.json"):
        assert name in text
    pages = {"rollout", "control", "dreamed_sound", "sound_reconstruction", "baselines"}
    assert all(f"results/pages/{name}.html" in text for name in pages)
    assert {path.stem for path in (tiny / "results/pages").iterdir()} == pages


def test_the_example_tells_what_the_model_sees_hears_and_expects(tiny, command):
    result = command(tiny, sys.executable, str(EXAMPLE))
    assert result.returncode == 0, result.stdout[-3000:]
    for told in ("it sees\n  number of bodies: ", "it hears", "world state of 32 numbers at each of 16 frames"):
        assert told in result.stdout, result.stdout
    assert float(re.search(r"expects the next 8 frames with (\S+) dB", result.stdout)[1]) > 8


def test_what_was_trained_dreams_by_hand(tiny, command):
    """With no more than its name: the artifacts are where the workflow put them."""
    result = command(tiny, *"sensorium dream --device cpu".split())
    assert result.returncode == 0, result.stdout[-3000:]
    with av.open(str(tiny / "dream.mp4")) as film:
        assert film.streams.audio
        assert sum(1 for _ in film.decode(video=0)) == 32  # as long as the recording whose actions it follows


def test_every_training_wrote_what_was_estimated(tiny):
    settings = read_settings([tiny / "config/tiny.yaml"], tiny / "config/config.yaml")
    for folder in settings.trained():
        learner, training = stage(settings, folder).learner, training_of(settings, folder)
        manifest = read_json(tiny / "results" / folder / "manifest.json")
        assert manifest["files"]["model"]["bytes"] == file_bytes(learner.model.state_dict()), folder
        assert manifest["details"]["parameters"] == models(settings)[folder].parameters, folder
        if manifest["details"]["steps"] == 0:  # fitted, without a checkpoint
            continue
        run = tiny / "results" / folder / "runs" / manifest["details"]["run"]
        saved = run / f"checkpoints/step-{training.steps:08d}/tensors.safetensors"
        assert saved.stat().st_size == file_bytes(learner_tensors(learner, training)), folder
    for name, planned in disk(settings).items():
        shards = sum(path.stat().st_size for path in (tiny / "results" / name).glob("*.safetensors"))
        assert planned == pytest.approx(shards, rel=0.06), name  # actions lie beside the video's latents


def test_every_run_that_was_kept_is_used(tiny):
    runs = [run for of_stage in kept_runs(tiny / "results").values() for run in of_stage]
    assert {run.state for run in runs} == {"used"}
    assert len(runs) == 8
