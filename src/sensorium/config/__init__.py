"""Sections of the configuration that all lines share. Nothing here imports torch, so `snakemake -n` stays fast."""

from __future__ import annotations

from sensorium.config.augmentation import AudioAugmentation, VisionAugmentation
from sensorium.config.episodes import Data
from sensorium.config.films import (
    SOUND_SUFFIXES,
    FileSource,
    FilmSource,
    FolderConfig,
    SignalsConfig,
    VideoConfig,
)
from sensorium.config.gymnasium import GymnasiumConfig
from sensorium.config.offline import EpisodesConfig
from sensorium.config.parse import canonical_json, parse, parse_section, parse_stored
from sensorium.config.section import (
    AdversarialTraining,
    ConfigurationError,
    CriticTraining,
    Depth,
    PlainAdversarialTraining,
    PlainTraining,
    Section,
    Training,
    Width,
    without_muon,
)
from sensorium.config.sets import (
    CIFAR_FOLDER,
    SOURCES,
    AnyData,
    AudioData,
    Cifar100Config,
    ImageNetConfig,
    LabelledSet,
    LatentsConfig,
    PictureFoldersConfig,
    PictureSet,
    SoundFoldersConfig,
    SoundSet,
    SpeechCommandsConfig,
    VisionData,
)
from sensorium.config.sources import TOKENIZER_STRIDE, AtariConfig, PlayroomConfig, Recordings, Source
from sensorium.config.transformer import Transformer
from sensorium.config.world import WorldSettings

__all__ = [
    "CIFAR_FOLDER",
    "SOUND_SUFFIXES",
    "SOURCES",
    "TOKENIZER_STRIDE",
    "AdversarialTraining",
    "AnyData",
    "AtariConfig",
    "AudioAugmentation",
    "AudioData",
    "Cifar100Config",
    "ConfigurationError",
    "CriticTraining",
    "Data",
    "Depth",
    "EpisodesConfig",
    "FileSource",
    "FilmSource",
    "FolderConfig",
    "GymnasiumConfig",
    "ImageNetConfig",
    "LabelledSet",
    "LatentsConfig",
    "PictureFoldersConfig",
    "PictureSet",
    "PlainAdversarialTraining",
    "PlainTraining",
    "PlayroomConfig",
    "Recordings",
    "Section",
    "SignalsConfig",
    "SoundFoldersConfig",
    "SoundSet",
    "Source",
    "SpeechCommandsConfig",
    "Training",
    "Transformer",
    "VideoConfig",
    "VisionAugmentation",
    "VisionData",
    "Width",
    "WorldSettings",
    "canonical_json",
    "parse",
    "parse_section",
    "parse_stored",
    "without_muon",
]
