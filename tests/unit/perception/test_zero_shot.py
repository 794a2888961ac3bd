"""Unseen kinds are recognised by seen attributes; with no attributes or shuffled ones they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_playroom import CONFIG, ToyPlayroom
from toy_world import ToyWorld

from sensorium.artifacts import ArtifactError
from sensorium.config import canonical_json
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.perception.config import ZeroShotConfig
from sensorium.perception.evaluation.zero_shot import Perceived, Trials, main, unseen_kinds

SEEN, HEARD = 3, 4


def evaluate(world: Any, folder: Path, *more: str) -> dict[str, Any]:
    """Run the evaluation by its command line; its result."""
    argv = ["--config", canonical_json(ZeroShotConfig(samples=600)), "--device", "cpu", "--threads", "1"]
    for key in ("data", "vision", "audio"):
        argv += [f"--{key}", str(getattr(world, key))]
    main([*argv, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return json.loads((folder / "r.json").read_text())


def windows(split: str, count: int, rng: np.random.Generator) -> Sample:
    """Windows of all kinds, four a recording."""
    names = np.array([f"{split}-{number // 4:03d}" for number in range(count)])
    classes = {"seen": rng.integers(0, SEEN, count), "heard": rng.integers(0, HEARD, count)}
    return Sample(names, np.zeros(count, np.int64), classes)


def senses(labelled: Sample, blur: float, rng: np.random.Generator) -> Perceived:
    """Embeddings that hold the classes, blurred by noise."""
    clear = {"vision": one_hot(labelled["seen"], SEEN), "audio": one_hot(labelled["heard"], HEARD)}
    return {sense: values + blur * rng.normal(size=values.shape) for sense, values in clear.items()}


def test_unseen_kinds_are_recognised_by_seen_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readout learns from no withheld kind but from all their classes. Both attributes suffice; one gives 1/2."""
    rng = np.random.default_rng(0)
    training, test = windows("training", 1200, rng), windows("test", 600, rng)
    clear, blurred = ([senses(part, blur, rng) for part in (training, test)] for blur in (0.01, 100))
    trials, learned, read = Trials(training, test, SEEN, HEARD), [], JointReadout.__call__

    def spy(
        given: JointReadout, names: Any, wanted: dict[str, np.ndarray], groups: np.ndarray
    ) -> dict[str, np.ndarray]:
        learned.append((wanted["vision"].argmax(1), wanted["audio"].argmax(1)))
        return read(given, names, wanted, groups)

    monkeypatch.setattr(JointReadout, "__call__", spy)
    record = unseen_kinds(trials, clear, {"untrained": blurred}, 0)
    assert len(trials.withheld) == 6, "every pair of classes heard"
    for kinds, (seen, heard) in zip(trials.withheld, learned, strict=False):
        assert len(kinds) == 4
        assert not set(kinds) & set(seen * HEARD + heard)
        assert (set(seen), set(heard)) == (set(range(SEEN)), set(range(HEARD)))
    assert record["passed"]
    assert record["fitted_on"] == 300
    assert record["value"] > 0.99
    assert record["references"]["vision alone"] == pytest.approx(0.5, abs=0.02)
    assert record["references"]["audio alone"] == pytest.approx(0.5, abs=0.02)
    assert record["references"]["shuffled attributes"] < 0.35
    assert not unseen_kinds(trials, blurred, {"untrained": clear}, 0)["passed"]
    assert unseen_kinds(trials, blurred, {"untrained": blurred}, 0)["value"] == pytest.approx(0.25, abs=0.05)


def test_a_readout_of_judged_windows_is_refused() -> None:
    """Both samples of the same recordings."""
    rng = np.random.default_rng(0)
    test = windows("test", 600, rng)
    seen = senses(test, 0.01, rng)
    with pytest.raises(LeakError, match="unseen_kinds: fitted on 150 of the recordings that judge it"):
        unseen_kinds(Trials(test, test, SEEN, HEARD), [seen, seen], {}, 0)


def test_an_untrained_pair_of_encoders_fails(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """By the command line, in a small playroom."""
    room = ToyPlayroom(tmp_path_factory.mktemp("room"), CONFIG.model_copy(update={"max_bodies": 3}))
    record = evaluate(room, tmp_path)["metrics"]["unseen_kinds"]
    assert set(baseline_values(record)) == {"chance", "plain features", *(f"untrained {n}" for n in range(3))}
    assert record["low"] > 0.25, "the trained audio encoder shows what sounds"
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    for seed in ("101", "102"):
        assert not evaluate(room, tmp_path, "--untrained-seed", seed)["metrics"]["unseen_kinds"]["passed"]


def test_too_few_classes_are_refused(world: ToyWorld, tmp_path: Path) -> None:
    """With two classes of each sense, no other combination would be left to learn from."""
    with pytest.raises(ArtifactError, match=r"'audio': 2.* needs three of each"):
        evaluate(world, tmp_path)
