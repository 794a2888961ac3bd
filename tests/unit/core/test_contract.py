"""The contract of evaluations: a declared module gets a command line, checked inputs, and its result written."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from sensorium.artifacts import write_manifest
from sensorium.config import Section
from sensorium.evaluation import contract
from sensorium.evaluation.contract import DATA, Evaluation, Input, Output, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.statistics import baseline_values, measure
from sensorium.training.execution import Execution

NAME = "sensorium.evaluation.toy_score"


class ToyScoreConfig(Section):
    """One number."""

    value: float = 1.0


def judge(bench: Bench, config: ToyScoreConfig) -> Result:
    """The number, over what untrained networks score."""
    groups = ["a", "a", "b"]
    metric = measure(
        "score",
        np.full(3, config.value),
        groups,
        fitted_on=(),
        baselines=bench.untrained(lambda seed: 0.0),
        ceilings={"best": 2.0},
    )
    notes = {"seed": bench.untrained_seed, "encoder": str(bench.parts.path(f"encoders/{bench.args.sense}"))}
    found = Result(
        {"score": metric},
        lambda path: path.write_text("figure"),
        notes,
        files={"text": lambda path: path.write_text("text")},
        name=f"toy_score_{bench.args.sense}",
    )
    assert ("latents/audio" in bench.parts) == (bench.args.sound is not None)
    return found


@pytest.fixture
def evaluation() -> Iterator[Evaluation]:
    """The declaration of a module that exists as long as the test."""

    def add_sense(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("sense", choices=("vision", "audio"))

    module = ModuleType(NAME, "What the toy measures.")
    module.judge = judge  # type: ignore[attr-defined]
    sys.modules[NAME] = module
    yield Evaluation(
        NAME,
        ToyScoreConfig,
        inputs=(
            Input("data", "data", key="labelled"),
            Input("encoder", "encoders/{sense}"),
            Input("sound", "latents/audio", required=False),
        ),
        control="the encoder",
        outputs=(Output("text", "TXT", "where a text goes"),),
        options=add_sense,
    )
    del sys.modules[NAME]


def manifest(folder: Path) -> Path:
    folder.mkdir()
    write_manifest(folder, kind="toy", section_json="{}", inputs={}, files={}, details={})
    return folder / "manifest.json"


def test_a_declaration_is_a_whole_command(evaluation: Evaluation, tmp_path: Path) -> None:
    data, encoder = manifest(tmp_path / "data"), manifest(tmp_path / "encoder")
    argv = ["audio", "--config", '{"value": 1.5}', "--data", str(data), "--encoder", str(encoder)]
    argv += [f"--{name}={tmp_path / name}" for name in ("output", "figure", "text")]
    evaluation.main([*argv, "--sound", "--untrained-seed", "7", "--device", "cpu", "--threads", "1"])
    result = json.loads((tmp_path / "output").read_text())
    assert result["name"] == "toy_score_audio"
    assert result["metrics"]["score"]["value"] == 1.5
    assert set(baseline_values(result["metrics"]["score"])) == {f"untrained {n}" for n in range(len(FLOOR_SEEDS))}
    assert set(result["inputs"]) == {"labelled", "encoder"}
    assert result["seed"] == 7
    assert result["encoder"] == str(encoder)
    assert (tmp_path / "figure").read_text() == "figure"
    assert (tmp_path / "text").read_text() == "text"


def test_it_prints_what_it_judges_and_what_it_found(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, encoder = manifest(tmp_path / "data"), manifest(tmp_path / "encoder")
    argv = ["audio", "--config", '{"value": 1.5}', "--data", str(data), "--encoder", str(encoder)]
    argv += [f"--{name}={tmp_path / name}" for name in ("output", "figure", "text")]
    evaluation.main([*argv, "--untrained-seed", "7", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "toy_score: What the toy measures.",
        f"data: {data}",
        f"encoders/audio: {encoder}",
        "negative control: the encoder with fresh weights of seed 7",
        'settings: {"value":1.5}',
    ]
    printed = "score 1.500 [1.500, 1.500] untrained 0 0.000 +1.500 [+1.500, +1.500] 2.000 3 passed"
    assert lines[-3].split() == printed.split()
    assert lines[-2].startswith("1 of 1 metrics passed")
    assert lines[-1].startswith(f"{tmp_path / 'output'}: written after ")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"details": {"recordings": [{}, {}]}}, " (2 recordings)"),
        ({"details": {"parameters": 5, "steps": 7}}, " (5 parameters, 7 steps)"),
        ({"details": {}}, ""),
        ({"details": None}, ""),
        ({"details": {"recordings": 3}}, ""),
        ([], ""),
    ],
)
def test_the_size_of_an_input_is_shown_where_it_is_known(content: object, shown: str) -> None:
    assert contract._size(content) == shown  # type: ignore[arg-type]


def test_its_help_says_what_it_measures(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluation.main(["--help"])
    shown = capsys.readouterr().out
    assert "sensorium toy-score" in shown
    assert "What the toy measures." in shown
    assert DATA.option in shown


def test_an_untrained_floor_is_the_best_of_three_networks() -> None:
    seeds = Bench(torch.device("cpu"), Execution()).untrained(lambda seed: seed)
    assert list(seeds) == ["untrained 0", "untrained 1", "untrained 2"]
    assert len(set(seeds.values())) == 3


def test_a_sample_keeps_its_rows_together() -> None:
    sample = Sample(np.array(["a", "b", "b"]), np.array([0, 1, 2]), {"x": np.arange(3)})
    some = sample.rows([2, 0]).having(y=np.array([5.0, 6.0]))
    assert some.names == ["b", "a"]
    assert some["x"].tolist() == [2, 0]
    assert "y" in some
    assert sample.get("y") is None
    whole = {"a": np.arange(10), "b": 10 * np.arange(10)}
    assert sample.cut(whole, 2).tolist() == [[0, 1], [10, 20], [20, 30]]
    with pytest.raises(ValueError, match=r"a sample of 3 rows has fields of other lengths"):
        sample.having(y=np.zeros(2))


def test_actions_of_other_recordings() -> None:
    groups = np.array(["a", "a", "b", "c"])
    others = of_other_recordings(groups, np.random.default_rng(0))
    assert (groups[others] != groups).all()
    actions = np.arange(8).reshape(4, 2)
    changed = with_actions_of(actions, others, 1)
    assert (changed[:, 0] == actions[:, 0]).all()
    assert (changed[:, 1] == actions[others, 1]).all()
