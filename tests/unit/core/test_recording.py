"""The shard format: what is written is read back, and what was damaged is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorium.artifacts import ArtifactError, write_manifest
from sensorium.data.recording import DTYPES, RecordingSet, read_shard, write_shard

FRAMES = 6


def recording(number: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(number)
    return {
        "video": random.integers(256, size=(FRAMES, 8, 8, 3), dtype=np.uint8),
        "audio": random.integers(-9, 9, size=FRAMES * 10, dtype=np.int16),
        "action": random.integers(18, size=FRAMES),
        "truth.events": np.empty((0, 5), np.float32),
    }


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    files = {}
    for shard in range(2):
        path = files[f"shard-{shard:04d}"] = tmp_path / f"shard-{shard:04d}.safetensors"
        write_shard(path, {f"r{2 * shard + i}": recording(2 * shard + i) for i in range(2)})
    entries = [
        {"name": f"r{i}", "shard": f"shard-{i // 2:04d}", "frames": FRAMES, "split": "test" if i == 3 else "training"}
        for i in range(4)
    ]
    write_manifest(
        tmp_path,
        kind="recordings",
        section_json="{}",
        inputs={},
        files=files,
        details={"recordings": entries, "samples_per_frame": 10},
    )
    return tmp_path / "manifest.json"


def test_reads_back_what_was_written(manifest: Path) -> None:
    recordings = RecordingSet.open(manifest)
    assert recordings.names("training") == ["r0", "r1", "r2"]
    assert recordings.names("test") == ["r3"]
    assert recordings.frames("r1") == FRAMES
    for number in range(4):
        for field, array in recording(number).items():
            found = recordings.field(f"r{number}", field)
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)


def test_views_are_read_only_and_not_copies(manifest: Path) -> None:
    video = RecordingSet.open(manifest).field("r0", "video")
    assert not video.flags.owndata
    assert not video.flags.writeable


def test_pickling_for_a_spawned_worker_carries_no_data(manifest: Path) -> None:
    recordings = RecordingSet.open(manifest)
    content = pickle.dumps(recordings)
    assert len(content) < 2000
    copy = pickle.loads(content)  # noqa: S301 (made one line above)
    np.testing.assert_array_equal(copy.field("r2", "video"), recordings.field("r2", "video"))


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_every_dtype_survives(tmp_path: Path, dtype: type) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    write_shard(tmp_path / "s.safetensors", {"r": {"field": array.T}})
    found = read_shard(tmp_path / "s.safetensors")["r"]["field"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, array.T)


def test_missing_field_is_named(manifest: Path) -> None:
    recordings = RecordingSet.open(manifest)
    assert recordings.has("video")
    assert not recordings.has("body")
    with pytest.raises(ArtifactError, match=r"r0 has no field 'body'; it has \['action'"):
        recordings.field("r0", "body")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [(flip_a_byte, "not what .*manifest.json says"), (cut, "not what .*says"), (Path.unlink, "not there")],
)
def test_damaged_shard_is_refused_with_the_way_out(
    manifest: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(manifest.parent / "shard-0001.safetensors")
    with pytest.raises(ArtifactError, match=message) as caught:
        RecordingSet.open(manifest)
    assert "shard-0001.safetensors" in str(caught.value)
    assert "delete" in str(caught.value)


@pytest.mark.parametrize("size", [0, 4, 60, -1])
def test_truncated_shard_is_refused_without_a_manifest(manifest: Path, size: int) -> None:
    shard = manifest.parent / "shard-0000.safetensors"
    shard.write_bytes(shard.read_bytes()[:size])
    with pytest.raises(ArtifactError, match=r"shard-0000.safetensors.*(truncated|empty).*delete"):
        read_shard(shard)


def test_nonsense_is_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"[]")
    with pytest.raises(ArtifactError, match="not a shard of recordings"):
        read_shard(path)


def test_failed_write_leaves_the_old_shard(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_shard(path, {"r": recording(0)})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="recording name 'a/b'"):
        write_shard(path, {"a/b": recording(1)})
    with pytest.raises(Exception, match=r"object|dtype|type"):
        write_shard(path, {"r": {"video": np.array([object()])}})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["s.safetensors"]
