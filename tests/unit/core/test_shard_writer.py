"""A shard that is written as it fills is a safetensors file like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sensorium.data.recording import read_shard
from sensorium.data.shard_writer import open_shard

RECORDINGS = {
    f"film-{number}": {
        "video": np.random.default_rng(number).integers(256, size=(number + 1, 4, 4, 3), dtype=np.uint8),
        "audio": np.arange(3 * number + 1, dtype=np.int16),
        "action": np.full((number + 1, 3), number, np.float32),
        "choice": np.arange(number, dtype=np.int64),
        "empty": np.zeros((0, 2), np.float32),
    }
    for number in range(4)
}


@pytest.mark.parametrize("room", [2**16, 8])
def test_what_is_written_is_read_by_us_and_by_safetensors(tmp_path: Path, room: int) -> None:
    """With too little room for the header the data are moved."""
    path = tmp_path / "shard.safetensors"
    with open_shard(path, room) as shard:
        for name, fields in RECORDINGS.items():
            shard.add(name, fields)
    theirs, ours = load_file(path), read_shard(path)
    assert set(ours) == set(RECORDINGS)
    for name, fields in RECORDINGS.items():
        assert set(ours[name]) == set(fields)
        for field, array in fields.items():
            np.testing.assert_array_equal(ours[name][field], array)
            np.testing.assert_array_equal(theirs[f"{name}/{field}"], array)
            assert ours[name][field].dtype == array.dtype
            assert ours[name][field].flags.aligned


def test_what_is_taken_back_leaves_no_trace(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    with open_shard(first) as shard:
        shard.add("film-1", RECORDINGS["film-1"])
        mark = shard.mark()
        shard.add("film-2", RECORDINGS["film-2"])
        shard.add("film-3", RECORDINGS["film-3"])
        shard.back_to(mark)
        shard.add("film-0", RECORDINGS["film-0"])
    with open_shard(second) as shard:
        shard.add("film-1", RECORDINGS["film-1"])
        shard.add("film-0", RECORDINGS["film-0"])
    assert first.read_bytes() == second.read_bytes()


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with open_shard(tmp_path / "shard.safetensors") as shard:
            shard.add("film-1", RECORDINGS["film-1"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recording name"), open_shard(tmp_path / "shard.safetensors") as shard:
        shard.add("../film", RECORDINGS["film-1"])
