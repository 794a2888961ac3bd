"""Texts that every installation has, by group: what primes the text codes, and what judges them.

    python      documentation in the sources of Python's standard library
    topics      Python's own manual (`pydoc_data.topics`): half of it primes, half judges
    packages    documentation in the sources of packages that this project needs anyway: some prime, others judge
    licences    licence texts of the installed packages, each paragraph once; they prime
    <language>  messages of gettext catalogues, where they are installed: one domain of four judges
    own         a folder of the user's

A text is read from its file without running it. What a group consists of is a function of what is installed; the list,
with a digest of each text, stands in the manifest of `collect-texts`.
"""

from __future__ import annotations

import ast
import hashlib
import os
import struct
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sensorium.puzzle.text_config import CorpusConfig
from sensorium.randomness import stable_seed

SHORTEST = 120  # characters of a docstring; shorter ones say little
LONGEST_FILE = 4_000_000  # bytes
LONGEST_LICENCE = 60_000
JUDGED_BYTES = 200_000  # of a package that judges
JUDGED_MESSAGES = 20_000  # of a language
_SKIPPED = ("test", "tests", "idlelib", "site-packages", "dist-packages", "lib2to3", "_vendor", "externals")
_OWN = (".txt", ".md", ".rst")
_MO_MAGIC = 0x950412DE


@dataclass(frozen=True)
class FoundText:
    """A text.

    Attributes:
        group: as above.
        name: unique among all texts.
        content: its bytes.
        judged: whether it judges; otherwise it primes.
    """

    group: str
    name: str
    content: bytes
    judged: bool

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def sources(config: CorpusConfig) -> Iterator[FoundText]:
    """All texts of this machine, in an order that depends on their names alone."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for name, content in _documented(library, 10 * config.package_bytes):
        yield FoundText("python", f"python/{name}", content, False)
    yield from _topics()
    for package in (*config.packages, *config.unprimed):
        judged = package in config.unprimed
        for name, content in _package(package, JUDGED_BYTES if judged else config.package_bytes):
            yield FoundText("packages", f"{package}/{name}", content, judged)
    yield from _licences()
    if config.catalogues is not None:
        for language in config.languages:
            yield from _language(Path(config.catalogues), language, config.language_bytes)
    if config.folder is not None:
        for path in sorted(Path(config.folder).rglob("*")):
            if path.suffix in _OWN and path.is_file() and path.stat().st_size <= LONGEST_FILE:
                yield FoundText("own", f"own/{path.relative_to(config.folder)}", path.read_bytes(), False)


def docstrings(source: str) -> str:
    """The documentation in a Python source: docstrings of at least 120 characters, an empty line between them.

    Raises:
        SyntaxError, ValueError, RecursionError: if it is no source.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST:
                found.append(text)
    return "\n\n".join(found)


def messages(catalogue: bytes) -> list[str]:
    """The translated messages of a gettext catalogue (.mo), its header left out.

    Raises:
        ValueError: if it is none, or not in UTF-8.
    """
    for order in "<>":
        if len(catalogue) >= 20 and struct.unpack_from(f"{order}I", catalogue)[0] == _MO_MAGIC:
            count, originals, translations = struct.unpack_from(f"{order}3I", catalogue, 8)
            break
    else:
        raise ValueError("no catalogue")
    if max(originals, translations) + 8 * count > len(catalogue):
        raise ValueError("a catalogue that is cut off")
    found = []
    for number in range(count):
        size, start = struct.unpack_from(f"{order}2I", catalogue, translations + 8 * number)
        original_size = struct.unpack_from(f"{order}I", catalogue, originals + 8 * number)[0]
        if original_size and size and start + size <= len(catalogue):
            found.append(catalogue[start : start + size].decode("utf-8").replace("\0", "\n"))
    return found


def _documented(folder: Path, most: int) -> Iterator[tuple[str, bytes]]:
    """Name and documentation of the sources below a folder, in order, until there are `most` bytes."""
    total = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.endswith(".py") or total >= most or path.stat().st_size > LONGEST_FILE:
                continue
            try:
                text = docstrings(path.read_text("utf-8"))
            except (SyntaxError, ValueError, RecursionError):
                continue  # sources of another version of Python, or of another encoding
            if text:
                content = text.encode("utf-8", "replace")
                total += len(content)
                yield str(path.relative_to(folder)), content


def _package(name: str, most: int) -> Iterator[tuple[str, bytes]]:
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        yield from _documented(Path(next(iter(spec.submodule_search_locations))), most)


def _topics() -> Iterator[FoundText]:
    if find_spec("pydoc_data") is None or find_spec("pydoc_data.topics") is None:
        return
    from pydoc_data.topics import topics  # a plain dictionary of texts

    for name, text in sorted(topics.items()):
        yield FoundText("topics", f"topics/{name}", text.encode(), stable_seed("topic", name) % 2 == 1)


def _licences() -> Iterator[FoundText]:
    folder = Path(sysconfig.get_paths()["purelib"])
    seen: set[bytes] = set()  # most licences are copies of a few
    for path in sorted(folder.glob("*.dist-info/**/*")):
        if not any(word in path.name.upper() for word in ("LICEN", "COPYING", "NOTICE")) or not path.is_file():
            continue
        fresh = []
        for paragraph in path.read_bytes()[:LONGEST_LICENCE].split(b"\n\n"):
            plain = b" ".join(paragraph.split())
            if plain not in seen:
                seen.add(plain)
                fresh.append(paragraph)
        if fresh:
            yield FoundText("licences", f"licences/{path.relative_to(folder)}", b"\n\n".join(fresh), False)


def _language(folder: Path, language: str, most: int) -> Iterator[FoundText]:
    left = {False: most, True: JUDGED_MESSAGES}
    for path in sorted(folder.glob(f"{language}/LC_MESSAGES/*.mo")):
        judged = stable_seed("domain", path.stem) % 4 == 3
        if left[judged] <= 0 or path.stat().st_size > LONGEST_FILE:
            continue
        try:
            content = "\n\n".join(messages(path.read_bytes())).encode()
        except ValueError:
            continue
        content = content[: left[judged]]
        left[judged] -= len(content)
        if content:
            yield FoundText(language, f"{language}/{path.stem}", content, judged)
