"""Labelled sets of pictures and of sounds, in the layout of their publishers; an encoder may learn from one alone."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sensorium.artifacts import digest
from sensorium.config.films import SOUND_SUFFIXES, FolderConfig, VideoConfig
from sensorium.config.folders import count_files, digest_of, subfolders
from sensorium.config.gymnasium import GymnasiumConfig
from sensorium.config.offline import EpisodesConfig
from sensorium.config.section import ConfigurationError, Section
from sensorium.config.sources import TOKENIZER_STRIDE, AtariConfig, PlayroomConfig, Source
from sensorium.config.splits import enough_for_two

CIFAR_FOLDER = "cifar-100-python"
CIFAR_PICTURE = 32 * 32 * 3  # bytes
SPEECH_FOLDER = "SpeechCommands/speech_commands_v0.02"
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class LabelledSet(Source):
    """Settings that all labelled sets share."""

    source: str
    path: str = Field(min_length=1, description="the folder that holds the set")

    def _existing(self, *names: str) -> list[Path]:
        """Paths below the folder.

        Raises:
            ConfigurationError: if one is missing; the message names the first.
        """
        paths = [Path(self.path) / name for name in names]
        for path in paths:
            if not os.path.exists(path):
                raise ConfigurationError(
                    f"path = {self.path!r}: {path} is not there; source {self.source!r} needs "
                    f"{', '.join(names)} in that folder; nothing is downloaded automatically (docs/data.md)"
                )
        return paths

    def _class_folders(self) -> list[Path]:
        """The folders of the classes.

        Raises:
            ConfigurationError: if there are fewer than two.
        """
        found = subfolders(Path(self.path))
        if len(found) < 2:
            raise ConfigurationError(
                f"path = {self.path!r}: {len(found)} folders in it; one for each class is needed, and at least two "
                "classes"
            )
        return found

    def items_below(self) -> tuple[list[Path], frozenset[str]]:
        """The folders in which its items lie, and the types of their files; no folder: `files` stand for the set."""
        return [], frozenset()

    @cached_property
    def listing(self) -> str:
        """A digest of the names and sizes of the files of its items, if there are folders of them."""
        folders, suffixes = self.items_below()
        lists = [path for path in self.files() if path.is_file()]
        if not folders:
            return ""
        items = digest_of(str(Path(self.path)), map(str, folders), suffixes)
        return hashlib.sha256("".join([items, *(f"{path.name} {digest(path)}" for path in lists)]).encode()).hexdigest()

    def check(self) -> None:
        """Refuse a set that is not there, or that has fewer items than recordings are to be made of it.

        Raises:
            ConfigurationError: as for all sources.
        """
        super().check()
        items = self._count_items()
        if items < self.recordings:
            raise ConfigurationError(
                f"recordings = {self.recordings}: {self.path} has {items} items; set it to at most that number"
            )

    def _count_items(self) -> int:
        """Items of the set; the count may end at the number of recordings, and may be too high but never too low.

        Raises:
            ConfigurationError: if a class has none.
        """
        raise NotImplementedError

    def _check_validation(self, validation_fraction: float, test_fraction: float) -> None:
        """Refuse a fraction that leaves no item for validation."""
        if not round(validation_fraction * (self.recordings - round(test_fraction * self.recordings))):
            raise ConfigurationError(f"validation_fraction = {validation_fraction}: it leaves no item; take more")

    def _few_for_testing(self, test_fraction: float) -> list[str]:
        """A warning if the folders, taken for equally frequent classes, have few items for testing."""
        found, classes = round(test_fraction * self.recordings), len(self._class_folders())
        if found >= (needed := enough_for_two(classes)):
            return []
        return [
            f"recordings = {self.recordings}: {found} of them are for testing; with {classes} classes, evaluation "
            f"few_shot needs about {needed} and may fail"
        ]

    def _count_in(self, classes: list[Path], suffixes: frozenset[str]) -> int:
        """Files of these types below the folders of the classes; as `_count_items`."""
        total = 0
        for folder in classes:
            found = count_files(folder, suffixes, max(1, self.recordings - total))
            if not found:
                raise ConfigurationError(
                    f"path = {self.path!r}: {folder} has no file of the types {', '.join(sorted(suffixes))}; every "
                    "class needs one"
                )
            total += found
        return total


class PictureSet(LabelledSet):
    """A labelled set of pictures; each is a recording of one frame."""

    size: int = Field(32, ge=16, le=256, description="height and width of a picture, in pixels")
    validation_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="share of the items outside the test split that is for validation"
    )

    @model_validator(mode="after")
    def _size_fits(self) -> PictureSet:
        if self.size % TOKENIZER_STRIDE:
            raise ValueError(f"size is {self.size}: it must be a multiple of {TOKENIZER_STRIDE}")
        return self

    @property
    def frames(self) -> int:
        """Frames in each recording: a picture has one."""
        return 1


class Cifar100Config(PictureSet):
    """CIFAR-100: 60,000 pictures of 32x32 in 100 classes, in the publisher's Python format."""

    source: Literal["cifar100"] = Field("cifar100", description="labelled pictures of CIFAR-100")
    recordings: int = Field(60_000, ge=8, description="pictures to use, the same share of each published split")

    def files(self) -> list[Path]:
        """The files of both splits and of the class names."""
        return self._existing(*(f"{CIFAR_FOLDER}/{name}" for name in ("train", "test", "meta")))

    def _count_items(self) -> int:
        return sum(path.stat().st_size // CIFAR_PICTURE for path in self.files()[:2])


class ImageNetConfig(PictureSet):
    """ImageNet (ILSVRC 2012): train/CLASS/*.JPEG and val/CLASS/*.JPEG, and torchvision's meta.bin for class names."""

    source: Literal["imagenet"] = Field("imagenet", description="labelled pictures of ImageNet")
    recordings: int = Field(1_331_167, ge=8, description="pictures to use, the same share of each published split")

    def files(self) -> list[Path]:
        """The two folders, and meta.bin if it exists."""
        folders, meta = self._existing("train", "val"), Path(self.path) / "meta.bin"
        return [*folders, meta] if meta.exists() else folders

    def items_below(self) -> tuple[list[Path], frozenset[str]]:
        """The two folders."""
        return self._existing("train", "val"), PICTURE_SUFFIXES

    def _count_items(self) -> int:
        """As for all sets.

        Raises:
            ConfigurationError: if the two folders do not have the same classes as well.
        """
        classes = [subfolders(folder) for folder in self.files()[:2]]
        training, test = ({folder.name for folder in part} for part in classes)
        if training != test or len(training) < 2:
            odd = ", ".join(sorted(training ^ test)[:3]) or f"{len(training)} in all"
            raise ConfigurationError(
                f"path = {self.path!r}: train and val need the same folders, one for each class, and at least two "
                f"classes: {odd}"
            )
        return sum(self._count_in(part, PICTURE_SUFFIXES) for part in classes)


class PictureFoldersConfig(PictureSet):
    """Pictures in one folder for each class: CLASS/**/*.{jpg,png,...}."""

    source: Literal["picture_folders"] = Field("picture_folders", description="pictures in one folder for each class")
    recordings: int = Field(ge=8, description="pictures to use")
    test_fraction: float = Field(0.25, gt=0, lt=0.5, description="share of pictures for the evaluations")

    def files(self) -> list[Path]:
        """The folders of the classes."""
        return self._class_folders()

    def items_below(self) -> tuple[list[Path], frozenset[str]]:
        """The folders of the classes."""
        return self._class_folders(), PICTURE_SUFFIXES

    def check(self) -> None:
        """As for all sets, and refuse a split without pictures.

        Raises:
            ConfigurationError: as for all sets.
        """
        super().check()
        self._check_validation(self.validation_fraction, self.test_fraction)

    def warnings(self) -> list[str]:
        """What is likely to fail."""
        return self._few_for_testing(self.test_fraction)

    def _count_items(self) -> int:
        return self._count_in(self.files(), PICTURE_SUFFIXES)


class SoundSet(LabelledSet):
    """A labelled set of short sounds; each is a recording."""

    frames: int = Field(
        16,
        ge=2,
        le=1_000_000,
        description="frames in each recording (16 per second); shorter sounds are padded with silence",
    )


class SpeechCommandsConfig(SoundSet):
    """Speech Commands 0.02: 105,829 words in 35 classes, with the published validation and test lists."""

    source: Literal["speech_commands"] = Field("speech_commands", description="spoken words of Speech Commands")
    recordings: int = Field(105_829, ge=8, description="sounds to use, the same share of each published split")

    def files(self) -> list[Path]:
        """The folder of the classes and the two lists."""
        return self._existing(
            SPEECH_FOLDER, *(f"{SPEECH_FOLDER}/{name}_list.txt" for name in ("validation", "testing"))
        )

    def items_below(self) -> tuple[list[Path], frozenset[str]]:
        """The folder of the classes."""
        return self._existing(SPEECH_FOLDER), frozenset({".wav"})

    def _count_items(self) -> int:
        words = [folder for folder in subfolders(self.files()[0]) if not folder.name.startswith("_")]
        return self._count_in(words, frozenset({".wav"}))


class SoundFoldersConfig(SoundSet):
    """Sounds in one folder for each class: CLASS/**/*.{wav,flac,ogg,...}."""

    source: Literal["sound_folders"] = Field("sound_folders", description="sounds in one folder for each class")
    recordings: int = Field(ge=8, description="sounds to use")
    speaker: str = Field(
        "",
        description="regular expression with one group, searched for in a file's name: it names the speaker, and "
        "speakers, not files, are drawn for the test split; empty: files are drawn",
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="share of the items outside the test split that is for validation"
    )
    test_fraction: float = Field(0.25, gt=0, lt=0.5, description="share of sounds, or of speakers, for the evaluations")

    @model_validator(mode="after")
    def _speaker_is_a_pattern(self) -> SoundFoldersConfig:
        try:
            groups = re.compile(self.speaker).groups
        except re.error as error:
            raise ValueError(f"speaker is {self.speaker!r}: no regular expression ({error})") from None
        if self.speaker and groups != 1:
            raise ValueError(f"speaker is {self.speaker!r}: it must have one group, in brackets")
        return self

    def files(self) -> list[Path]:
        """The folders of the classes."""
        return self._class_folders()

    def items_below(self) -> tuple[list[Path], frozenset[str]]:
        """The folders of the classes."""
        return self._class_folders(), SOUND_SUFFIXES

    def check(self) -> None:
        """As for all sets, and refuse a split without sounds.

        Raises:
            ConfigurationError: as for all sets.
        """
        super().check()
        self._check_validation(self.validation_fraction, self.test_fraction)

    def warnings(self) -> list[str]:
        """What is likely to fail."""
        return self._few_for_testing(self.test_fraction)

    def _count_items(self) -> int:
        return self._count_in(self.files(), SOUND_SUFFIXES)


_SOURCE = Field(discriminator="source")
VisionData = Annotated[Cifar100Config | ImageNetConfig | PictureFoldersConfig | FolderConfig, _SOURCE]
AudioData = Annotated[SpeechCommandsConfig | SoundFoldersConfig | FolderConfig, _SOURCE]
AnyData = Annotated[
    PlayroomConfig
    | AtariConfig
    | GymnasiumConfig
    | FolderConfig
    | VideoConfig
    | EpisodesConfig
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
    "gymnasium",
    "folder",
    "video",
    "episodes",
    "cifar100",
    "imagenet",
    "picture_folders",
    "speech_commands",
    "sound_folders",
)


class LatentsConfig(Section):
    """The tokens of all recordings, encoded once and stored."""

    dtype: Literal["float16", "float32"] = Field("float16", description="number format on disk")
