"""Episodes of robots and offline sets: from each layout to recordings, and to a folder of LeRobot and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sensorium.artifacts import write_manifest
from sensorium.config import ConfigurationError, parse_section
from sensorium.config.offline import EpisodesConfig, described
from sensorium.data import collect, export, index
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.recording import KIND, SPLITS, RecordingSet, write_shard
from sensorium.evaluation.inspect import summary

pytest.importorskip("pyarrow", reason="the package pyarrow is not installed")
pytest.importorskip("h5py", reason="the package h5py is not installed")

from toy_episodes import FPS, episode, expected, write_all, write_lerobot_2, write_lerobot_3

LAYOUTS = {"npz": 0, "minari": 0, "robomimic": 1, "lerobot 2": 1, "lerobot 3": 1}  # frames that are not stored
THIRDS = {"validation_fraction": 0.3, "test_fraction": 0.3}


def section(layout: str, folder: Path, **more: Any) -> dict[str, Any]:
    plain = {"source": "episodes", "layout": layout.split()[0], "path": str(folder), "recordings": 4, "size": 24}
    return plain | {"frames": 16, "shortest": 4, **THIRDS} | more


def collected(where: Path, given: dict[str, Any]) -> RecordingSet:
    text, shards = json.dumps(given), [where / f"shard-{k:04d}.safetensors" for k in range(given.get("shards", 1))]
    for number, shard in enumerate(shards):
        collect.main(["--config", text, "--shard", str(number), "--output", str(shard)])
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    index.main(["--config", text, "--shards", *lists, "--output", str(where / "manifest.json")])
    return RecordingSet.open(where / "manifest.json")


def refusal(given: dict[str, Any]) -> str:
    config = parse_section(EpisodesConfig, json.dumps(given))
    with pytest.raises(ConfigurationError) as caught:
        config.check()
    return str(caught.value)


@pytest.mark.parametrize(("layout", "drop"), LAYOUTS.items())
def test_each_layout_becomes_the_same_recordings(tmp_path: Path, layout: str, drop: int) -> None:
    """Actions stand before the frame that they led to, whatever the layout's own order is."""
    episodes = [episode(number, 23 + number) for number in range(4)]
    names = write_all(layout, tmp_path / "files", episodes)
    found = collected(tmp_path / "set", section(layout, tmp_path / "files", shards=2) | names)
    frames = 24 - drop
    lengths = [entry["frames"] for entry in found.details["recordings"]]
    assert lengths == [16, frames - 16, 16, frames - 15, 16, frames - 14, 16, frames - 13]
    for number, made in enumerate(episodes):
        wanted = expected(made, drop) | {"video": made["frames"][: len(made["frames"]) - drop]}
        for field, values in wanted.items():
            pieces = [found.field(f"episodes-{number:06d}-{piece:05d}", field) for piece in range(2)]
            np.testing.assert_array_equal(np.concatenate(pieces), values, err_msg=f"{field} of {number}")
    assert found.details["action"] == {"kind": "continuous", "size": 2}
    assert found.details["frames_per_second"] == (FPS if "lerobot" in layout else 16)
    assert len({entry["split"] for entry in found.details["recordings"]}) == 3


def test_numbers_are_scaled_from_the_bounds_that_the_set_states(tmp_path: Path) -> None:
    episodes = [episode(number) for number in range(4)]
    for made in episodes:
        made["action"] = 50 + 40 * made["action"]
    folder = write_lerobot_2(tmp_path / "set", episodes)
    everything = np.concatenate([made["action"] for made in episodes])
    low, high = everything.min(0), everything.max(0)
    stats = {"action": {"min": low.tolist(), "max": high.tolist(), "mean": [0, 0], "std": [1, 1], "count": [69]}}
    lines = [json.dumps({"episode_index": number, "stats": stats}) for number in range(4)]
    (folder / "meta/episodes_stats.jsonl").write_text("\n".join(lines))
    given = section("lerobot", folder, recordings=4, frames=64)
    found = collected(tmp_path / "recordings", given)
    for number, made in enumerate(episodes):
        action = found.field(f"episodes-{number:06d}-00000", "action")
        np.testing.assert_allclose(action[1:], 2 * (made["action"][:-1] - low) / (high - low) - 1, atol=1e-5)
        np.testing.assert_array_equal(found.field(f"episodes-{number:06d}-00000", "body"), made["state"][:-1])
    assert "action: 2 numbers (left, right)" in "\n".join(summary(found.manifest))
    shard = tmp_path / "as_is/shard-0000.safetensors"
    given |= {"bounds": "unit", "max_bad_fraction": 1.0}
    collect.main(["--config", json.dumps(given), "--shard", "0", "--output", str(shard)])
    assert {row["reason"] for row in json.loads(shard.with_suffix(".json").read_text())["files"]} == {"beyond"}


def test_choices_may_be_numbers_or_one_of_many(tmp_path: Path) -> None:
    from toy_episodes import dreamer, write_npz

    for number in range(4):
        arrays, random = dreamer(episode(number)), np.random.default_rng(number)
        choice = random.integers(0, 5, len(arrays["image"]))
        write_npz(tmp_path / f"{number}.npz", arrays | {"action": choice, "many": np.eye(5, dtype=np.float32)[choice]})
    given = section("npz", tmp_path, frames=64, choices=5)
    found = [collected(tmp_path / name, given | {"action": name}) for name in ("action", "many")]
    assert found[0].details["action"] == {"kind": "discrete", "size": 5}
    for name in (entry["name"] for entry in found[0].details["recordings"]):
        first, second = (each.field(name, "action") for each in found)
        assert first.dtype == np.int64
        np.testing.assert_array_equal(first, second)
    assert "choices = 0: 'action' holds whole numbers" in refusal(given | {"choices": 0})


@pytest.mark.parametrize(
    ("layout", "change", "said"),
    [
        ("npz", {"action": "acts"}, "files': 000.npz: action = 'acts': no 'acts'; it has 'action'"),
        ("npz", {"end": "done"}, "or '' for none"),
        ("npz", {"recordings": 5}, "recordings = 5: "),
        ("npz", {"layout": "minari"}, "no file of the types .h5, .hdf5"),
        ("robomimic", {"picture": "obs"}, "'obs' is a group, of agentview_image, state"),
        ("robomimic", {"split_by": "set"}, "split_by = 'set'"),
        ("lerobot 3", {"frames_per_second": 30}, "the set has 10; write that, or 0"),
        ("lerobot 3", {"picture": "observation.images.left"}, "picture = 'observation.images.left'"),
    ],
)
def test_what_a_set_lacks_is_named_before_anything_runs(tmp_path: Path, layout: str, change: Any, said: str) -> None:
    names = write_all(layout, tmp_path / "files", [episode(number) for number in range(4)])
    assert said in refusal(section(layout, tmp_path / "files") | names | change)


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.hdf5").touch()
    monkeypatch.setattr("sensorium.config.probing.find_spec", lambda name: None)
    assert "pip install 'sensorium[hdf5]'" in refusal(section("minari", tmp_path, size=16))


def test_robomimic_says_what_is_for_what(tmp_path: Path) -> None:
    import h5py

    names = write_all("robomimic", tmp_path, [episode(number) for number in range(4)])
    masks = {"train": [b"demo_0", b"demo_3"], "valid": [b"demo_1"], "test": [b"demo_2"]}
    with h5py.File(tmp_path / "demo.hdf5", "a") as file:
        for name, members in masks.items():
            file[f"mask/{name}"] = members
    config = parse_section(EpisodesConfig, json.dumps(section("robomimic", tmp_path, split_by="set") | names))
    assert described(config).splits == ["training", "validation", "test", "training"]


@pytest.mark.parametrize("path", ["../{video_key}.mp4", "/etc/{video_key}"])
def test_paths_do_not_lead_out_of_a_set(tmp_path: Path, path: str) -> None:
    folder = write_lerobot_3(tmp_path / "set", [episode(number) for number in range(4)], video_path=path)
    film = folder / "videos/observation.images.top/chunk-000/file-000.mp4"
    (tmp_path / "observation.images.top.mp4").write_bytes(film.read_bytes())
    assert "it names" in refusal(section("lerobot", folder))


def test_a_path_of_a_set_is_no_format_string() -> None:
    from sensorium.data.offline.lerobot import filled

    assert filled("{video_key.__class__}/{chunk_index:03d}", {"chunk_index": 7}) == "{video_key.__class__}/007"
    with pytest.raises(BadRecordingError, match="names 'other'"):
        filled("{other}.mp4", {"chunk_index": 7})


# To LeRobot and back -------------------------------------------------------------------------------------------------


def own_set(folder: Path, discrete: bool) -> RecordingSet:
    """Recordings of ours with every field that there is."""
    random, recordings, entries = np.random.default_rng(0), {}, []
    for number, split in enumerate((SPLITS[2], SPLITS[0], SPLITS[1], SPLITS[0])):
        frames, made = 20 + number, episode(number, 40)
        recordings[f"own-{number}"] = {
            "video": made["frames"][:frames],
            "audio": random.integers(-32768, 32767, frames * 160).astype(np.int16),
            "action": random.integers(0, 7, frames)
            if discrete
            else random.uniform(-1, 1, (frames, 1)).astype(np.float32),
            "body": random.normal(size=(frames, 3)).astype(np.float32),
            "reward": random.normal(size=frames).astype(np.float32),
            "continue": (np.arange(frames) % 7 != 3).astype(np.float32),
            "truth.state": np.where(random.random((frames, 2, 2)) < 0.1, np.nan, 1.5),
            "truth.kind": random.integers(0, 9, frames).astype(np.int32),
            "truth.seen": random.random(frames) < 0.5,
        }
        entries.append(
            {"name": f"own-{number}", "frames": frames, "split": split, "shard": "shard-0000", "number": number}
        )
    write_shard(folder / "shard-0000.safetensors", recordings)
    action = {"kind": "discrete", "size": 9} if discrete else {"kind": "continuous", "size": 1}
    rates = {"frames_per_second": 10, "sample_rate": 1600, "samples_per_frame": 160, "size": 24, "body": 3}
    details = {**rates, "action": action, "source": "own", "recordings": entries, "quarantine": []}
    files = {"shard-0000": folder / "shard-0000.safetensors"}
    write_manifest(folder, kind=KIND, section_json="{}", inputs={}, files=files, details=details)
    return RecordingSet.open(folder / "manifest.json")


@pytest.mark.parametrize("discrete", [False, True], ids=["numbers", "choices"])
def test_to_lerobot_and_back(tmp_path: Path, discrete: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is lost: every field to the bit, splits, sizes of actions, rates."""
    own, folder = own_set(tmp_path / "own", discrete), tmp_path / "lerobot"
    export.main([str(own.manifest), "--lerobot", str(folder), "--codec", "lossless"])
    text = (folder / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    assert text in capsys.readouterr().out
    back = collected(tmp_path / "back", yaml.safe_load(text)["data"])
    order = [name for split in SPLITS for name in own.names(split)]
    assert [entry["split"] for entry in back.details["recordings"]] == [
        split for split in SPLITS for _ in own.names(split)
    ]
    for number, name in enumerate(order):
        first, second = own.fields(name), back.fields(f"episodes-{number:06d}-00000")
        assert set(first) == set(second)
        for field in first:
            assert first[field].dtype == second[field].dtype, field
            np.testing.assert_array_equal(first[field], second[field], err_msg=field)
    same = ("action", "body", "frames_per_second", "sample_rate", "samples_per_frame", "size")
    assert {key: own.details[key] for key in same} == {key: back.details[key] for key in same}


def test_others_find_what_they_expect_in_an_export(tmp_path: Path) -> None:
    """The columns of LeRobot, in its sense: the action of a row is what was done in its frame."""
    from pyarrow import parquet

    own, folder = own_set(tmp_path / "own", False), tmp_path / "lerobot"
    export.main([str(own.manifest), "--lerobot", str(folder)])
    info = json.loads((folder / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"]) == ("v3.0", 10, 4)
    assert info["splits"] == {"train": "0:2", "validation": "2:3", "test": "3:4"}
    table = parquet.read_table(folder / "data/chunk-000/file-000.parquet").to_pandas()
    assert set(info["features"]) == {*table.columns, "observation.image"}
    first = own.names("training")[0]
    rows = table[table.episode_index == 0]
    np.testing.assert_array_equal(rows["action"].to_numpy()[:-1], own.field(first, "action")[1:, 0])
    assert rows["next.done"].tolist() == [False] * (len(rows) - 1) + [True]
    episodes = parquet.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [each["dataset_to_index"] - each["dataset_from_index"] for each in episodes] == [21, 23, 22, 20]
    assert episodes[1]["videos/observation.image/from_timestamp"] == pytest.approx(2.1)
    tasks = parquet.read_table(folder / "meta/tasks.parquet").to_pandas()
    assert tasks.loc["own"].task_index == 0
    stats = json.loads((folder / "meta/stats.json").read_text())
    everything = np.concatenate([own.field(name, "body") for split in SPLITS for name in own.names(split)])
    np.testing.assert_allclose(stats["observation.state"]["std"], everything.std(0), rtol=1e-5)
    with pytest.raises(SystemExit):
        export.main([str(own.manifest), "--lerobot", str(folder)])
