"""Labelled sets of pictures and of sounds as their publishers lay them out: an encoder may learn from one by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sensorium.config.section import ConfigurationError, Section
from sensorium.config.sources import TOKENIZER_STRIDE, AtariConfig, FolderConfig, PlayroomConfig, Source

CIFAR_FOLDER = "cifar-100-python"
SPEECH_FOLDER = "SpeechCommands/speech_commands_v0.02"


class LabelledSet(Source):
    """What every labelled set shares."""

    source: str
    path: str = Field(min_length=1, description="the folder that holds the set")

    def _existing(self, *names: str) -> list[Path]:
        """Paths below the folder.

        Raises:
            ConfigurationError: naming the first that is missing.
        """
        paths = [Path(self.path) / name for name in names]
        for path in paths:
            if not path.exists():
                raise ConfigurationError(
                    f"config: path = {self.path!r}: {path} is not there; source {self.source!r} wants "
                    f"{', '.join(names)} in that folder, and nothing is downloaded for you (docs/data.md)"
                )
        return paths

    def _class_folders(self) -> list[Path]:
        folder = Path(self.path)
        found = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        if len(found) < 2:
            raise ConfigurationError(
                f"config: path = {self.path!r}: {len(found)} folders in it; a folder for each of two or more classes "
                "is needed"
            )
        return found


class PictureSet(LabelledSet):
    """A labelled set of pictures; each is one frame, and stands in no order with others."""

    size: int = Field(32, ge=16, le=256, description="height and width of a picture, in pixels")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="share of what is not for tests, for validation")

    @model_validator(mode="after")
    def _size_fits(self) -> PictureSet:
        if self.size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {self.size}: it must be a multiple of {TOKENIZER_STRIDE}")
        return self

    @property
    def frames(self) -> int:
        """Frames that belong together: a picture is alone."""
        return 1


class Cifar100Config(PictureSet):
    """CIFAR-100: 60,000 pictures of 32x32 in 100 classes, in the Python form of its publisher."""

    source: Literal["cifar100"] = Field("cifar100", description="labelled pictures of CIFAR-100")
    recordings: int = Field(60_000, ge=8, description="pictures to take, a like share of each published split")

    def files(self) -> list[Path]:
        """The two parts and the names of the classes."""
        return self._existing(*(f"{CIFAR_FOLDER}/{name}" for name in ("train", "test", "meta")))


class ImageNetConfig(PictureSet):
    """ImageNet (ILSVRC 2012): train/CLASS/*.JPEG and val/CLASS/*.JPEG, and torchvision's meta.bin for class names."""

    source: Literal["imagenet"] = Field("imagenet", description="labelled pictures of ImageNet")
    recordings: int = Field(1_331_167, ge=8, description="pictures to take, a like share of each published split")

    def files(self) -> list[Path]:
        """The two folders, whose dates stand for a million files, and meta.bin if it is there."""
        folders, meta = self._existing("train", "val"), Path(self.path) / "meta.bin"
        return [*folders, meta] if meta.exists() else folders


class PictureFoldersConfig(PictureSet):
    """Pictures in a folder for each class: CLASS/**/*.{jpg,png,...}."""

    source: Literal["picture_folders"] = Field("picture_folders", description="pictures in a folder for each class")
    recordings: int = Field(ge=8, description="pictures to take")
    test_fraction: float = Field(0.25, gt=0, lt=0.5, description="share of pictures for the evaluations")

    def files(self) -> list[Path]:
        """The folders of the classes, whose dates stand for what is in them."""
        return self._class_folders()


class SoundSet(LabelledSet):
    """A labelled set of short sounds, each a recording of its own."""

    frames: int = Field(16, ge=2, description="frames a recording (16 a second); shorter sounds end in silence")


class SpeechCommandsConfig(SoundSet):
    """Speech Commands 0.02: 105,829 words in 35 classes, with the published lists for validation and test."""

    source: Literal["speech_commands"] = Field("speech_commands", description="spoken words of Speech Commands")
    recordings: int = Field(105_829, ge=8, description="sounds to take, a like share of each published split")

    def files(self) -> list[Path]:
        """The folder of the classes and the two lists."""
        return self._existing(
            SPEECH_FOLDER, *(f"{SPEECH_FOLDER}/{name}_list.txt" for name in ("validation", "testing"))
        )


class SoundFoldersConfig(SoundSet):
    """Sounds in a folder for each class: CLASS/**/*.{wav,flac,ogg,...}."""

    source: Literal["sound_folders"] = Field("sound_folders", description="sounds in a folder for each class")
    recordings: int = Field(ge=8, description="sounds to take")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="share of what is not for tests, for validation")
    test_fraction: float = Field(0.25, gt=0, lt=0.5, description="share of sounds for the evaluations")

    def files(self) -> list[Path]:
        """The folders of the classes, whose dates stand for what is in them."""
        return self._class_folders()


_SOURCE = Field(discriminator="source")
VisionData = Annotated[Cifar100Config | ImageNetConfig | PictureFoldersConfig | FolderConfig, _SOURCE]
AudioData = Annotated[SpeechCommandsConfig | SoundFoldersConfig | FolderConfig, _SOURCE]
AnyData = Annotated[
    PlayroomConfig
    | AtariConfig
    | FolderConfig
    | Cifar100Config
    | ImageNetConfig
    | PictureFoldersConfig
    | SpeechCommandsConfig
    | SoundFoldersConfig,
    _SOURCE,
]
SOURCES = (
    "playroom",
    "atari",
    "folder",
    "cifar100",
    "imagenet",
    "picture_folders",
    "speech_commands",
    "sound_folders",
)


class LatentsConfig(Section):
    """Tokens of every recording, encoded once."""

    dtype: Literal["float16", "float32"] = Field("float16", description="number format on disk")
