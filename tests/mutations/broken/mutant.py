"""A change of text in one file of the sources that breaks a mechanism, with the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "src" / "sensorium"


@dataclass(frozen=True)
class Mutant:
    """One broken mechanism.

    Attributes:
        name: what is broken.
        file: under src/sensorium.
        old: text that occurs exactly once in it.
        new: what stands there in the mutant.
        tests: FILE::TEST, that must turn red.
        cheap: takes a few seconds, so that the unit tests try it too.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    cheap: bool = False

    def text(self) -> str:
        """The broken file.

        Raises:
            ValueError: if the text to break is not there exactly once: the mutant is out of date.
        """
        source = (SOURCES / self.file).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"mutant {self.name!r}: {self.file} has {source.count(self.old)} times {self.old!r}")
        return source.replace(self.old, self.new)
