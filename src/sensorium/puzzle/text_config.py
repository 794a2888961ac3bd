"""Settings of the text codes: the texts that prime them, and the model. Never imports torch."""

from __future__ import annotations

import os

from pydantic import Field, field_validator

from sensorium.config import ConfigurationError, Section

LANGUAGES = ("ar", "cs", "de", "el", "es", "fr", "he", "hi", "it", "ja", "ko", "nl", "pl", "pt_BR", "ru", "zh_CN")


class CorpusConfig(Section):
    """The texts. Whatever is named and not on this machine is left out, and the manifest says what was there."""

    packages: tuple[str, ...] = Field(
        ("numpy", "scipy", "sklearn"), description="Python packages whose documentation primes, beside Python's own"
    )
    unprimed: tuple[str, ...] = Field(("matplotlib",), description="packages whose documentation judges")
    package_bytes: int = Field(1_000_000, ge=1000, description="most bytes of each package")
    catalogues: str | None = Field(
        "/usr/share/locale", description="folder of gettext catalogues, for other languages; null: none"
    )
    languages: tuple[str, ...] = Field(LANGUAGES, description="languages that are taken from the catalogues")
    language_bytes: int = Field(120_000, ge=1000, description="most bytes of each language")
    folder: str | None = Field(None, description="a folder of your own texts (.txt, .md, .rst) that prime; null: none")

    @field_validator("packages", "unprimed", "languages")
    @classmethod
    def _plain_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name.isidentifier():
                raise ValueError(f"{name!r}: only letters, digits and underscores are allowed")
        return names

    def check(self) -> None:
        """Refuse a folder of one's own that is not there.

        Raises:
            ConfigurationError: naming it.
        """
        if self.folder is not None and not os.path.isdir(self.folder):
            raise ConfigurationError(f"folder = {self.folder!r}: no such folder")


class PuzzleTextConfig(Section):
    """The primed model of the dense layout, and the words of both layouts."""

    corpus: CorpusConfig = CorpusConfig()
    words: int = Field(4096, ge=1000, le=2**15, description="words of the dense layout; the first 1000 are legible's")
    slots: int = Field(23, ge=12, le=26, description="binary logarithm of the counters, two bytes each")
    fit_pages: int = Field(300, ge=10, le=10_000, description="pages on which the weight of each counter is fitted")
    fit_rounds: int = Field(40, ge=1, le=1000, description="most rounds of that fit")
    seed: int = Field(0, ge=0, description="draws those pages")


class PuzzleTextEvaluation(Section):
    """What is judged, of each group of texts."""

    pages: int = Field(80, ge=4, description="pages of each group that are judged")
    page_bytes: int = Field(1200, ge=100, le=10_000, description="bytes of a page")
    damaged: int = Field(10_000, ge=100, description="grids with wrong cells that are decoded")
    seed: int = Field(0, ge=0, description="draws the pages and the wrong cells")
