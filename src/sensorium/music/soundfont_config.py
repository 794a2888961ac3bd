"""Settings of songs that are played on soundfonts: some for training, others for the test. Never imports torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, model_validator

from sensorium.config import ConfigurationError, Section


class UnseenSongsConfig(Section):
    """Songs for the test alone, on a soundfont: composed here, and written by people."""

    soundfont: str | None = Field(
        None, description="a file (.sf2, .sf3); null: no such songs. It needs the package tinysoundfont"
    )
    midi: tuple[str, ...] = Field(
        (), description="folders of songs that people wrote: MIDI files, or WAD files of games"
    )
    songs: int = Field(80, ge=2, le=10_000, description="how many are composed here for the soundfont")

    def check(self) -> None:
        """Ask for the package, for the soundfont and for the folders.

        Raises:
            ConfigurationError: naming what is missing, and the way out.
        """
        if self.soundfont is not None:
            _check("soundfont", (self.soundfont,), self.midi)

    @model_validator(mode="after")
    def _people_need_a_soundfont(self) -> UnseenSongsConfig:
        if self.midi and self.soundfont is None:
            raise ValueError(f"midi names {self.midi[0]!r} and soundfont nothing: songs need one to sound; name a file")
        return self


class HeardSongsConfig(Section):
    """Songs for training on other soundfonts than the test's, beside those that are synthesised here."""

    soundfonts: tuple[str, ...] = Field(
        (), description="files (.sf2, .sf3), dealt in turn; empty: no such songs. They need the package tinysoundfont"
    )
    midi: tuple[str, ...] = Field(
        (), description="folders of songs that people wrote: MIDI files, or WAD files of games"
    )
    songs: int = Field(200, ge=0, le=100_000, description="how many are composed here for the soundfonts")
    passages: int = Field(
        10, ge=1, le=1000, description="of each song by people: from other bars, in other keys, on other instruments"
    )

    def check(self) -> None:
        """Ask for the package, for the soundfonts and for the folders.

        Raises:
            ConfigurationError: naming what is missing, and the way out.
        """
        if self.soundfonts:
            _check("soundfonts", self.soundfonts, self.midi)

    @model_validator(mode="after")
    def _people_need_a_soundfont(self) -> HeardSongsConfig:
        if self.midi and not self.soundfonts:
            raise ValueError(
                f"midi names {self.midi[0]!r} and soundfonts nothing: songs need one to sound; name a file"
            )
        return self


def check_apart(heard: HeardSongsConfig, unseen: UnseenSongsConfig) -> None:
    """Refuse a soundfont, or a folder of songs, that both training and the test name.

    Raises:
        ValueError: naming it.
    """
    if unseen.soundfont in heard.soundfonts and unseen.soundfont is not None:
        raise ValueError(f"heard.soundfonts and unseen.soundfont both name {unseen.soundfont!r}: name another for one")
    for folder in map(Path, heard.midi):
        for other in map(Path, unseen.midi):
            if folder == other or folder in other.parents or other in folder.parents:
                raise ValueError(
                    f"heard.midi names {str(folder)!r} and unseen.midi {str(other)!r}, which hold the same songs: "
                    "name folders apart"
                )


def _check(key: str, soundfonts: tuple[str, ...], folders: tuple[str, ...]) -> None:
    if find_spec("tinysoundfont") is None:
        raise ConfigurationError(
            f"{key}: the package tinysoundfont is not installed; install it with: pip install --no-deps tinysoundfont"
        )
    for path in soundfonts:
        if not Path(path).is_file():
            raise ConfigurationError(f"{key} = {path!r}: no such file; name a .sf2 or .sf3 file, or leave it out")
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigurationError(f"midi = {folder!r}: no such folder; name one with .mid or .wad files")
