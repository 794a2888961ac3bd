"""CIFAR-100, ImageNet, Speech Commands and class folders: from the layout of their publishers to recordings."""

from __future__ import annotations

import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from torchvision.datasets import CIFAR100

import layouts
from sensorium.config import ConfigurationError, SpeechCommandsConfig
from sensorium.data import collect, index
from sensorium.data.plain_pickle import read_plain
from sensorium.data.quarantine import BadDataError, BadRecordingError
from sensorium.data.recording import SPLITS, STILLS, RecordingSet
from sensorium.data.sounds import read_sound

SHARED = Path(__file__).parents[4] / "shared/data"
SPEECH = "SpeechCommands/speech_commands_v0.02"


def run(folder: Path, **section: Any) -> RecordingSet:
    """Collect every shard and index them."""
    section = {"shards": 2, "max_bad_fraction": 0.0, **section}
    text = json.dumps(section)
    shards = [folder / f"shard-{k:04d}.safetensors" for k in range(section["shards"])]
    for k, shard in enumerate(shards):
        collect.main(["--config", text, "--shard", str(k), "--output", str(shard)])
    lists = [str(shard.with_suffix(".json")) for shard in shards]
    index.main(["--config", text, "--shards", *lists, "--output", str(folder / "manifest.json")])
    return RecordingSet.open(folder / "manifest.json")


def values(recordings: RecordingSet, split: Any, field: str) -> np.ndarray:
    """A field of all recordings of a split, joined."""
    return np.concatenate([recordings.field(name, field) for name in recordings.names(split)])


def colours_agree(recordings: RecordingSet, split: Any) -> bool:
    """Whether the brightest channel of every picture is that of its class."""
    channel = values(recordings, split, "video").max((1, 2)).argmax(1)
    return bool((channel == values(recordings, split, "truth.vision_label")).all())


# Pictures -----------------------------------------------------------------------------------------------------------


def test_cifar100_keeps_its_parts_and_tells_its_blank_picture(tmp_path: Path) -> None:
    root = layouts.cifar100(tmp_path / "cifar")
    recordings = run(tmp_path / "data", source="cifar100", path=str(root), recordings=78, max_bad_fraction=0.02)
    counts = {split: len(values(recordings, split, "truth.vision_label")) for split in SPLITS}
    assert counts["test"] == 18
    assert counts["validation"] == 6
    assert sum(counts.values()) == 77
    assert all(colours_agree(recordings, split) for split in SPLITS)
    assert recordings.details["labels"]["vision"]["classes"] == ["apple", "leaf", "sea"]
    assert recordings.details["as_published"] is False
    (bad,) = recordings.details["quarantine"]
    assert bad["reason"] == "train/7: blank picture: every pixel is equal"
    published = {layouts.picture(number % 3, 60 + number).tobytes() for number in range(18)}
    assert {picture.tobytes() for picture in values(recordings, "test", "video")} == published


def test_pictures_are_stored_many_to_a_recording_of_one_split(tmp_path: Path) -> None:
    root = layouts.cifar100(tmp_path / "cifar")
    recordings = run(tmp_path / "data", source="cifar100", path=str(root), recordings=78, max_bad_fraction=0.02)
    entries = recordings.details["recordings"]
    assert max(entry["frames"] for entry in entries) == STILLS
    assert len(entries) < 12
    for entry in entries:
        assert recordings.field(entry["name"], "video").shape == (entry["frames"], 32, 32, 3)
    held = {split: sum(entry["frames"] for entry in entries if entry["split"] == split) for split in SPLITS}
    assert held == {"training": 53, "validation": 6, "test": 18}


def test_a_part_of_cifar100_takes_a_like_share_of_each_split(tmp_path: Path) -> None:
    root = layouts.cifar100(tmp_path / "cifar")
    recordings = run(tmp_path / "data", source="cifar100", path=str(root), recordings=39, max_bad_fraction=0.05)
    assert len(values(recordings, "test", "truth.vision_label")) == 9
    with pytest.raises(ConfigurationError, match=r"recordings = 79: .* has 78 items"):
        run(tmp_path / "more", source="cifar100", path=str(root), recordings=79)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_cifar100_of_today_and_of_then_are_read_alike(tmp_path: Path, protocol: int) -> None:
    file = layouts.cifar100(tmp_path / "cifar") / "cifar-100-python/test"
    old = read_plain(file.read_bytes())
    old["data"] = old["data"].numbers()
    new = read_plain(pickle.dumps(old, protocol=protocol))
    new["data"] = new["data"].numbers()
    np.testing.assert_array_equal(old.pop("data"), new.pop("data"))
    assert old == new
    assert old["fine_labels"][:4] == [0, 1, 2, 0]


def test_the_stand_in_is_what_torchvision_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = layouts.cifar100(tmp_path / "cifar")
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    theirs = CIFAR100(str(root), train=False)
    np.testing.assert_array_equal(np.asarray(theirs[4][0]), layouts.picture(1, 64))
    assert theirs.classes == ["apple", "leaf", "sea"]


@pytest.mark.parametrize("name", ["train", "meta"])
def test_a_pickle_that_runs_something_is_refused(tmp_path: Path, name: str) -> None:
    root, target = layouts.cifar100(tmp_path / "cifar"), tmp_path / "owned"
    layouts.poison(root / "cifar-100-python" / name, target)
    with pytest.raises(BadDataError, match=r"it names posix\.mkdir"):
        run(tmp_path / "data", source="cifar100", path=str(root), recordings=78)
    assert not target.exists()
    pickle.loads((root / "cifar-100-python" / name).read_bytes())  # noqa: S301
    assert target.exists(), "the bomb is none"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x80\x02}(", "not read"),
        (layouts.python2_pickle({"data": [1, 2], "fine_labels": [0, 1]}), r"expected uint8 \[N, 3072\]"),
        (layouts.python2_pickle({"fine_labels": [0, 1]}), r"expected uint8 \[N, 3072\]"),
        (
            layouts.python2_pickle({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [0, 3]}),
            "labels beyond the 3 names",
        ),
    ],
)
def test_a_damaged_part_of_cifar100_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    root = layouts.cifar100(tmp_path / "cifar")
    (root / "cifar-100-python/test").write_bytes(content)
    with pytest.raises(BadDataError, match=rf"cifar-100-python/test: .*{told}"):
        run(tmp_path / "data", source="cifar100", path=str(root), recordings=20)


@pytest.mark.parametrize("meta", [True, False])
def test_imagenet(tmp_path: Path, meta: bool) -> None:
    root = layouts.imagenet(tmp_path / "imagenet", meta=meta)
    recordings = run(tmp_path / "data", source="imagenet", path=str(root), recordings=78, size=16)
    assert all(colours_agree(recordings, split) for split in SPLITS)
    assert len(values(recordings, "test", "video")) == 18
    assert values(recordings, "test", "video").shape[1:] == (16, 16, 3)
    classes = recordings.details["labels"]["vision"]["classes"]
    assert classes == (["tench, Tinca tinca", "goldfish", "white shark"] if meta else list(layouts.WNIDS))


def test_damaged_pictures_are_named_and_too_many_stop(tmp_path: Path) -> None:
    root = layouts.imagenet(tmp_path / "imagenet")
    cut, text = root / "train/n01443537/n01443537_3.JPEG", root / "train/n01484850/n01484850_4.JPEG"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    text.write_text("no picture")
    section = {"source": "imagenet", "path": str(root), "recordings": 78, "size": 16}
    recordings = run(tmp_path / "data", **section, max_bad_fraction=0.03)
    told = sorted(entry["reason"] for entry in recordings.details["quarantine"])
    assert told[0].startswith("n01443537/n01443537_3.JPEG: unreadable: image file is truncated")
    assert told[1].startswith("n01484850/n01484850_4.JPEG: unreadable: cannot identify")
    assert sum(len(values(recordings, split, "video")) for split in SPLITS) == 76
    with pytest.raises(BadDataError, match=r"max_bad_fraction allows 0\.02"):
        run(tmp_path / "strict", **section, max_bad_fraction=0.02)


def test_parts_of_imagenet_with_other_classes_are_refused(tmp_path: Path) -> None:
    root = layouts.imagenet(tmp_path / "imagenet", meta=False)
    (root / "val/n01484850").rename(root / "val/n09999999")
    with pytest.raises(BadDataError, match="train and val differ in their classes: n01484850, n09999999"):
        run(tmp_path / "data", source="imagenet", path=str(root), recordings=78, size=16)


def test_picture_folders_are_parted_by_the_seed(tmp_path: Path) -> None:
    root = layouts.imagenet(tmp_path / "imagenet") / "train"
    section = {"source": "picture_folders", "path": str(root), "recordings": 60, "size": 16}
    recordings = run(tmp_path / "data", **section)
    counts = [len(values(recordings, split, "video")) for split in SPLITS]
    assert counts == [41, 4, 15]
    assert all(colours_agree(recordings, split) for split in SPLITS)
    other = run(tmp_path / "other", **section, seed=1)
    assert (values(other, "test", "video") != values(recordings, "test", "video")).any()


# Sounds -------------------------------------------------------------------------------------------------------------


def test_speech_commands_keeps_its_lists(tmp_path: Path) -> None:
    root = layouts.speech_commands(tmp_path / "speech")
    recordings = run(tmp_path / "data", source="speech_commands", path=str(root), recordings=60)
    assert [len(recordings.names(split)) for split in SPLITS] == [36, 6, 18]
    assert recordings.details["labels"]["audio"]["classes"] == list(layouts.WORDS)
    wanted = {layouts.tone(kind, 10 * speaker)[:5000].tobytes() for kind in range(3) for speaker in range(3)}
    heard = {bytes(recordings.field(name, "audio")[:5000].tobytes()) for name in recordings.names("test")}
    assert wanted <= heard, "the test holds the voices of the published list, sample by sample"
    for name in recordings.names("training"):
        labels = recordings.field(name, "truth.audio_label")
        covered = (labels >= 0).sum()
        assert covered in (12, 16), "0.7 s or 1 s of 16 frames"
        assert (labels[:covered] == labels[0]).all()
        assert not recordings.field(name, "audio")[covered * 1000 :].any()


def test_damaged_and_silent_sounds_are_named(tmp_path: Path) -> None:
    root = layouts.speech_commands(tmp_path / "speech")
    cut, silent = (root / SPEECH / f"up/0000000{speaker}_nohash_0.wav" for speaker in (5, 6))
    cut.write_bytes(cut.read_bytes()[:9000])
    soundfile.write(silent, np.zeros(16_000, np.int16), 16_000)
    recordings = run(tmp_path / "data", source="speech_commands", path=str(root), recordings=60, max_bad_fraction=0.04)
    told = sorted(entry["reason"] for entry in recordings.details["quarantine"])
    assert told[0].endswith("up/00000006_nohash_0.wav: silent: every sample is zero")
    assert told[1] == "up/00000005_nohash_0.wav: truncated: 23044 bytes are missing"


def test_names_that_are_not_of_speech_commands(tmp_path: Path) -> None:
    root = layouts.speech_commands(tmp_path / "speech")
    (root / SPEECH / "validation_list.txt").write_text("up/oddly_named.wav\n")
    with pytest.raises(BadDataError, match="not laid out as Speech Commands"):
        run(tmp_path / "data", source="speech_commands", path=str(root), recordings=20)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_sounds_of_another_rate_are_resampled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(12_000) / 8000)
    soundfile.write(path, np.stack([wave, wave], 1), 8000)
    sound, length = read_sound(path, 32_000, 16_000)
    assert length == 24_000
    assert not sound[24_000:].any()
    assert np.argmax(np.abs(np.fft.rfft(sound[:16_000].astype(float)))) == 440
    assert abs(int(sound.max()) - 16_384) < 400
    if suffix != "ogg":  # the length of an Ogg stream is told by its last page alone
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(BadRecordingError, match=rf"a\.{suffix}: (truncated|unreadable)"):
            read_sound(path, 32_000, 16_000)


def spoken(folder: Path) -> Path:
    """Two words, each by five speakers, three times; every speaker has a pitch of his own."""
    time, rng = np.arange(8000) / 16_000, np.random.default_rng(0)
    for word in ("no", "yes"):
        (folder / word).mkdir(parents=True)
        for speaker in range(5):
            for take in range(3):
                wave = 0.5 * np.sin(2 * np.pi * (200 + 100 * speaker) * time) + rng.normal(0, 1e-3, 8000)
                soundfile.write(folder / word / f"{word}_voice{speaker}_{take}.wav", wave, 16_000)
    return folder


@pytest.mark.parametrize("seed", [0, 1])
def test_speakers_of_the_test_split_are_in_no_other(tmp_path: Path, seed: int) -> None:
    section = {"source": "sound_folders", "path": str(spoken(tmp_path / "words")), "recordings": 30, "seed": seed}
    recordings = run(tmp_path / "data", **section, speaker="_(voice[0-9]+)_", test_fraction=0.4)
    pitches: dict[Any, set[int]] = {split: set() for split in SPLITS}
    for split in SPLITS:
        for name in recordings.names(split):
            pitches[split].add(int(np.abs(np.fft.rfft(recordings.field(name, "audio"))).argmax()))
    assert len(pitches["test"]) == 2
    assert len(pitches["training"]) == 3
    assert not pitches["test"] & (pitches["training"] | pitches["validation"])
    assert [len(recordings.names(split)) for split in SPLITS] == [16, 2, 12]


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ("(nobody)", BadDataError, "names no speaker"),
        ("voice[0-9](_)", BadDataError, "all files have the speaker '_'"),
        ("voice[0-9]+", ConfigurationError, "one group"),
        ("(", ConfigurationError, "no regular expression"),
    ],
)
def test_speakers_that_cannot_be_found_are_named(
    tmp_path: Path, pattern: str, error: type[Exception], message: str
) -> None:
    section = {"source": "sound_folders", "path": str(spoken(tmp_path / "words")), "recordings": 30}
    with pytest.raises(error, match=message):
        run(tmp_path / "data", **section, speaker=pattern)


# What is not there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "source", "gone"),
    [
        (layouts.cifar100, "cifar100", "cifar-100-python/meta"),
        (layouts.imagenet, "imagenet", "val"),
        (layouts.speech_commands, "speech_commands", f"{SPEECH}/testing_list.txt"),
    ],
)
def test_a_missing_part_is_named_and_nothing_is_downloaded(
    tmp_path: Path, make: Callable[[Path], Path], source: str, gone: str
) -> None:
    root = make(tmp_path / "set")
    (root / gone).rename(tmp_path / "away")
    with pytest.raises(ConfigurationError, match=rf"{gone} is not there.*nothing is downloaded"):
        run(tmp_path / "data", source=source, path=str(root), recordings=40)


def test_files_that_stand_for_a_set_are_few(tmp_path: Path) -> None:
    root = layouts.speech_commands(tmp_path / "speech")
    files = SpeechCommandsConfig(path=str(root)).files()
    assert [file.name for file in files] == ["speech_commands_v0.02", "validation_list.txt", "testing_list.txt"]


# Real recordings and drawings, where they are at hand ---------------------------------------------------------------


def real(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def test_spoken_digits_in_the_layout_of_speech_commands(tmp_path: Path) -> None:
    folder = tmp_path / "speech" / SPEECH
    lists: dict[str, list[str]] = {"validation": [], "testing": []}
    parted = {"lucas": "testing", "nicolas": "validation"}
    with tarfile.open(real("spoken_digits.tar.gz")) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".wav"):
                digit, speaker, take = Path(member.name).stem.split("_")
                if int(take) < 6:
                    name = f"{digit}/{speaker}_nohash_{take}.wav"
                    (folder / digit).mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
                    if speaker in parted:
                        lists[parted[speaker]].append(name)
    for part, names in lists.items():
        (folder / f"{part}_list.txt").write_text("\n".join(names))
    count = len(list(folder.glob("*/*.wav")))
    recordings = run(tmp_path / "data", source="speech_commands", path=str(tmp_path / "speech"), recordings=count)
    assert recordings.details["quarantine"] == []
    assert [len(recordings.names(split)) for split in SPLITS] == [count // 2, count // 4, count // 4]
    assert recordings.details["labels"]["audio"]["classes"] == [str(digit) for digit in range(10)]
    loud = [np.abs(recordings.field(name, "audio")).max() for name in recordings.names("test")]
    assert min(loud) > 300


def test_omniglot_as_picture_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(real("omniglot_small1.zip")) as archive:
        names = [name for name in archive.namelist() if "/Balinese/character0" in name]
        archive.extractall(tmp_path, names)
    root = tmp_path / "images_background_small1/Balinese"
    count = len(list(root.glob("*/*.png")))
    recordings = run(tmp_path / "data", source="picture_folders", path=str(root), recordings=count, size=32)
    assert recordings.details["quarantine"] == []
    assert len(recordings.details["labels"]["vision"]["classes"]) == 9
    pictures = values(recordings, "test", "video")
    assert 200 < pictures.mean() < 254, "black lines on white"
    assert (pictures.min((1, 2, 3)) < 160).all(), "thin lines survive the shrinking"
    assert Image.open(next(root.glob("*/*.png"))).size == (105, 105)
