"""Names of files that Snakemake cannot handle; everything else that a file system allows is fine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sensorium.config.section import ConfigurationError


def refuse_names(paths: Iterable[Path]) -> None:
    """Refuse names in which Snakemake would see a wildcard, or that it could not write down.

    Raises:
        ConfigurationError: naming the first such path and the reason.
    """
    for path in paths:
        text = str(path)
        if "{" in text or "}" in text:
            raise ConfigurationError(f"path: {text!r}: Snakemake takes braces in a name for a wildcard; rename it")
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = text.encode(errors="backslashreplace").decode()
            raise ConfigurationError(
                f"path: '{shown}': this name is not UTF-8, as Snakemake needs; rename it"
            ) from None
