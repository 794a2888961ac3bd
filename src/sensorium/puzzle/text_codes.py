"""Texts to grids and back: the words and the primed model of one artifact, and both layouts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sensorium.artifacts import MAKE_AGAIN, ArtifactError, atomic_path, read_manifest, verified_file
from sensorium.puzzle import dense_text, legible_text
from sensorium.puzzle.contexts import HASHED
from sensorium.puzzle.evidence import PAGE_STATES, STATES
from sensorium.puzzle.grid import GridError
from sensorium.puzzle.pages import MARKS, NeedsCodesError, Text, to_symbols
from sensorium.puzzle.primed_model import PAGE_ORDERS, SETS, PrimedModel
from sensorium.puzzle.word_tree import WordTree
from sensorium.puzzle.words import BYTES, Vocabulary

KIND = "puzzle_text"
LAYOUTS = ("dense", "legible")
# Arrays of the artifact -> dtype; W words, N = W - 1 nodes.
ARRAYS = {
    "merges": np.uint16,  # [W - 256, 2]
    "lengths": np.uint8,  # [W], of the words' paths
    "counters": np.uint16,  # [2^k]
    "node_odds": np.int16,  # [5, N]
    "state_odds": np.int16,  # [5, 5, 512]
    "page_odds": np.int16,  # [5, 3, 64]
}


class TextCodes:
    """Both layouts of texts, with the words and the counters of an artifact.

    Args:
        arrays: as `ARRAYS` lists them.

    Attributes:
        model: writes dense texts.
        words: of legible ones, at most 1,000.
        words_mark: the mark of those words.

    Raises:
        ValueError: if they are not what they should be.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        if faults := _faults(arrays):
            raise ValueError("; ".join(faults))
        words = Vocabulary(arrays["merges"])
        tree = WordTree(arrays["lengths"])
        odds = arrays["node_odds"], arrays["state_odds"], arrays["page_odds"]
        self.model = PrimedModel(words, tree, arrays["counters"], *odds, _mark(arrays, *ARRAYS))
        self.words = Vocabulary(arrays["merges"][: legible_text.VOCABULARY - BYTES])
        self.words_mark = _mark({"merges": arrays["merges"][: legible_text.VOCABULARY - BYTES]}, "merges")

    def encode(self, text: bytes, layout: str = "dense") -> list[np.ndarray]:
        """The grids uint8 [30, 30] of a text.

        Args:
            text: any bytes.
            layout: dense, as much as possible on a grid; or legible, three cells a word.

        Raises:
            GridError: if it takes more grids than a text may have.
            ValueError: if there is no such layout.
        """
        if layout == "dense":
            return dense_text.encode(text, self.model)
        if layout == "legible":
            return legible_text.encode(text, self.words, self.words_mark)
        raise ValueError(f"layout {layout!r}: no such layout; there are {', '.join(LAYOUTS)}")

    def decode(self, grids: Sequence[np.ndarray]) -> Text:
        """The text of grids of either layout, in any order.

        Raises:
            GridError: if it cannot be had exactly: a grid is none, is missing or foreign, or too many cells are wrong;
                of a legible text, if its header cannot be read.
        """
        return decode(grids, self)

    @classmethod
    def load(cls, manifest_path: Path) -> TextCodes:
        """The text codes of an artifact.

        Raises:
            ArtifactError: if it is missing, of another kind, or not what it should be.
        """
        manifest = read_manifest(manifest_path, KIND)
        return cls.of_file(verified_file(manifest_path, manifest, "model"))

    @classmethod
    def of_file(cls, path: Path) -> TextCodes:
        """The text codes of a file of arrays.

        Raises:
            ArtifactError: if it is not what it should be.
        """
        try:
            return cls(read_arrays(path))
        except ValueError as error:
            raise ArtifactError(f"{path}: no text codes ({error}); {MAKE_AGAIN}") from error


def decode(grids: Sequence[np.ndarray], codes: TextCodes | None) -> Text:
    """The text of grids of either layout; without `codes`, of those written without a model.

    Raises:
        GridError: as `TextCodes.decode`; or if it takes codes and there are none.
    """
    if not grids:
        raise GridError("no grids: a text has at least one")
    try:
        legible_text.read(to_symbols(grids[0]), 0)
    except GridError:  # the first cell cannot decide, for it may be wrong; the dense layout repairs itself
        return dense_text.decode(grids, None if codes is None else codes.model)
    if codes is None:
        raise NeedsCodesError("a legible text: its words are in the artifact; give it with --model")
    return legible_text.decode(grids, codes.words, codes.words_mark)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Raises:
        ArtifactError: if it is none.
    """
    try:
        arrays: dict[str, np.ndarray] = load_file(path)
    except SafetensorError as error:
        raise ArtifactError(f"{path}: no safetensors file ({error}); {MAKE_AGAIN}") from error
    return arrays


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a safetensors file, whole or not at all."""
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(temporary))


def _faults(arrays: Mapping[str, np.ndarray]) -> list[str]:
    faults = [f"{name} is missing" for name in ARRAYS if name not in arrays]
    if faults:
        return faults
    words = len(arrays["lengths"])
    slots = len(arrays["counters"])
    shapes = {
        "merges": (words - BYTES, 2),
        "lengths": (words,),
        "counters": (slots,),
        "node_odds": (SETS, words - 1),
        "state_odds": (SETS, HASHED, STATES),
        "page_odds": (SETS, PAGE_ORDERS, PAGE_STATES),
    }
    faults = [
        f"{name} is {arrays[name].dtype} {list(arrays[name].shape)}, expected {np.dtype(dtype)} {list(shapes[name])}"
        for name, dtype in ARRAYS.items()
        if arrays[name].dtype != dtype or arrays[name].shape != shapes[name]
    ]
    if slots < 2 or slots & (slots - 1) or slots > 1 << 32:
        faults.append(f"{slots} counters, expected a power of two")
    return faults


def _mark(arrays: Mapping[str, np.ndarray], *names: str) -> int:
    """A number 0..96 that tells artifacts apart."""
    content = hashlib.sha256()
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        content.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return int.from_bytes(content.digest()[:8], "big") % MARKS
