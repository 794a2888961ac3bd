"""Collect the texts that prime and judge the text codes, from what is installed on this machine."""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.artifacts import MAKE_AGAIN, ArtifactError, read_manifest, verified_file, write_manifest
from sensorium.config import canonical_json, parse_section
from sensorium.data.quarantine import BadDataError
from sensorium.progress import say
from sensorium.puzzle.separation import JudgedRuns
from sensorium.puzzle.text_codes import read_arrays, write_arrays
from sensorium.puzzle.text_config import CorpusConfig
from sensorium.puzzle.texts import FoundText, sources
from sensorium.randomness import stable_seed

REVISION = 1
KIND = "texts"
SPLITS = ("counted", "fitted", "judged")
LEAST_COUNTED = 200_000  # bytes: less primes nothing
FIT_SHARE = 8  # one of so many texts is fitted on


@dataclass(frozen=True)
class StoredText:
    """A text of the corpus.

    Attributes:
        group, name: as in `texts`.
        split: counted, fitted or judged.
        content: its bytes.
    """

    group: str
    name: str
    split: str
    content: bytes


def main(argv: list[str]) -> None:
    """Run `sensorium collect-texts`."""
    parser = argparse.ArgumentParser(prog="sensorium collect-texts", description=__doc__)
    parser.add_argument("--config", required=True, help="section puzzle.text.corpus, as JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of the texts")
    args = parser.parse_args(argv)
    config = parse_section(CorpusConfig, args.config)
    config.check()
    write_texts(config, list(sources(config)), args.output)


def write_texts(config: CorpusConfig, found: Sequence[FoundText], folder: Path) -> None:
    """Separate texts, split them and write them with their manifest.

    Raises:
        BadDataError: if hardly anything is left to prime, or two texts have one name.
        StorageError: if the folder cannot be written.
    """
    doubled = [name for name, times in Counter(source.name for source in found).items() if times > 1]
    if doubled:
        raise BadDataError(f"two texts are called {doubled[0]!r}; rename one")
    judged = JudgedRuns(source.content for source in found if source.judged)
    texts, dropped = [], 0
    for source in found:
        content = source.content if source.judged else judged.without(source.content)
        dropped += len(source.content) - len(content)
        split = (
            "judged" if source.judged else "fitted" if stable_seed("fit", source.name) % FIT_SHARE == 0 else "counted"
        )
        if content:
            texts.append(StoredText(source.group, source.name, split, content))
    sizes = {split: sum(len(text.content) for text in texts if text.split == split) for split in SPLITS}
    if sizes["counted"] < LEAST_COUNTED or not sizes["fitted"] or not sizes["judged"]:
        raise BadDataError(
            f"too few texts: {sizes['counted']} bytes to count (at least {LEAST_COUNTED}), {sizes['fitted']} to fit, "
            f"{sizes['judged']} to judge; name more packages in puzzle.text.corpus.packages, or a folder of texts"
        )
    path = folder / "texts.safetensors"
    write_arrays(path, {"bytes": np.frombuffer(b"".join(text.content for text in texts), np.uint8)})
    listed: list[dict[str, Any]] = [
        {"group": text.group, "name": text.name, "split": text.split, "bytes": len(text.content)} for text in texts
    ]
    write_manifest(
        folder,
        kind=KIND,
        section_json=canonical_json(config),
        inputs={},
        files={"texts": path},
        details={"texts": listed, "python": platform.python_version(), "dropped_bytes": dropped},
    )
    groups = sorted({text.group for text in texts})
    say(f"{folder}: {len(texts)} texts of {len(groups)} groups ({', '.join(groups)}); bytes: {sizes}")
    say(f"{dropped} bytes that would prime stand in texts that judge, and were dropped")


def read_texts(manifest_path: Path) -> list[StoredText]:
    """The texts of an artifact.

    Raises:
        ArtifactError: if it is missing, of another kind, or does not hold what its manifest lists.
    """
    manifest = read_manifest(manifest_path, KIND)
    path = verified_file(manifest_path, manifest, "texts")
    content = read_arrays(path).get("bytes")
    listed = manifest["details"]["texts"]
    try:
        sizes = [int(entry["bytes"]) for entry in listed]
        if content is None or content.dtype != np.uint8 or min(sizes) < 0 or sum(sizes) != content.size:
            raise ValueError("it does not hold the bytes that are listed")
        joined, texts, start = content.tobytes(), [], 0
        for entry, size in zip(listed, sizes, strict=True):
            texts.append(StoredText(entry["group"], entry["name"], entry["split"], joined[start : start + size]))
            start += size
    except (TypeError, KeyError, ValueError) as error:
        raise ArtifactError(f"{manifest_path}: no list of texts ({error}); {MAKE_AGAIN}") from error
    return texts
