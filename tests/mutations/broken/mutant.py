"""A change of text in one file of the sources that breaks a mechanism, with the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src" / "sensorium"
EXECUTOR = ROOT / "packages/snakemake-executor-plugin-submitit/src/snakemake_executor_plugin_submitit"


@dataclass(frozen=True)
class Mutant:
    """One broken mechanism.

    Attributes:
        name: what is broken.
        file: under the sources.
        old: text that occurs exactly once in it.
        new: what stands there in the mutant.
        tests: FILE::TEST, that must turn red.
        cheap: takes a few seconds, so that the unit tests try it too.
        sources: the folder of a package.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    cheap: bool = False
    sources: Path = SOURCES

    def text(self) -> str:
        """The broken file.

        Raises:
            ValueError: if the text to break is not there exactly once: the mutant is out of date.
        """
        source = (self.sources / self.file).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"mutant {self.name!r}: {self.file} has {source.count(self.old)} times {self.old!r}")
        return source.replace(self.old, self.new)
