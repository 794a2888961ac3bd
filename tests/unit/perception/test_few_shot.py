"""Few-shot episodes: which windows may share one, the score of shuffled labels, and the choice of classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_world import ToyWorld

from sensorium.artifacts import ArtifactError
from sensorium.config import canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.evaluation.harness import WindowPool
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.perception.config import FewShotConfig
from sensorium.perception.evaluation import few_shot
from sensorium.perception.evaluation.few_shot import (
    QUERIES,
    Labelling,
    answers,
    draw_task,
    episodes,
    frequent,
    judged_apart,
    sense_metrics,
)

CONFIG = FewShotConfig(samples=300, episodes=100)


def clusters(spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels and groups of eight classes in twelve groups, of three rows each."""
    rng = np.random.default_rng(0)
    labels, groups = (grid.ravel() for grid in np.meshgrid(np.arange(8), np.repeat(np.arange(12), 3)))
    return rng.normal(size=(8, 16))[labels] + spread * rng.normal(size=(len(labels), 16)), labels, groups


@pytest.mark.parametrize("shots", few_shot.SHOTS)
def test_no_class_meets_a_recording_twice_in_an_episode(shots: int) -> None:
    """Supports and queries of a class are of different recordings, and of that class."""
    _, labels, groups = clusters(0.1)
    support, query = episodes(labels, groups, shots, 50, np.random.default_rng(0))
    assert support.shape == (50, 5, shots)
    assert query.shape == (50, 5, QUERIES)
    for rows in np.concatenate([support, query], 2).reshape(-1, shots + QUERIES):
        assert len(set(labels[rows])) == 1
        assert len(set(groups[rows])) == shots + QUERIES
    assert (np.sort(labels[support[:, :, 0]], 1)[:, 1:] != np.sort(labels[support[:, :, 0]], 1)[:, :-1]).all()


def test_separate_clusters_are_classified_and_shuffled_labels_give_chance() -> None:
    """Accuracy is 1 where clusters lie apart, and a fifth once the supports' labels are shuffled."""
    rows, labels, groups = clusters(0.1)
    support, query = episodes(labels, groups, 5, 200, np.random.default_rng(0))
    assert answers(rows, support, query).mean() == 1
    sample = Sample(np.array([f"r{n}" for n in groups]), np.zeros(len(rows), np.int64), {"label": labels})
    labelling = Labelling("cluster", labels, [*"abcdefgh"])
    noise = {f"untrained {n}": np.random.default_rng(n).normal(size=rows.shape) for n in range(3)}
    views = {"judged": rows, "raw": noise["untrained 0"], **noise}
    metrics, task = sense_metrics("toy", sample, labelling, views, CONFIG)
    assert task["ways"] == 5
    for record in metrics.values():
        assert record["passed"]
        assert {"chance", *views} - {"judged"} == set(baseline_values(record))
        assert record["references"]["shuffled labels"] == pytest.approx(0.2, abs=0.04)
        assert baseline_values(record)["untrained 0"] == pytest.approx(0.2, abs=0.06)


def test_a_support_of_a_recording_that_is_asked_is_refused() -> None:
    """Of its class; of another class it may be."""
    groups = np.array(["a", "b", "c", "d"])
    judged_apart("toy", groups, np.array([[[0], [1]]]), np.array([[[2, 1], [0, 3]]]))
    with pytest.raises(LeakError, match="toy: b is support and query of one class"):
        judged_apart("toy", groups, np.array([[[0], [1]]]), np.array([[[2, 3], [3, 1]]]))


def test_classes_without_enough_recordings_are_left_out() -> None:
    """Five supports and three queries need eight recordings."""
    labels, groups = np.repeat([0, 1, -1], [8, 7, 9]), np.concatenate([np.arange(8), np.arange(7), np.arange(9)])
    assert frequent(labels, groups).tolist() == [0]


def test_the_coarser_labels_serve_where_the_finer_are_too_rare(world: ToyWorld) -> None:
    """The first labelling with five classes, else that with the most; fewer than two classes are refused by name."""
    pool = WindowPool(RecordingSet.open(world.data), "test", (), 4)
    fine = Labelling("number", np.unique(pool.recording, return_inverse=True)[1], [str(n) for n in range(20)])
    coarse = few_shot.sense_labels(pool, "vision", 0)
    assert draw_task(pool, [fine, coarse], CONFIG)[1].what == "shape"
    five = Labelling("five", pool.start % 5, [*"abcde"])
    assert draw_task(pool, [five, coarse], CONFIG)[1].what == "five"
    with pytest.raises(ArtifactError, match=r"0 classes of number in 8 or more test recordings"):
        draw_task(pool, [fine], CONFIG)


def evaluate(world: Any, folder: Path, *more: str) -> dict[str, Any]:
    argv = ["--config", canonical_json(CONFIG), "--device", "cpu", "--threads", "1"]
    for key in ("data", "vision", "audio", "fusion"):
        argv += [f"--{key}", str(getattr(world, key))]
    few_shot.main([*argv, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return json.loads((folder / "r.json").read_text())


def test_each_sense_has_a_task_of_its_own_classes(world: ToyWorld, tmp_path: Path) -> None:
    """Two ways where there are two classes, and the result says so; a set of its own is named among the inputs."""
    result = evaluate(world, tmp_path, "--seen", str(world.data), "--heard")
    tasks = {sense: (task["what"], task["ways"]) for sense, task in result["tasks"].items()}
    assert tasks == {"vision": ("shape", 2), "audio": ("chirp", 2), "fusion": ("shape and chirp", 2)}
    assert result["tasks"]["fusion"]["classes"] == ["square, down", "cross, up"]
    assert result["inputs"]["seen"] == result["inputs"]["data"]
    assert "heard" not in result["inputs"]
    for record in (result["metrics"] | result["reported"]).values():
        assert record["references"]["shuffled labels"] == pytest.approx(0.5, abs=0.08)


def test_the_trained_eye_passes_and_untrained_networks_fail(world: ToyWorld, tmp_path: Path) -> None:
    """The toy's ear and fusion learned mostly other things than classes: time, place and light.

    Features that nobody learned tell a square from a cross, too, so the eye is compared with untrained ones.
    """
    result = evaluate(world, tmp_path)
    trained, reported = result["metrics"], result["reported"]
    assert set(trained) == {f"{sense}_{shots}shot" for sense in ("vision", "audio") for shots in (1, 5)}
    assert set(reported) == {"fusion_1shot", "fusion_5shot"}
    assert all("untrained fusion" in baseline_values(record) for record in reported.values())
    for record in (trained["vision_1shot"], trained["vision_5shot"]):
        assert all(each["margin"]["low"] > 0 for each in record["baselines"] if "untrained" in each["name"])
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    for seed in ("101", "102"):
        untrained = evaluate(world, tmp_path, "--untrained-seed", seed)["metrics"]
        assert [metric for metric, record in untrained.items() if record["passed"]] == []
