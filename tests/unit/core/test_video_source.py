"""Films of any length with sound and keys: from files to recordings, and to a step of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_inputs import lying
from toy_films import RATE, bar, film, grey, tone

from sensorium.artifacts import read_json
from sensorium.config import ConfigurationError, SignalsConfig, VideoConfig
from sensorium.data import collect, index
from sensorium.data.media import read_media
from sensorium.data.picture_track import squared
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.recording import SPLITS, RecordingSet
from sensorium.data.signals import Signals, read_signals
from sensorium.data.windows import StepBatches, Windows
from sensorium.evaluation.inspect import summary

FPS = 20
GROUND = (20, 90, 160)


def keys(path: Path, seconds: float, extra: str = "") -> Path:
    """A sidecar with a row for each hundredth of a second: `right` is down in the first half of every second."""
    rows = [
        f"{t / 100:.2f},{int(t % 100 < 50)},{np.sin(t / 40):.3f},{t / 100:.2f}" for t in range(round(seconds * 100))
    ]
    path.write_text("\n".join([f"time,right,mouse,clock{extra}", *rows]) + "\n")
    return path


def folder_of_films(folder: Path, lengths: list[float]) -> Path:
    folder.mkdir()
    for number, seconds in enumerate(lengths):
        ground = 20 + 40 * number
        film(
            folder / f"game{number}.mkv",
            seconds,
            fps=FPS,
            picture=lambda k, g=ground: bar(k, 24, 48, g),
            sound=tone(seconds),
        )
        keys(folder / f"game{number}.csv", seconds)
    return folder


def section(folder: Path, **more: Any) -> dict[str, Any]:
    signals = {"keys": ["right"], "values": ["mouse"], "body": ["clock"]}
    plain = {"source": "video", "path": str(folder), "recordings": len(list(folder.glob("*.mkv"))), "size": 16}
    rates = {"frames": 48, "shortest": 16, "frames_per_second": FPS, "hours": 0.01}
    return plain | rates | {"signals": signals} | more


def collected(where: Path, given: dict[str, Any]) -> RecordingSet:
    text, shards = json.dumps(given), [where / f"shard-{k:04d}.safetensors" for k in range(given.get("shards", 1))]
    for number, shard in enumerate(shards):
        collect.main(["--config", text, "--shard", str(number), "--output", str(shard)])
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    index.main(["--config", text, "--shards", *lists, "--output", str(where / "manifest.json")])
    return RecordingSet.open(where / "manifest.json")


@pytest.fixture(scope="module")
def by_file(tmp_path_factory: pytest.TempPathFactory) -> RecordingSet:
    """Three films of 6.5, 3 and 2 seconds, each of a split."""
    where = tmp_path_factory.mktemp("by_file")
    films = folder_of_films(where / "films", [6.5, 3.0, 2.0])
    return collected(where / "set", section(films, validation_fraction=1 / 3, test_fraction=1 / 3, shards=2))


def test_films_become_recordings_of_any_length(by_file: RecordingSet) -> None:
    lengths = [(entry["name"], entry["frames"]) for entry in by_file.details["recordings"]]
    assert lengths == [
        ("video-000000-00000", 48),
        ("video-000000-00001", 48),
        ("video-000000-00002", 34),
        ("video-000001-00000", 48),
        ("video-000002-00000", 40),
    ]
    splits = {entry["name"][:12]: entry["split"] for entry in by_file.details["recordings"]}
    assert sorted(splits.values()) == sorted(SPLITS), "a film stays in one split"


def test_nothing_is_left_out_in_silence(by_file: RecordingSet) -> None:
    """12 frames of the second film are fewer than a recording may have."""
    files = by_file.details["files"]
    assert files["hours"] * 3600 == pytest.approx((130 + 48 + 40) / FPS, abs=0.01)
    assert {why: hours * 3600 for why, hours in files["hours_left_out"].items()} == pytest.approx(
        {"shorter than data.shortest": 12 / FPS}, abs=0.01
    )
    shown = "\n".join(summary(by_file.manifest))
    assert "recordings: 5 of 34 to 48 frames, 10.9 s" in shown
    assert "left out: 0.6 s\n  shorter than data.shortest: 0.6 s" in shown
    assert "action: 2 numbers (right, mouse)" in shown


def test_pictures_sound_and_keys_share_a_clock(by_file: RecordingSet) -> None:
    """The recordings of a film, laid side by side, are the film."""
    names = [f"video-000000-{piece:05d}" for piece in range(3)]
    video, audio, action, body = (
        np.concatenate([by_file.field(name, field) for name in names]) for field in ("video", "audio", "action", "body")
    )
    assert len(video) == len(action) == len(body) == 130
    bright = video[:, 8].max(-1).argmax(1)
    expected = [(3 * k % 48 - 12) * 16 / 24 for k in range(130)]  # the bar of bar(k) in the middle square
    inside = [k for k in range(130) if 2 < expected[k] < 12]
    assert len(inside) > 30
    assert np.abs(bright[inside] - np.array(expected)[inside] - 1).max() <= 2
    heard = audio[: 16 * RATE // 4].astype(float)
    assert np.argmax(np.abs(np.fft.rfft(heard))) / 4 == pytest.approx(440, abs=1)
    t = np.arange(1, 130) / FPS  # action[t] led to frame t: it is what held in the time before it
    np.testing.assert_array_equal(action[1:, 0], ((t - 0.5 / FPS) % 1 < 0.5).astype(np.float32))
    np.testing.assert_allclose(action[1:, 1], np.sin((t - 0.5 / FPS) * 2.5), atol=0.03)
    np.testing.assert_allclose(body[:, 0], np.arange(130) / FPS, atol=0.011)


def test_a_window_begins_anywhere(by_file: RecordingSet) -> None:
    windows = Windows(by_file, "training", ("video", "action"), 16)
    frames = windows.lengths().values()
    assert len(windows) == sum(length - 15 for length in frames)
    once, again = (StepBatches(windows, seed=3, batch=8)[5] for _ in range(2))
    assert all((once[name] == again[name]).all() for name in once)


def test_a_film_is_split_by_time_with_a_gap(tmp_path: Path) -> None:
    films = folder_of_films(tmp_path / "films", [10.0])
    given = section(films, split_by="time", gap=0.5, validation_fraction=0.2, test_fraction=0.2)
    found = collected(tmp_path / "set", given)
    spans: dict[str, list[tuple[float, int]]] = {}
    for entry in found.details["recordings"]:
        first = float(found.field(entry["name"], "body")[0, 0])
        spans.setdefault(entry["split"], []).append((round(first * FPS), entry["frames"]))
    assert spans == {"training": [(0, 48), (48, 48), (96, 24)], "validation": [(130, 30)], "test": [(170, 30)]}
    lost = found.details["files"]["hours_left_out"]
    assert lost["between two splits"] * 3600 == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text.replace("mouse", "wheel"), "no column 'mouse'"),
        (lambda text: text.replace(",0.500,", ",nan,").replace(",0.479,", ",nan,"), "not finite"),
        (lambda text: text.replace(",0.", ",7."), "raise signals.scale"),
        (lambda text: text.replace("0.05,1", "early,1"), "line 7: time is 'early', no number"),
        (lambda text: text.split("\n")[0] + "\n", "no rows"),
        (lambda text: "", "no column"),
    ],
)
def test_a_sidecar_that_cannot_be_used_is_named(tmp_path: Path, spoil: Any, reason: str) -> None:

    path = keys(tmp_path / "game.csv", 2)
    path.write_text(spoil(path.read_text()))
    config = VideoConfig.model_validate(section(tmp_path, recordings=20)).signals
    assert config is not None
    with pytest.raises(BadRecordingError, match=rf"^game.csv: .*{reason}") as caught:
        read_signals(path, config)
    assert caught.value.kind == "signals"


def test_a_film_without_its_sidecar_stops_at_once(tmp_path: Path) -> None:
    films = folder_of_films(tmp_path / "films", [1.0, 1.0, 1.0])
    (films / "game1.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"signals.suffix = '.csv': .*game1.csv is not there"):
        VideoConfig.model_validate(section(films, validation_fraction=1 / 3, test_fraction=1 / 3)).check()


def test_signals_end_before_their_film(tmp_path: Path) -> None:
    films = folder_of_films(tmp_path / "films", [5.0])
    keys(films / "game0.csv", 1)
    given = section(films, split_by="time", gap=0, validation_fraction=0.3, test_fraction=0.3)
    found = collected(tmp_path / "set", given)
    assert [row["reason"] for row in found.details["files"]["rows"]] == ["short_signals"]


def test_suspicious_files_are_left_out_on_demand(tmp_path: Path) -> None:
    films = folder_of_films(tmp_path / "films", [2.0, 2.0, 2.0, 2.0])
    film(films / "game1.mkv", 4, fps=FPS, silent=(1, 3), picture=lambda k: bar(k, 24, 48, 200), sound=tone(4))
    given = section(films, validation_fraction=0.25, test_fraction=0.25, suspicious="leave", max_bad_fraction=0.3)
    shard = tmp_path / "set/shard-0000.safetensors"
    collect.main(["--config", json.dumps(given), "--shard", "0", "--output", str(shard)])
    content = read_json(shard.with_suffix(".json"))
    assert [entry["name"] for entry in content["quarantine"]] == ["video-000001"]
    assert {entry["name"][:12] for entry in content["recordings"]} == {f"video-{k:06d}" for k in (0, 2, 3)}
    row = content["files"][1]
    assert (row["verdict"], row["reason"], row["seconds"]) == ("suspicious", "sound_gap", 0.0)
    assert row["left_out"]["suspicious"] == pytest.approx(4, abs=0.1)


def test_rounded_time_stamps_lose_no_picture(tmp_path: Path) -> None:
    """Matroska stores 62.5 ms as 62 or 63."""
    path = film(tmp_path / "a.mkv", 2, picture=grey)
    shown = read_media(path, streams=("video",), frames=30, frame_rate=16, sample_rate=RATE, size=16)["video"]
    assert np.abs(shown.mean((1, 2, 3)) - (16 + 6 * np.arange(30))).max() < 4


def test_a_film_that_was_stored_lying_is_upright(tmp_path: Path) -> None:
    """Its display matrix turns it; shown it is red above and blue below."""
    path = film(tmp_path / "a.mp4", 1, picture=lambda k: np.rot90(bar(k, 48, 48)).copy())
    content = bytearray(path.read_bytes())
    lying(content, 48)
    path.write_bytes(content)
    shown = read_media(path, streams=("video",), frames=12, frame_rate=16, sample_rate=RATE, size=16)["video"]
    above, below = shown[:, :6].mean((0, 1, 2)), shown[:, 10:].mean((0, 1, 2))
    assert above[0] > above[2] + 50
    assert below[2] > below[0] + 50


def test_sound_stays_where_its_time_stamps_put_it(tmp_path: Path) -> None:
    """No sound from 1 to 2 s; what comes later is not moved to the front."""
    wave = np.concatenate([tone(2.5), tone(1.5, hz=2000)])
    path = film(tmp_path / "a.mkv", 4, sound=wave, silent=(1, 2), sound_codec="pcm_s16le")
    heard = read_media(path, streams=("video", "audio"), frames=60, frame_rate=16, sample_rate=RATE, size=16)["audio"]
    parts = heard[: 7 * RATE // 2].reshape(7, -1).astype(float)  # half seconds
    peaks = np.abs(np.fft.rfft(parts)).argmax(1) * 2
    assert not parts[2:4, 1200:-1200].any()
    assert peaks[[0, 1, 4]] == pytest.approx(440, abs=4)
    assert peaks[[5, 6]] == pytest.approx(2000, abs=4)


@pytest.mark.parametrize(("fit", "corner", "edge"), [("crop", 250, 250), ("pad", 0, 250), ("stretch", 40, 250)])
def test_a_picture_becomes_square(fit: str, corner: int, edge: int) -> None:
    """A white square in the middle of a grey picture that is twice as wide."""
    picture = np.full((32, 64, 3), 40, np.uint8)
    picture[:, 16:48] = 250
    shown = squared(picture, 16, fit)
    assert shown.shape == (16, 16, 3)
    assert shown[0, 0, 0] == corner
    assert shown[8, 8, 0] == edge
    assert (squared(picture[:, ::2], 16, fit, aspect=2.0)[..., 0] == shown[..., 0]).mean() > 0.85


def test_what_is_hidden_or_of_a_system_is_no_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = folder_of_films(tmp_path / "films", [1.0] * 3)
    for name in (".trash/a.mkv", "@eaDir/game0.mkv/thumb.mkv", "__MACOSX/._game0.mkv", "season/._game1.mkv"):
        (films / name).parent.mkdir(parents=True, exist_ok=True)
        (films / name).write_text("no film")
    (films / "season/again").symlink_to(films)
    given = section(films, recordings=3, validation_fraction=1 / 3, test_fraction=1 / 3)
    found = collected(tmp_path / "set", given)
    assert len(found.details["recordings"]) == 3
    assert found.details["skipped"] == [".trash", "@eaDir", "__MACOSX", "season/._game1.mkv"]
    assert "left out, hidden or of a system: .trash, @eaDir" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="has 3 files"):
        VideoConfig.model_validate(given | {"recordings": 4, "validation_fraction": 0.3}).check()


def test_an_exchanged_film_makes_its_own_shard_anew(tmp_path: Path) -> None:
    films = folder_of_films(tmp_path / "films", [1.0] * 4)
    given = section(films, shards=2, validation_fraction=0.25, test_fraction=0.25)

    def listings() -> list[str]:
        config = VideoConfig.model_validate(given)
        return [config.listing_of(shard) for shard in range(2)]

    before = listings()
    assert before[0] != before[1]
    collect.main(
        ["--config", json.dumps(given), "--shard", "0", "--output", str(tmp_path / "set/shard-0000.safetensors")]
    )
    (films / ".hidden").touch()
    assert listings() == before
    with (films / "game3.csv").open("a") as file:
        file.write("1.00,0,0,0\n")
    after = listings()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False), "a file beside a film counts, too"
    shards = [tmp_path / f"set/shard-000{shard}.safetensors" for shard in range(2)]
    collect.main(["--config", json.dumps(given), "--shard", "1", "--output", str(shards[1])])
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    manifest = tmp_path / "set/manifest.json"
    index.main(["--config", json.dumps(given), "--shards", *lists, "--output", str(manifest)])
    assert len(RecordingSet.open(manifest).details["recordings"]) == 4, "what is hidden came between two shards"


@pytest.mark.parametrize("suffix", [".npy", ".jsonl", ".parquet"])
def test_signals_of_other_types_are_those_of_csv(tmp_path: Path, suffix: str) -> None:
    path = keys(tmp_path / "a.csv", 2)
    rows = np.genfromtxt(path, delimiter=",", names=True)
    other = path.with_suffix(suffix)
    if suffix == ".npy":
        np.save(other, rows)
    elif suffix == ".jsonl":
        other.write_text("\n".join(json.dumps(dict(zip(rows.dtype.names, row.tolist(), strict=True))) for row in rows))
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="parquet is read with pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({name: rows[name] for name in rows.dtype.names}), other)
    plain = SignalsConfig(keys=("right",), values=("mouse",), reward="clock")
    wanted, found = (
        read_signals(each, plain.model_copy(update={"suffix": each.suffix})).take(3, 20, FPS, [])
        for each in (path, other)
    )
    assert set(found) == {"action", "reward"}
    assert all((found[name] == wanted[name]).all() for name in found)


def test_a_row_may_name_a_picture_of_its_film() -> None:
    """Pictures come at 10 a second, frames at 20: what was done at picture n led to the two frames after it."""
    table = {"0": np.array([2, 0, 1, 3, 1, 0], float)}
    found = Signals(table, SignalsConfig(clock="frame", column="", choice="0", choices=4))
    shown = found.take(0, 12, 20, [n / 10 for n in range(6)])["action"]
    assert shown.tolist() == [0, 2, 2, 0, 0, 1, 1, 3, 3, 1, 1, 0]
    later = found.take(0, 6, 20, [0.0, 0.1])["action"]
    assert later.tolist() == [0, 2, 2, 0, 0, 0], "rows of pictures that were not seen yet do not count"
