"""A file that makes its reader hang, crash, grow or raise anything costs itself alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from toy_films import bar, film

from sensorium.config import VideoConfig
from sensorium.data import index
from sensorium.data.collect_files import collect_files
from sensorium.data.gate import FileGate, Limits
from sensorium.data.quarantine import BadDataError, BadRecordingError
from sensorium.data.recording import RecordingSet, read_shard
from sensorium.data.windows import StepBatches, Windows

GOOD = ("a", "i", "z")  # they come before, between and after the others
FATES = {"crash": "crash", "grow": "memory", "hang": "time", "late_crash": "crash", "strange": "unreadable"}
SECTION = {"source": "video", "size": 16, "frames": 32, "hours": 0.01, "split_by": "time", "gap": 0}
SECTION |= {"validation_fraction": 0.3, "test_fraction": 0.3}


@pytest.fixture(autouse=True)
def _victims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


def films(folder: Path, names: tuple[str, ...]) -> VideoConfig:
    folder.mkdir()
    for name in names:
        ground = 60 * GOOD.index(name) if name in GOOD else 180
        film(folder / f"{name}.mkv", 4, picture=lambda k, g=ground: bar(k, 24, 36, g + k))
    return VideoConfig(path=str(folder), recordings=len(names), max_bad_fraction=0.9, **SECTION)


def gate() -> FileGate:
    return FileGate(Limits(memory=2**29, silence=5.0), worker="gate_victim")


def collected(config: VideoConfig, where: Path) -> RecordingSet:
    """Collect through readers that may have accidents, and index."""
    shard, manifest = where / "shard-0000.safetensors", where / "manifest.json"
    collect_files(config, range(config.recordings), shard, gate())
    section = json.dumps(config.model_dump(mode="json"))
    index.main(["--config", section, "--shards", str(shard.with_suffix(".json")), "--output", str(manifest)])
    return RecordingSet.open(manifest)


def test_bad_files_cost_themselves_and_training_sees_what_it_would_without_them(tmp_path: Path) -> None:
    names = tuple(sorted((*GOOD, *FATES)))
    spoiled = collected(films(tmp_path / "spoiled", names), tmp_path / "set")
    clean = collected(films(tmp_path / "clean", GOOD), tmp_path / "clean_set")
    found = {row["file"].removesuffix(".mkv"): row["reason"] for row in spoiled.details["files"]["rows"]}
    assert found == FATES
    assert len(spoiled.details["quarantine"]) == len(FATES)
    assert len(read_shard(tmp_path / "set/shard-0000.safetensors")) == len(clean.details["recordings"])
    ours, theirs = (
        StepBatches(Windows(each, "training", ("video", "audio"), 16), seed=1, batch=8) for each in (spoiled, clean)
    )
    for step in range(3):
        batch, wanted = ours[step], theirs[step]
        assert all((batch[field] == wanted[field]).all() for field in ("index", "video", "audio"))


def test_too_many_bad_files_stop_the_stage_and_leave_nothing(tmp_path: Path) -> None:
    config = films(tmp_path / "films", ("a", "crash", "strange")).model_copy(update={"max_bad_fraction": 0.5})
    with pytest.raises(BadDataError, match=r"2 of 3 recordings are bad.*crash.mkv: its reader crashed \(Segm"):
        collect_files(config, range(3), tmp_path / "set/shard-0000.safetensors", gate())
    assert not list((tmp_path / "set").iterdir())


def test_a_file_has_no_more_time_than_its_size_allows(tmp_path: Path) -> None:
    config = films(tmp_path / "films", ("hang",))
    job = {"path": f"{config.path}/hang.mkv", "wanted": {}, "cuts": {}, "signals": None}
    start, limits = time.monotonic(), Limits(silence=300.0, longest=0.0, longest_a_byte=0.0)
    with FileGate(limits, worker="gate_victim") as readers, pytest.raises(BadRecordingError) as caught:
        list(readers.read(job, 1000))
    assert caught.value.kind == "time"
    assert time.monotonic() - start < 60


def test_a_reader_ends_with_who_started_it(tmp_path: Path) -> None:
    with gate() as readers:
        process = readers._running()
        assert process.poll() is None
    assert process.returncode is not None
