"""Recordings that say nothing: `index` finds copies and dead streams, and a quiet console is not blamed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import layouts
from sensorium.artifacts import write_json
from sensorium.cli import main
from sensorium.config import AnyData, canonical_json, parse_section
from sensorium.data.recording import SPLITS, RecordingSet, recording_name, write_shard
from sensorium.data.shards import describe_shard
from sensorium.data.sources import atari
from sensorium.evaluation.statistics import NOTHING, measure

FRAMES, SIZE, SAMPLES, COUNT = 16, 16, 10, 20
SPLIT = ["training"] * 12 + ["validation"] * 3 + ["test"] * 5
HAND = {"kind": "continuous", "size": 2}
DETAILS = {"frames_per_second": 16, "sample_rate": 160, "samples_per_frame": SAMPLES, "size": SIZE, "action": HAND}
Fields = dict[str, np.ndarray]
Capture = pytest.CaptureFixture[str]


def drawn(number: int) -> Fields:
    """A recording like no other."""
    random = np.random.default_rng(number)
    return {
        "video": random.integers(256, size=(FRAMES, SIZE, SIZE, 3), dtype=np.uint8),
        "audio": random.integers(-99, 99, FRAMES * SAMPLES, dtype=np.int16),
        "action": random.uniform(-1, 1, (FRAMES, 2)).astype(np.float32),
        "body": random.normal(size=(FRAMES, 3)).astype(np.float32),
        "truth.state": random.normal(size=(FRAMES, 4)).astype(np.float32),
    }


def film(number: int) -> Fields:
    """A recording of a file: nobody acts."""
    return {field: drawn(number)[field] for field in ("video", "audio")}


def sensorium(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def index(
    folder: Path, recordings: Sequence[Fields], splits: Sequence[str] = SPLIT, details: Any = DETAILS, **section: Any
) -> int:
    """Index recordings 0, 1, ... as if they had been collected; the exit code."""
    section = {"source": "playroom", "recordings": len(recordings), "shards": 1, "frames": FRAMES} | section
    names = [recording_name(section["source"], number) for number in range(len(recordings))]
    folder.mkdir(parents=True, exist_ok=True)
    shard = folder / "shard-0000.safetensors"
    write_shard(shard, dict(zip(names, recordings, strict=True)))
    describe_shard(
        shard,
        section_json=canonical_json(parse_section(AnyData, json.dumps(section))),
        recordings=[
            {"name": name, "number": number, "frames": FRAMES, "split": split}
            for number, (name, split) in enumerate(zip(names, splits, strict=True))
        ],
        quarantine=[],
        details=details,
        inputs={},
    )
    return run_index(folder, [shard], section)


def run_index(folder: Path, shards: Sequence[Path], section: Any) -> int:
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    manifest = str(folder / "manifest.json")
    return sensorium("index", "--config", json.dumps(section), "--shards", *lists, "--output", manifest)


def collect(folder: Path, **section: Any) -> int:
    """Collect and index a set of one shard; the exit code."""
    section = {"shards": 1, **section}
    shard = folder / "shard-0000.safetensors"
    code = sensorium("collect", "--config", json.dumps(section), "--shard", "0", "--output", str(shard))
    return code or run_index(folder, [shard], section)


def opened(folder: Path) -> RecordingSet:
    return RecordingSet.open(folder / "manifest.json")


def reasons(folder: Path) -> dict[str, str]:
    return {entry["name"]: entry["reason"] for entry in opened(folder).details["quarantine"]}


# Copies -------------------------------------------------------------------------------------------------------------


def test_160_copies_of_one_recording_are_refused(tmp_path: Path, capsys: Capture) -> None:
    assert index(tmp_path, [drawn(0)] * 160, ["training"] * 120 + ["validation"] * 16 + ["test"] * 24) == 65
    said = capsys.readouterr().err
    assert "159 of 160 recordings are bad, data.max_bad_fraction allows 0.01" in said
    assert "playroom-000001: same content as playroom-000000, which is in training" in said
    assert "Mend or remove these" in said
    assert not (tmp_path / "manifest.json").exists()


def test_a_copy_is_left_out_of_the_later_split_and_moves_no_other(tmp_path: Path, capsys: Capture) -> None:
    recordings = [drawn(number) for number in range(COUNT)]
    recordings[17] = recordings[4] | {"truth.state": recordings[17]["truth.state"]}  # simulated anew, or labelled anew
    assert index(tmp_path, recordings, max_bad_fraction=0.05) == 0
    assert reasons(tmp_path) == {"playroom-000017": "same content as playroom-000004, which is in training"}
    counts = [len(opened(tmp_path).names(split)) for split in SPLITS]
    assert counts == [12, 3, 4]
    assert "playroom-000017" not in opened(tmp_path).names("test")
    assert "1 in quarantine" in capsys.readouterr().out
    assert index(tmp_path, recordings, max_bad_fraction=0.04) == 65


def test_copies_within_a_split_are_left_out_too(tmp_path: Path) -> None:
    recordings = [film(number) for number in range(COUNT)]
    recordings[7], recordings[19] = recordings[2], recordings[18]
    assert index(tmp_path, recordings, details=DETAILS | {"action": None}, max_bad_fraction=0.1) == 0
    assert reasons(tmp_path) == {
        "playroom-000007": "same content as playroom-000002, which is in training",
        "playroom-000019": "same content as playroom-000018, which is in test",
    }


def shifted(fields: Fields) -> Fields:
    """Begins a frame later."""
    return fields | {"video": np.concatenate([fields["video"][1:], film(99)["video"][:1]])}


def touched(fields: Fields) -> Fields:
    """One pixel differs."""
    video = fields["video"].copy()
    video[3, 5, 5, 1] ^= 1
    return fields | {"video": video}


def dubbed(fields: Fields) -> Fields:
    """Another sound under the same film."""
    return fields | {"audio": film(99)["audio"]}


def reversed_film(fields: Fields) -> Fields:
    return fields | {"video": fields["video"][::-1]}


@pytest.mark.parametrize("change", [shifted, touched, dubbed, reversed_film])
def test_films_that_share_most_frames_do_not_stand_in_two_splits(
    tmp_path: Path, change: Callable[[Fields], Fields]
) -> None:
    recordings = [film(number) for number in range(COUNT)]
    recordings[16] = change(recordings[3])
    recordings[5] = recordings[5] | {"video": recordings[6]["video"].copy()}  # of one split: clips may overlap
    recordings[5]["video"][9] ^= 1
    assert index(tmp_path, recordings, details=DETAILS | {"action": None}, max_bad_fraction=0.05) == 0
    (name, reason), *more = reasons(tmp_path).items()
    assert (name, more) == ("playroom-000016", [])
    assert "playroom-000003, which is in training" in reason or "most of them in playroom-000003" in reason


def test_a_clip_from_two_others_is_found_and_a_common_title_is_none(tmp_path: Path) -> None:
    recordings = [film(number) for number in range(COUNT)]
    whole = np.concatenate([recordings[0]["video"], recordings[1]["video"]])
    recordings[19] = film(19) | {"video": whole[8:24]}  # between two clips of one film
    for number in (2, 9, 13, 18):
        recordings[number]["video"][:6] = film(50)["video"][:6]  # a title
    assert index(tmp_path, recordings, details=DETAILS | {"action": None}, max_bad_fraction=0.05) == 0
    (reason,) = reasons(tmp_path).values()
    assert reason.startswith("16 of its 16 frames are in earlier splits too, most of them in playroom-00000")


def test_equal_pictures_under_other_actions_are_no_copies(tmp_path: Path) -> None:
    """A game begins alike each time, and stands still until a key is pressed."""
    recordings = [drawn(number) for number in range(COUNT)]
    for number in (1, 14, 17, 19):
        recordings[number]["video"], recordings[number]["audio"] = recordings[0]["video"], recordings[0]["audio"]
    recordings[18]["video"] = np.repeat(recordings[18]["video"][:1], FRAMES, axis=0)
    assert index(tmp_path, recordings, max_bad_fraction=0.0) == 0
    assert "warnings" not in opened(tmp_path).details


def test_copied_and_overlapping_sounds_of_a_folder_are_named_by_file(tmp_path: Path) -> None:
    folder, noise = tmp_path / "sounds", np.random.default_rng(0).integers(-9999, 9999, 60 * 16_000).astype(np.int16)
    folder.mkdir()
    for number in range(20):
        soundfile.write(folder / f"{number:02d}.wav", noise[number * 32_000 : number * 32_000 + 16_000], 16_000)
    section = {"source": "folder", "path": str(folder), "streams": ["audio"], "recordings": 24, "frames": 16}
    for number in range(20, 24):
        soundfile.write(folder / f"{number:02d}.wav", noise[-16_000 * (number - 18) :][:16_000], 16_000)
    assert collect(tmp_path / "clean", **section) == 0
    assert reasons(tmp_path / "clean") == {}
    training, test = (opened(tmp_path / "clean").names(split) for split in ("training", "test"))
    first, second, later, last = (int(name[-2:]) for name in (training[0], training[1], test[0], test[1]))
    shutil.copy(folder / f"{first:02d}.wav", folder / f"{later:02d}.wav")
    sound, _ = soundfile.read(folder / f"{second:02d}.wav", dtype="int16")
    soundfile.write(folder / f"{last:02d}.wav", np.roll(sound, 4000), 16_000)  # a quarter of a second later
    assert collect(tmp_path / "copies", **section, max_bad_fraction=0.1) == 0
    found = reasons(tmp_path / "copies")
    assert found[test[0]] == f"{later:02d}.wav: same content as {first:02d}.wav ({training[0]}), which is in training"
    assert found[test[1]] == (
        f"{last:02d}.wav: 16 of its 16 frames are in earlier splits too, most of them in {second:02d}.wav "
        f"({training[1]})"
    )
    assert collect(tmp_path / "strict", **section) == 65


def test_a_picture_in_two_class_folders_is_left_out_of_its_recording(tmp_path: Path) -> None:
    root = layouts.imagenet(tmp_path / "imagenet") / "train"
    section = {"source": "picture_folders", "path": str(root), "recordings": 60, "size": 16}
    assert collect(tmp_path / "clean", **section) == 0
    before = opened(tmp_path / "clean")
    source = sorted(root.glob("*/*"))[0]
    for number, folder in enumerate(sorted(root.iterdir())):
        shutil.copy(source, sorted(folder.iterdir())[-1 - number])
    assert collect(tmp_path / "copies", **section, max_bad_fraction=0.05) == 0
    after, found = opened(tmp_path / "copies"), reasons(tmp_path / "copies")
    assert len(found) == 3
    assert all(str(root) in reason and "same content as" in reason for reason in found.values())
    counts = []
    for recordings in (before, after):
        names = [name for split in SPLITS for name in recordings.names(split)]
        counts.append(sum(recordings.frames(name) for name in names))
        for name in names:
            fields = [recordings.field(name, field) for field in ("video", "truth.vision_label")]
            assert {len(array) for array in fields} == {recordings.frames(name)}
            assert not any(array.flags.writeable for array in fields)
    assert counts == [60, 57]
    pictures = [p.tobytes() for split in SPLITS for name in after.names(split) for p in after.field(name, "video")]
    assert len(set(pictures)) == 57


def test_copies_in_a_published_set_stay_and_are_told_to_the_end(tmp_path: Path, capsys: Capture) -> None:
    root = tmp_path / "set" / "train"
    layouts.imagenet(tmp_path / "set")
    val = sorted((tmp_path / "set" / "val").glob("*/*"))
    shutil.copy(sorted(root.glob("*/*"))[0], val[0])
    section = {"source": "imagenet", "path": str(tmp_path / "set"), "recordings": 78, "size": 16}
    assert collect(tmp_path / "data", **section, max_bad_fraction=0.02) == 0
    recordings = opened(tmp_path / "data")
    assert sum(recordings.frames(name) for name in recordings.names("test")) == 18
    assert recordings.details["quarantine"] == []
    (warning,) = recordings.details["warnings"]
    assert warning.startswith("1 of 78 items are copies, 1 of them in another split than the original: ")
    assert val[0].name in warning
    capsys.readouterr()
    metric = measure(
        "accuracy", np.full(4, 0.5), list("aabb"), fitted_on=NOTHING, baselines={"chance": 0.2}, ceilings={"all": 1.0}
    )
    write_json(tmp_path / "probe.json", {"name": "probe", "metrics": {"accuracy": metric}, "inputs": {}, "seconds": 1})
    arguments = ["--evaluations", str(tmp_path / "probe.json"), "--recordings", str(tmp_path / "data/manifest.json")]
    assert sensorium("summary", *arguments, "--output", str(tmp_path / "eval.json")) == 0
    assert "manifest.json: 1 of 78 items are copies" in capsys.readouterr().out.splitlines()[-1]
    assert len(json.loads((tmp_path / "eval.json").read_text())["summary"]["warnings"]) == 1
    for path in val:  # the published test set, unpacked from the archive of the training
        shutil.copy(root / path.parent.name / sorted((root / path.parent.name).iterdir())[0].name, path)
    assert collect(tmp_path / "swapped", **section, max_bad_fraction=0.02) == 65


# Streams in which nothing changes -----------------------------------------------------------------------------------


def with_constant(field: str, channel: Any) -> list[Fields]:
    recordings = [drawn(number) for number in range(COUNT)]
    for fields in recordings:
        fields[field][..., channel] = 0
    return recordings


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_constant_actions_are_refused(tmp_path: Path, capsys: Capture, kind: str) -> None:
    recordings = with_constant("action", slice(None))
    if kind == "discrete":
        recordings = [fields | {"action": np.full(FRAMES, 3)} for fields in recordings]
    assert index(tmp_path, recordings) == 65
    said = capsys.readouterr().err
    assert f"every action is {[0.0, 0.0] if kind == 'continuous' else 3} in all 20 recordings" in said
    assert "vary them, or let the source declare that there are none" in said


def test_pictures_that_stand_still_in_all_recordings_are_refused(tmp_path: Path, capsys: Capture) -> None:
    recordings = [drawn(number) for number in range(COUNT)]
    for fields in recordings:
        fields["video"] = np.repeat(fields["video"][:1], FRAMES, axis=0)
    assert index(tmp_path, recordings) == 65
    assert "the picture stands still in all 20 recordings" in capsys.readouterr().err
    recordings[0]["video"][5] ^= 1
    assert index(tmp_path, recordings) == 0


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        (with_constant("action", 1), "action, channels [1], never changes in all 20 recordings: what these actions do"),
        (
            with_constant("body", [0, 2]),
            "body, channels [0, 2], never changes in all 20 recordings: it carries nothing",
        ),
        (with_constant("audio", slice(None)), "no sound in all 20 recordings: what hears will learn nothing"),
        (
            [drawn(number) | {"reward": np.zeros(FRAMES, np.float32)} for number in range(COUNT)],
            "reward never changes in all 20 recordings: an agent has nothing to learn from",
        ),
    ],
    ids=["one direction", "two joints", "silence", "no reward"],
)
def test_a_dead_channel_is_a_warning_with_a_way_out(
    tmp_path: Path, capsys: Capture, recordings: list[Fields], expected: str
) -> None:
    assert index(tmp_path, recordings) == 0
    (warning,) = opened(tmp_path).details["warnings"]
    assert warning.startswith(expected)
    assert f"warning: {warning}" in capsys.readouterr().out
    recordings[3].update({field: drawn(3)[field] for field in ("action", "body", "audio")})
    if "reward" in recordings[3]:
        recordings[3]["reward"][2] = 1.0
    assert index(tmp_path, recordings) == 0
    assert "warnings" not in opened(tmp_path).details


# A quiet console ----------------------------------------------------------------------------------------------------


def test_games_that_rest_at_a_constant_level_are_collected(tmp_path: Path) -> None:
    games = ["asterix", "boxing", "kangaroo", "fishing_derby"]
    parts = {"validation_fraction": 0.25, "test_fraction": 0.25}
    assert collect(tmp_path, source="atari", games=games, recordings=8, frames=16, size=16, **parts) == 0
    recordings = opened(tmp_path)
    assert recordings.details["quarantine"] == []
    names = [name for split in SPLITS for name in recordings.names(split)]
    assert len(names) == 8
    for name in names:
        loud = np.abs(recordings.field(name, "audio").astype(int)) > 0
        assert loud.mean() < 0.9, f"{name}: stands beside zero"


def test_a_game_that_waits_with_a_still_picture_is_collected() -> None:
    """The same recording of a file would be a fault."""
    from sensorium.data import sources
    from sensorium.data.quarantine import check

    config = parse_section(
        AnyData, json.dumps({"source": "atari", "games": ["amidar"], "recordings": 16, "frames": 16, "size": 16})
    )
    fields = atari.simulate(config, 0)
    assert (fields["video"] == fields["video"][0]).all()
    details = atari.details(config)
    assert sources.is_simulator("atari")
    assert sources.is_simulator("playroom")
    assert not sources.is_simulator("folder")
    assert check(fields, {**details, "simulated": True}, 16) is None
    assert check(fields, details, 16) == "constant video: all frames are equal"


def test_pictures_are_compared_and_not_their_files(tmp_path: Path) -> None:
    """A comment makes another file, but no other picture."""
    root = layouts.imagenet(tmp_path / "imagenet") / "train"
    first, *_, last = sorted(root.glob("*/*"))
    content = first.read_bytes()
    last.write_bytes(content[:2] + b"\xff\xfe\x00\x05abc" + content[2:])
    section = {"source": "picture_folders", "path": str(root), "recordings": 60, "size": 16}
    assert collect(tmp_path / "data", **section, max_bad_fraction=0.02) == 0
    (reason,) = reasons(tmp_path / "data").values()
    assert first.name in reason
    assert last.name in reason
