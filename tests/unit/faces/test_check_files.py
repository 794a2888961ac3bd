"""What a configuration names on this machine is checked before anything runs, wherever it is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets.folder import IMG_EXTENSIONS

import layouts
from sensorium.config import ConfigurationError
from sensorium.config.sets import PICTURE_SUFFIXES
from sensorium.settings import check_files, validate

SPEECH = "SpeechCommands/speech_commands_v0.02"


def folder(root: Path, *names: str) -> Path:
    """A folder with empty files."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def sights(**data: Any) -> dict[str, Any]:
    """Settings of a vision encoder with a set of its own."""
    return {"encoders": {"vision": {"neighbours": 0, "data": {"shards": 1, **data}}}}


def sounds(**data: Any) -> dict[str, Any]:
    """Settings of an audio encoder with a set of its own."""
    return {"encoders": {"audio": {"data": {"shards": 1, **data}}}}


def films(**data: Any) -> dict[str, Any]:
    """Settings of a world of files."""
    return {"data": {"source": "folder", "shards": 1, **data}}


def refusal(values: dict[str, Any]) -> str:
    """What `check_files` says about settings."""
    with pytest.raises(ConfigurationError) as error:
        check_files(validate(values))
    return str(error.value)


def test_a_folder_of_films(tmp_path: Path) -> None:
    assert refusal(films(path=str(tmp_path / "none"), recordings=20)) == (
        f"config: data.path = {str(tmp_path / 'none')!r}: no such folder"
    )
    media = folder(tmp_path / "media", *(f"{number}.mp4" for number in range(20)), "notes.txt", "sound.wav")
    check_files(validate(films(path=str(media), recordings=20)))
    assert f"config: data.recordings = 21: {media} has 20 files" in refusal(films(path=str(media), recordings=21))
    (media / "0.mp4").unlink()
    (media / "0.mp4").symlink_to(media / "gone.mp4")
    assert "has 19 files" in refusal(films(path=str(media), recordings=20)), "a broken link is no file"
    (media / "1.mp4").unlink()
    (media / "1.mp4").mkdir()
    assert "has 18 files" in refusal(films(path=str(media), recordings=20)), "nor is a folder"
    assert "Not a directory" in refusal(films(path=str(media / "notes.txt"), recordings=20))
    assert "has 0 files of the types .avi" in refusal(films(path=str(folder(tmp_path / "no", "a.wav")), recordings=20))


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b"])
def test_a_path_that_cannot_be(path: str) -> None:
    assert "config: data.path = " in refusal(films(path=path, recordings=20))
    assert "config: encoders.vision.data.path = " in refusal(sights(source="cifar100", path=path, recordings=20))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        assert "Permission denied" in refusal(films(path=str(tmp_path), recordings=20))
    finally:
        tmp_path.chmod(0o700)


def test_class_folders(tmp_path: Path) -> None:
    names = [f"{kind}/{number}" for kind in ("cat", "dog") for number in range(26)]
    pictures = folder(tmp_path / "pictures", *(f"{name}.PNG" for name in names), "cat/deep/er.webp")
    given = {"source": "picture_folders", "path": str(pictures), "test_fraction": 0.48}
    check_files(validate(sights(**given, recordings=53)))
    assert f"config: encoders.vision.data.recordings = 54: {pictures} has 53 items" in refusal(
        sights(**given, recordings=54)
    )
    assert "validation_fraction = 0.01: it leaves no item" in refusal(
        sights(**given, recordings=53, validation_fraction=0.01)
    )
    folder(pictures, "bird/readme.txt")
    assert f"{pictures / 'bird'} has no file of the types .bmp" in refusal(sights(**given, recordings=53))
    assert "1 folders in it" in refusal(sights(**given | {"path": str(pictures / "cat")}, recordings=8))
    heard = given | {"source": "sound_folders"}
    assert "config: encoders.audio.data.path" in refusal(sounds(**heard, recordings=8)), "no sounds among pictures"
    spoken = folder(tmp_path / "spoken", *(f"{name}.wav" for name in names))
    check_files(validate(sounds(**heard | {"path": str(spoken)}, recordings=52)))
    assert "has 52 items" in refusal(sounds(**heard | {"path": str(spoken)}, recordings=2000))


def test_what_may_run_but_is_likely_to_fail_is_a_warning(tmp_path: Path) -> None:
    pictures = folder(tmp_path / "pictures", *(f"{kind}/{number}.png" for kind in "abcde" for number in range(40)))
    given = {"source": "picture_folders", "path": str(pictures)}
    assert validate(sights(**given, recordings=200)).warnings() == []
    (few,) = validate(sights(**given, recordings=100)).warnings()
    assert few.startswith("encoders.vision.data.recordings = 100: 25 of them are for testing; with 5 classes")
    short = sights(**given, recordings=200)
    short["encoders"]["vision"]["training"] = {"steps": 120}
    assert validate(short).warnings() == [
        "encoders.vision.training.steps = 120: few; the encoder may be worse than untrained"
    ]


def test_pictures_are_those_that_are_read() -> None:
    assert set(IMG_EXTENSIONS) == PICTURE_SUFFIXES


@pytest.mark.parametrize("gone", ["cifar-100-python/meta", "cifar-100-python/test"])
def test_cifar(tmp_path: Path, gone: str) -> None:
    root = layouts.cifar100(tmp_path / "set")
    given = {"source": "cifar100", "path": str(root)}
    check_files(validate(sights(**given, recordings=78)))
    assert "set it to at most that number" in refusal(sights(**given, recordings=100))
    assert "recordings = 60000" in refusal(sights(**given)), "the default is all that was published"
    (root / gone).unlink()
    assert f"{gone} is not there" in refusal(sights(**given, recordings=78))


def test_imagenet(tmp_path: Path) -> None:
    root = layouts.imagenet(tmp_path / "set")
    given = {"source": "imagenet", "path": str(root)}
    check_files(validate(sights(**given, recordings=78)))
    assert "has 78 items" in refusal(sights(**given, recordings=79))
    (root / "val/n01484850").rename(tmp_path / "away")
    assert "train and val need the same folders" in refusal(sights(**given, recordings=60))
    (root / "val").rename(tmp_path / "val")
    assert "val is not there" in refusal(sights(**given, recordings=60))


def test_speech_commands(tmp_path: Path) -> None:
    root = layouts.speech_commands(tmp_path / "set")
    count = len([path for path in (root / SPEECH).glob("*/*.wav") if not path.parent.name.startswith("_")])
    given = {"source": "speech_commands", "path": str(root)}
    check_files(validate(sounds(**given, recordings=count)))
    assert f"has {count} items" in refusal(sounds(**given, recordings=count + 1))
    (root / SPEECH / "testing_list.txt").unlink()
    assert "testing_list.txt is not there" in refusal(sounds(**given, recordings=count))


def test_games_and_weights(tmp_path: Path) -> None:
    check_files(validate({"data": {"source": "atari", "games": ["pong", "enduro"]}}))
    assert "config: data.games = 'snake': no such game; ale-py ships adventure" in refusal(
        {"data": {"source": "atari", "games": ["pong", "snake"]}}
    )
    weights = tmp_path / "lpips.safetensors"
    values = {"tokenizers": {"video": {"lpips": str(weights)}}, "dynamics": {"path": "filtered"}}
    assert f"config: tokenizers.video.lpips = {str(weights)!r}: no such file" in refusal(values)
    weights.touch()
    check_files(validate(values))


def test_all_faults_are_reported_and_only_of_what_is_used() -> None:
    world = films(path="nowhere", recordings=20)
    own = sights(source="cifar100", path="nowhere", size=32)
    weights = {"tokenizers": {"video": {"lpips": "nowhere"}}, "dynamics": {"path": "filtered"}}
    keys = [line.split(" = ")[0] for line in refusal(world | own | weights).splitlines()]
    assert keys == ["config: data.path", "config: encoders.vision.data.path", "config: tokenizers.video.lpips"]
    check_files(validate(own | {"lines": {"representation": False}}))
    check_files(validate(weights | {"lines": {"generative": False}}))
