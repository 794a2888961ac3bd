"""Collecting and indexing: shards, splits, quarantine, and the folder source with damaged files among good ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from sensorium.artifacts import ArtifactError, read_json, write_manifest
from sensorium.config import AtariConfig, ConfigurationError, FolderConfig, LatentsConfig, canonical_json
from sensorium.data import collect, index, sources
from sensorium.data.media import read_media
from sensorium.data.quarantine import BadDataError, BadRecordingError
from sensorium.data.recording import SPLITS, RecordingSet, write_shard
from sensorium.data.shards import describe_shard, draw_splits

TINY = {"source": "playroom", "recordings": 16, "test_fraction": 0.25, "frames": 16, "size": 16, "shards": 2}
DETAILS = {"source": "toy", "frames_per_second": 16, "sample_rate": 160, "samples_per_frame": 10, "size": 16}


class Toy(SimpleNamespace):
    """A source whose recordings `bad` cannot be had and whose recordings `nan` are not finite."""

    bad: frozenset[int] = frozenset()
    nan: frozenset[int] = frozenset()

    def details(self, config: Any) -> dict[str, Any]:
        return dict(DETAILS)

    def simulate(self, config: Any, number: int) -> dict[str, np.ndarray]:
        if number in self.bad:
            raise BadRecordingError(f"file{number}.mp4: truncated")
        random = np.random.default_rng(number)
        return {
            "video": random.integers(256, size=(config.frames, config.size, config.size, 3), dtype=np.uint8),
            "audio": random.integers(-9, 9, size=config.frames * 10, dtype=np.int16),
            "reward": np.full(config.frames, np.nan if number in self.nan else number, np.float32),
        }


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    source = Toy()
    monkeypatch.setattr(sources, "module", lambda name: source)
    return source


def run(folder: Path, section: dict[str, Any]) -> Path:
    """Collect every shard and index them; path of the manifest."""
    text = json.dumps(section)
    shards = [folder / f"shard-{k:04d}.safetensors" for k in range(section["shards"])]
    for k, shard in enumerate(shards):
        collect.main(["--config", text, "--shard", str(k), "--output", str(shard)])
    make_index(folder, text, shards)
    return folder / "manifest.json"


def make_index(folder: Path, text: str, shards: list[Path], *more: str) -> None:
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    index.main(["--config", text, "--shards", *lists, "--output", str(folder / "manifest.json"), *more])


@pytest.mark.parametrize("section", [TINY, {**TINY, "source": "atari", "games": ["pong"]}])
def test_real_sources_from_end_to_end(tmp_path: Path, section: dict[str, Any]) -> None:
    recordings = RecordingSet.open(run(tmp_path, section))
    counts = {split: len(recordings.names(split)) for split in SPLITS}
    assert counts == {"training": 10, "validation": 2, "test": 4}
    assert recordings.details["source"] == section["source"]
    assert recordings.details["quarantine"] == []
    assert all(recordings.has(field) for field in ("video", "audio", "action", "truth.state"))


def test_content_and_splits_do_not_depend_on_the_shards(tmp_path: Path, toy: Toy) -> None:
    one = RecordingSet.open(run(tmp_path / "one", {**TINY, "shards": 1}))
    five = RecordingSet.open(run(tmp_path / "five", {**TINY, "shards": 5}))
    for split in SPLITS:
        assert one.names(split) == five.names(split)
        for name in one.names(split):
            np.testing.assert_array_equal(one.field(name, "video"), five.field(name, "video"))


def test_collecting_again_gives_the_same_bytes(tmp_path: Path, toy: Toy) -> None:
    manifest = run(tmp_path, TINY)
    before = manifest.read_bytes()
    assert run(tmp_path, TINY).read_bytes() == before


def test_splits_are_exact_and_a_function_of_the_seed() -> None:
    splits = draw_splits(0, 480, 0.1, 0.25)
    assert [splits.count(split) for split in SPLITS] == [312, 48, 120]
    assert draw_splits(0, 480, 0.1, 0.25) == splits
    assert draw_splits(1, 480, 0.1, 0.25) != splits


def test_bad_recordings_are_named_counted_and_move_no_other(tmp_path: Path, toy: Toy) -> None:
    whole = RecordingSet.open(run(tmp_path / "whole", TINY))
    toy.bad, toy.nan = frozenset({3}), frozenset({12})
    spoiled = RecordingSet.open(run(tmp_path / "spoiled", {**TINY, "max_bad_fraction": 0.125}))
    assert spoiled.details["quarantine"] == [
        {"name": "playroom-000003", "reason": "file3.mp4: truncated"},
        {"name": "playroom-000012", "reason": "non-finite reward: 16 of 16 values"},
    ]
    for split in SPLITS:
        good = [name for name in whole.names(split) if not name.endswith(("03", "12"))]
        assert spoiled.names(split) == good


def test_too_many_bad_in_one_shard_stop_collecting(tmp_path: Path, toy: Toy) -> None:
    toy.bad = frozenset({0, 1})
    with pytest.raises(BadDataError, match=r"2 of 16 recordings are bad.*file0.mp4: truncated"):
        run(tmp_path, {**TINY, "max_bad_fraction": 0.1})
    assert not list(tmp_path.iterdir())


def test_too_many_bad_over_all_shards_stop_the_index(tmp_path: Path, toy: Toy) -> None:
    toy.bad = frozenset({0, 15})
    with pytest.raises(BadDataError, match="2 of 16 recordings are bad"):
        run(tmp_path, {**TINY, "max_bad_fraction": 0.1})
    assert not (tmp_path / "manifest.json").exists()


def test_a_split_without_good_recordings_is_told(tmp_path: Path, toy: Toy) -> None:
    splits = draw_splits(0, 16, 0.1, 0.25)
    toy.bad = frozenset(number for number, split in enumerate(splits) if split == "validation")
    with pytest.raises(BadDataError, match="no good recording is left for validation"):
        run(tmp_path, {**TINY, "max_bad_fraction": 0.5})


def test_a_corrupt_or_missing_shard_is_refused(tmp_path: Path, toy: Toy) -> None:
    run(tmp_path, TINY)
    shards = [tmp_path / f"shard-{k:04d}.safetensors" for k in range(2)]
    content = bytearray(shards[1].read_bytes())
    content[len(content) // 2] ^= 1
    shards[1].write_bytes(content)
    with pytest.raises(ArtifactError, match=r"shard-0001.safetensors: its content is not what .*; delete"):
        make_index(tmp_path, json.dumps(TINY), shards)
    shards[1].unlink()
    with pytest.raises(ArtifactError, match=r"shard-0001.safetensors: described by .* but not there"):
        make_index(tmp_path, json.dumps(TINY), shards)
    shards[1].with_suffix(".json").unlink()
    with pytest.raises(ArtifactError, match=r"shard-0001.json: not found"):
        make_index(tmp_path, json.dumps(TINY), shards)


def test_shards_of_other_settings_are_refused(tmp_path: Path, toy: Toy) -> None:
    run(tmp_path, TINY)
    with pytest.raises(ArtifactError, match="made with other settings"):
        make_index(tmp_path, json.dumps({**TINY, "seed": 9}), [tmp_path / "shard-0000.safetensors"])


def test_shard_number_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        collect.main(["--config", json.dumps(TINY), "--shard", "2", "--output", str(tmp_path / "s.safetensors")])
    assert caught.value.code == 2
    assert "it must be 0 to 1" in capsys.readouterr().err


def test_latents_take_over_splits_and_details(tmp_path: Path, toy: Toy) -> None:
    data = run(tmp_path / "data", TINY)
    recordings = RecordingSet.open(data)
    section = canonical_json(LatentsConfig())
    shard = tmp_path / "latents" / "shard-0000.safetensors"

    def encode(entries: list[dict[str, Any]]) -> None:
        write_shard(shard, {entry["name"]: {"latent": np.zeros((16, 4, 2), np.float16)} for entry in entries})
        describe_shard(
            shard,
            section_json=section,
            recordings=[{key: entry[key] for key in ("name", "number", "frames")} for entry in entries],
            quarantine=[],
            details={"tokenizer": "abc"},
            inputs={"tokenizer": "abc"},
        )

    encode(recordings.details["recordings"])
    make_index(shard.parent, section, [shard], "--like", str(data))
    latents = RecordingSet.open(shard.parent / "manifest.json")
    assert {split: latents.names(split) for split in SPLITS} == {split: recordings.names(split) for split in SPLITS}
    assert latents.details["tokenizer"] == "abc"
    assert latents.details["samples_per_frame"] == 10
    assert set(read_json(shard.parent / "manifest.json")["inputs"]) == {"tokenizer", "data"}
    encode(recordings.details["recordings"][1:])
    with pytest.raises(ArtifactError, match=r"its shards hold 15 recordings, .* 16"):
        make_index(shard.parent, section, [shard], "--like", str(data))


def test_like_something_that_is_no_set_of_recordings(tmp_path: Path) -> None:
    write_manifest(tmp_path / "other", kind="fusion", section_json="{}", inputs={}, files={}, details={})
    shard = tmp_path / "shard-0000.safetensors"
    write_shard(shard, {})
    section = canonical_json(LatentsConfig())
    describe_shard(shard, section_json=section, recordings=[], quarantine=[], details={}, inputs={})
    with pytest.raises(ArtifactError, match="expected the manifest of a 'recordings', found 'fusion'"):
        make_index(tmp_path, section, [shard], "--like", str(tmp_path / "other" / "manifest.json"))


# Real media files, good and damaged ---------------------------------------------------------------------------------

RATE, SECONDS = 16_000, 3


def film(path: Path, seconds: int = SECONDS, paper: int = 40) -> None:
    """A video of a wandering bar at 8 frames/s, 48 x 32, with a tone; films of another paper differ in all frames."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("mpeg4", rate=8)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        for number in range(8 * seconds):
            picture = np.full((32, 48, 3), paper, np.uint8)
            picture[:, 8 + number : 12 + number] = 220
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        wave = tone(seconds)
        for start in range(0, len(wave), 1000):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1000], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())


def tone(seconds: int) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(seconds * RATE) / RATE)).astype(np.int16)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(content)


def read(folder: Path, *streams: str) -> dict[str, np.ndarray]:
    (path,) = folder.iterdir()
    return read_media(path, streams=streams, frames=32, frame_rate=16, sample_rate=RATE, size=16)


def test_film_is_put_on_the_clock(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    fields = read(tmp_path, "video", "audio")
    assert fields["video"].shape == (32, 16, 16, 3)
    assert fields["audio"].shape == (32_000,)
    assert (fields["video"][10:20:2] == fields["video"][11:20:2]).all(), "8 frames/s: each is shown twice"
    assert (fields["video"][10] != fields["video"][12]).any()
    heard = fields["audio"].astype(float)
    assert np.argmax(np.abs(np.fft.rfft(heard))) / 2 == pytest.approx(440, abs=1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_sound_is_read_and_its_damage_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.repeat(tone(SECONDS)[:, None], 2, axis=1), RATE)
    fields = read(tmp_path, "audio")
    assert set(fields) == {"audio"}
    assert np.argmax(np.abs(np.fft.rfft(fields["audio"].astype(float)))) / 2 == pytest.approx(440, abs=1)
    cut(path)
    with pytest.raises(BadRecordingError, match=rf"^a.{suffix}: (truncated|unreadable)"):
        read(tmp_path, "audio")


@pytest.mark.parametrize("damage", [cut, scramble])
def test_damaged_film_is_found(tmp_path: Path, damage: Any) -> None:
    film(tmp_path / "a.mp4")
    damage(tmp_path / "a.mp4")
    with pytest.raises(BadRecordingError, match=r"^a.mp4: (truncated|unreadable)"):
        read(tmp_path, "video", "audio")


def test_no_media_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("this is no film")
    with pytest.raises(BadRecordingError, match=r"^a.mp4: unreadable"):
        read(tmp_path, "video")


def test_damaged_files_among_good_ones_go_to_quarantine(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for number in range(14):
        film(media / f"film{number:02d}.mp4", seconds=1 if number == 9 else SECONDS, paper=40 + 10 * number)
    cut(media / "film04.mp4")
    soundfile.write(media / "film07.wav", tone(1), RATE)  # of a kind that is not looked for
    section = {"source": "folder", "path": str(media), "recordings": 14, "frames": 32, "size": 16, "shards": 2}
    section["shortest"] = 20
    section["validation_fraction"] = 0.25  # 4 of 14: some stay good
    recordings = RecordingSet.open(run(tmp_path / "data", {**section, "max_bad_fraction": 0.2}))
    first, second = recordings.details["quarantine"]
    assert first["name"] == "folder-000004"
    assert first["reason"].startswith("film04.mp4: ")
    assert second == {"name": "folder-000009", "reason": "film09.mp4: too short: 16 of 20 frames"}
    assert sum(len(recordings.names(split)) for split in SPLITS) == 12
    with pytest.raises(BadDataError, match=r"film04\.mp4"):
        run(tmp_path / "strict", {**section, "max_bad_fraction": 0.0})


def test_folder_with_too_few_files(tmp_path: Path) -> None:
    config = FolderConfig(path=str(tmp_path), recordings=12, shards=1)
    with pytest.raises(ConfigurationError, match=r"recordings = 12: .* has 0 files"):
        sources.module("folder").details(config)
    with pytest.raises(ConfigurationError, match="no such folder"):
        sources.module("folder").details(config.model_copy(update={"path": str(tmp_path / "none")}))


def test_unknown_source() -> None:
    with pytest.raises(LookupError, match="'dreams'"):
        sources.module("dreams")


def test_shards_part_the_numbers() -> None:
    config = AtariConfig(recordings=23, shards=5)
    parts = [config.numbers_of(shard) for shard in range(5)]
    assert [number for part in parts for number in part] == list(range(23))
    assert {len(part) for part in parts} == {4, 5}
