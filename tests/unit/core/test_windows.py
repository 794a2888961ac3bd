"""Windows: numbering, gathering, and batches that depend on nothing but (seed, step)."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.data.recording import RecordingSet, write_shard
from sensorium.data.windows import JoinedWindows, StepBatches, Windows
from sensorium.randomness import stable_seed

SAMPLES = 5


def make(folder: Path, lengths: list[int]) -> RecordingSet:
    """Recordings whose values tell where they came from: 1000 * recording + frame."""
    recordings = {}
    for number, length in enumerate(lengths):
        clock = 1000 * number + np.arange(length)
        recordings[f"r{number}"] = {
            "action": clock,
            "audio": np.repeat(clock, SAMPLES).astype(np.int16),
            "body": np.stack([clock, -clock], axis=1).astype(np.float32),
            "truth.whole": np.array([number, number], np.int64),
        }
    path = folder / "shard.safetensors"
    write_shard(path, recordings)
    entries = [
        {"name": f"r{i}", "frames": length, "shard": "shard", "split": "training"} for i, length in enumerate(lengths)
    ]
    return RecordingSet(
        folder / "manifest.json", {"samples_per_frame": SAMPLES, "recordings": entries}, {"shard": path}
    )


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    return Windows(make(tmp_path, [9, 3, 17]), "training", ("action", "audio", "body", "truth.whole"), 4)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(3, 20), min_size=1, max_size=6),
    frames=st.integers(1, 10),
    stride=st.integers(1, 6),
)
def test_windows_are_exactly_the_starts_that_fit(lengths: list[int], frames: int, stride: int) -> None:
    expected = [
        (f"r{number}", start)
        for number, length in enumerate(lengths)
        for start in range(0, length - frames + 1, stride)
    ]
    with tempfile.TemporaryDirectory() as folder:
        recordings = make(Path(folder), lengths)
        if not expected:
            with pytest.raises(ConfigurationError, match=f"no window of {frames} frames"):
                Windows(recordings, "training", ("action",), frames, stride)
            return
        windows = Windows(recordings, "training", ("action", "audio"), frames, stride)
        assert [windows.location(i) for i in range(len(windows))] == expected
        batch = windows.batch(np.arange(len(windows)))
        for row, (name, start) in enumerate(expected):
            clock = 1000 * int(name[1:]) + start + np.arange(frames)
            np.testing.assert_array_equal(batch["action"][row], clock)
            np.testing.assert_array_equal(batch["audio"][row], np.repeat(clock, SAMPLES))


def test_batch_shapes_and_types(windows: Windows) -> None:
    batch = windows.batch(np.array([3, 3, 0]))
    assert {name: (tuple(value.shape), value.dtype) for name, value in batch.items()} == {
        "index": ((3,), torch.int64),
        "action": ((3, 4), torch.int64),
        "audio": ((3, 4 * SAMPLES), torch.int16),
        "body": ((3, 4, 2), torch.float32),
        "truth.whole": ((3, 2), torch.int64),
    }
    assert batch["index"].tolist() == [3, 3, 0]
    assert torch.equal(batch["body"][0], batch["body"][1])


def test_a_scene_is_a_frame_that_the_window_follows(tmp_path: Path) -> None:
    """Drawn from all there are, of the same recording; the seed decides, not the window."""
    windows = Windows(make(tmp_path, [60, 60, 60]), "training", ("action",), 4, scene="action")
    everything, seeds = np.arange(len(windows)), [stable_seed("row", row) for row in range(len(windows))]
    batch = windows.batch(everything, seeds)
    first, scene = batch["action"][:, 0], batch["scene"]
    assert torch.equal(first // 1000, scene // 1000)
    assert (scene <= first).all()
    place = ((scene % 1000 + 0.5) / (first % 1000 + 1)).numpy()
    assert np.histogram(place, bins=4, range=(0, 1))[0].min() > len(windows) / 6
    assert torch.equal(windows.batch(everything[::-1], seeds[::-1])["scene"], scene.flip(0))
    assert not torch.equal(windows.batch(everything, [seed + 1 for seed in seeds])["scene"], scene)
    with pytest.raises(ValueError, match="needs a seed"):
        windows.batch(everything)


def test_a_window_has_another_scene_in_another_epoch_and_for_another_seed(tmp_path: Path) -> None:
    """The scene is a function of (seed, step, row), and ranks that read parts of a batch draw the same ones."""
    windows = Windows(make(tmp_path, [60, 60, 60]), "training", ("action",), 4, scene="action")
    count = len(windows)  # one batch is one epoch

    def scenes(seed: int, epoch: int) -> dict[int, int]:
        batch = StepBatches(windows, seed, count)[epoch]
        return dict(zip(batch["index"].tolist(), batch["scene"].flatten().tolist(), strict=True))

    assert scenes(0, 0) == scenes(0, 0)
    for other in (scenes(0, 1), scenes(1, 0)):
        same = np.mean([scenes(0, 0)[number] == other[number] for number in other])
        assert same < 0.3
    whole = StepBatches(windows, 0, count)[3]["scene"]
    parts = [StepBatches(windows, 0, count, rows)[3]["scene"] for rows in pairwise((0, 50, 51, count))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("scene", ["body", "audio", "truth.whole"], ids=("no field", "many a frame", "one for all"))
def test_a_scene_must_be_a_field_with_an_entry_a_frame(tmp_path: Path, scene: str) -> None:
    with pytest.raises(ValueError, match=f"scene is '{scene}'"):
        Windows(make(tmp_path, [9]), "training", ("action", "audio", "truth.whole"), 4, scene=scene)


@pytest.mark.parametrize("index", [-1, 20])
def test_window_that_is_not_there(windows: Windows, index: int) -> None:
    assert len(windows) == 20
    with pytest.raises(IndexError, match=f"{index} of 20"):
        windows.location(index)


def test_missing_field_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no field 'video'"):
        Windows(make(tmp_path, [9]), "training", ("video",), 4)


def test_empty_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="test recordings"):
        Windows(make(tmp_path, [9]), "test", ("action",), 4)


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("first", [0, 7])
def test_same_batches_for_any_number_of_workers_from_any_step(windows: Windows, workers: int, first: int) -> None:
    batches = StepBatches(windows, seed=3, batch=8)
    expected = [batches[step]["index"].tolist() for step in range(12)]
    loader = DataLoader(batches, batch_size=None, sampler=range(first, 12), num_workers=workers)
    assert [batch["index"].tolist() for batch in loader] == expected[first:]
    assert len({tuple(indices) for indices in expected}) == 12


def test_spawned_workers_read_the_same(windows: Windows) -> None:
    batches = StepBatches(windows, seed=3, batch=8)
    loader = DataLoader(batches, batch_size=None, sampler=range(2), num_workers=1, multiprocessing_context="spawn")
    for step, batch in enumerate(loader):
        assert torch.equal(batch["body"], batches[step]["body"])


@settings(max_examples=30, deadline=None)
@given(cuts=st.sets(st.integers(1, 7), max_size=4), step=st.integers(0, 50), seed=st.integers(0, 5))
def test_ranks_share_a_batch_without_gap_or_overlap(cuts: set[int], step: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        windows = Windows(make(Path(folder), [9, 9]), "training", ("action",), 4)
        edges = [0, *sorted(cuts), 8]
        whole = StepBatches(windows, seed, 8)[step]["action"]
        parts = [StepBatches(windows, seed, 8, rows)[step]["action"] for rows in pairwise(edges)]
        assert torch.equal(torch.cat(parts), whole)


def test_every_window_comes_once_an_epoch(windows: Windows) -> None:
    batches = StepBatches(windows, seed=0, batch=5)
    epochs = [sorted(i for step in range(4 * e, 4 * e + 4) for i in batches[step]["index"].tolist()) for e in range(2)]
    assert epochs == [list(range(20))] * 2


def test_joined_windows_tell_of_the_same_frames(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for folder in (first, other):
        folder.mkdir()
    video, sound = (Windows(make(folder, [9, 3, 7]), "training", ("action",), 4) for folder in (first, other))
    joined = JoinedWindows(video, sound=sound)
    assert len(joined) == len(video)
    batch = joined.batch(np.array([0, 5, 8]))
    assert set(batch) == {"index", "action", "sound"}
    assert torch.equal(batch["sound"], batch["action"])


def test_windows_of_other_recordings_are_not_joined(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for folder in (first, other):
        folder.mkdir()
    video = Windows(make(first, [9, 7]), "training", ("action",), 4)
    with pytest.raises(ArtifactError, match="other"):
        JoinedWindows(video, sound=Windows(make(other, [9, 8]), "training", ("action",), 4))
