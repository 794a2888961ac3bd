"""What labelled sets consist of, and that their shards are written as they fill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_labelled_sets import SPEECH, colours_agree, run

import layouts
from sensorium.config import AnyData, parse_section
from sensorium.data import collect
from sensorium.data.recording import SPLITS, STILLS


def class_folders(root: Path, suffix: str) -> Path:
    for number in range(24):
        path = root / f"{number % 2}/deep/{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(number))
    return root


@pytest.mark.parametrize(
    ("source", "make", "changed"),
    [
        ("picture_folders", lambda root: class_folders(root, ".png"), "1/deep/7.png"),
        ("sound_folders", lambda root: class_folders(root, ".wav"), "0/deep/6.wav"),
        ("imagenet", lambda root: layouts.imagenet(root, 2, 1), f"val/{layouts.WNIDS[0]}/{layouts.WNIDS[0]}_2.JPEG"),
        ("speech_commands", lambda root: layouts.speech_commands(root, 2, 1), f"{SPEECH}/testing_list.txt"),
    ],
)
def test_a_set_is_known_by_names_and_sizes(
    tmp_path: Path, source: str, make: Callable[[Path], Path], changed: str
) -> None:
    root = make(tmp_path / "set")

    def listing() -> str:
        found: str = parse_section(AnyData, json.dumps(section)).listing
        return found

    section = {"source": source, "path": str(root), "recordings": 24, "shards": 1}
    before = listing()
    for path in [root, *root.rglob("*")]:
        os.utime(path, (2**32, 2**32))
    (root / ".DS_Store").touch()
    assert len(before) == 64
    assert listing() == before, "dates and what is no item say nothing"
    (root / changed).write_bytes((root / changed).read_bytes() + b"\n")
    after = listing()
    assert after != before, "a file of another size, in a folder in a folder"
    assert listing() == after


def test_shards_are_written_as_they_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than sixteen pictures are held, and what they become does not depend on it."""
    root = layouts.imagenet(tmp_path / "set", 20, 6)
    section = {"source": "imagenet", "path": str(root), "recordings": 78, "shards": 2}
    most = 0
    add = collect.Filling.add

    def watched(self: Any, *given: Any) -> None:
        nonlocal most
        add(self, *given)
        most = max(most, len(self._waiting), len(self.held))

    monkeypatch.setattr(collect.Filling, "add", watched)
    found = run(tmp_path / "data", **section)
    assert most < STILLS
    entries = [entry for entry in found.details["recordings"] if entry["split"] == "training"]
    assert {entry["frames"] for entry in entries[:-3]} == {STILLS}
    assert all(colours_agree(found, split) for split in SPLITS)
