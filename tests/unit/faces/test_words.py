"""The archive of spoken words: read once, whatever the order in which it was written."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from sensorium.artifacts import ArtifactError
from sensorium.studies.spoken_words import read_words

RATE = 8000
NAMES = [f"{digit}_{speaker}_{take}" for digit in range(3) for speaker in ("ann", "bob") for take in range(4)]


def noise(name: str) -> np.ndarray:
    """A sound of its own for each name, which no compression makes shorter."""
    return np.random.default_rng(NAMES.index(name)).uniform(-0.5, 0.5, RATE).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive with these words, in this order."""

    def archive(names: list[str], mode: str = "w:gz", rate: int = RATE) -> Path:
        path = tmp_path / "words.tar"
        with tarfile.open(path, mode) as files:
            files.addfile(tarfile.TarInfo("set/README.md"))
            for name in names:
                stream = io.BytesIO()
                soundfile.write(stream, noise(name), rate, format="WAV", subtype="FLOAT")
                entry = tarfile.TarInfo(f"set/{name[0]}/{name}.wav")
                entry.size = len(stream.getvalue())
                files.addfile(entry, io.BytesIO(stream.getvalue()))
        return path

    return archive


class CountingFile(io.BufferedReader):
    """A file that counts what is read from it and refuses to go back."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        before = self.tell()
        after = super().seek(offset, whence)
        assert after >= before, f"the file was read up to {before}, then sought back to {after}"
        return after


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("order", ["as named", "reversed", "shuffled"])
def test_an_archive_is_read_once_in_the_order_in_which_it_was_written(write, monkeypatch, mode, order):
    names = {"as named": NAMES, "reversed": NAMES[::-1], "shuffled": list(np.random.default_rng(0).permutation(NAMES))}
    path = write(names[order], mode)
    opened: list[CountingFile] = []

    def count(self: Path, *args: Any, **kwargs: Any) -> CountingFile:
        opened.append(CountingFile(self))
        return opened[-1]

    monkeypatch.setattr(Path, "open", count)
    words = read_words(path)
    assert len(opened) == 1
    assert opened[0].count <= path.stat().st_size
    assert [f"{digit}_{words.names[speaker]}" for digit, speaker in zip(words.digit, words.speaker, strict=True)] == [
        name.rpartition("_")[0] for name in NAMES
    ]
    for sound, name in zip(words.sounds, NAMES, strict=True):
        torch.testing.assert_close(sound, torch.from_numpy(noise(name)), rtol=0, atol=0)


def test_an_archive_that_will_not_do_is_refused_by_name(write, tmp_path):
    with pytest.raises(ArtifactError, match=r"absent\.tar: no such archive"):
        read_words(tmp_path / "absent.tar")
    with pytest.raises(ArtifactError, match=r"words\.tar: 1 speakers"):
        read_words(write([name for name in NAMES if "ann" in name]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("set/0/0_ann.wav", b""),
        ("set/0/zero_ann_1.wav", b""),
        ("set/0/0_ann_1.wav", b"no sound"),
        ("set/0/0_ann_1.wav", b"fLaC\x00\x00\x00\x22" + bytes(10) + b"\x0a\xc4\x42\xff" + b"\xff" * 20),
    ],
)
def test_a_member_that_is_no_word_is_named(tmp_path, name, content):
    with tarfile.open(tmp_path / "words.tar", "w") as files:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    with pytest.raises(ArtifactError, match=rf"words\.tar: '{name}': unreadable: "):
        read_words(tmp_path / "words.tar")
