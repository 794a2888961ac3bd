"""Archives: files alone, read in order; what leads elsewhere, lies or explodes is refused by its name."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.artifacts import ArtifactError
from sensorium.data import archives
from sensorium.data.archives import read_archive, reading_member

FILES = {"set/b/2.txt": b"two", "set/a/1.txt": b"one", "set/a/notes.md": b"", "x.txt": b"x" * 5000}
ADDED = ("__MACOSX/set/a/._1.txt", "set/._b/9.txt", "set/a/._1.txt", "set/a/.DS_Store", ".hidden.txt")


def tape(path: Path, mode: str = "w:gz", files: dict[str, bytes] = FILES, odd: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("set")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
        if odd is not None:
            out.addfile(odd)
    return path


def packed(path: Path, files: dict[str, bytes] = FILES, odd: zipfile.ZipInfo | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.mkdir("set")
        for name, content in files.items():
            out.writestr(name, content)
        if odd is not None:
            out.writestr(odd, "target")
    return path


WRITERS: dict[str, Callable[..., Path]] = {
    "zip": packed,
    "tar.gz": tape,
    "tar": lambda path, **more: tape(path, "w:", **more),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_files_of_a_type_are_read_in_their_order(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"a.{kind}", files=FILES | dict.fromkeys(ADDED, b"not for us"))
    expected = [(name, content) for name, content in FILES.items() if name.endswith(".txt")]
    assert list(read_archive(path, ".txt")) == expected
    path.rename(tmp_path / "no suffix")
    assert list(read_archive(tmp_path / "no suffix", ".txt")) == expected


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["/etc/passwd.txt", "../up.txt", "set/../../up.txt"])
def test_a_path_that_leads_out_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / "a", files={name: b"x"})
    with pytest.raises(ArtifactError, match="leads out of it"):
        list(read_archive(path, ".txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_a_member_that_is_no_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    odd = tarfile.TarInfo("set/odd.txt")
    odd.type, odd.linkname = kind, "x.txt"
    with pytest.raises(ArtifactError, match=r"'set/odd.txt' is a link or a device"):
        list(read_archive(tape(tmp_path / "a.tar.gz", odd=odd), ".txt"))
    link = zipfile.ZipInfo("set/odd.txt")
    link.external_attr = 0o120777 << 16
    with pytest.raises(ArtifactError, match=r"'set/odd.txt' is a link or a device"):
        list(read_archive(packed(tmp_path / "a.zip", odd=link), ".txt"))


@pytest.mark.parametrize("kind", WRITERS)
def test_damage_is_named(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"a.{kind}", files={"a.txt": bytes(range(256)) * 400})
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:30], b"", b"\x1f\x8b" + content, content[1:]):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=rf"a.{kind}: cannot be unpacked.*fetch it again"):
            list(read_archive(path, ".txt"))


@pytest.mark.parametrize("what", ["one file", "many files", "many links to one place", "the headers", "holes"])
def test_a_bomb_is_refused_at_little_cost(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 2**24)
    monkeypatch.setattr(archives, "LARGEST_FILE", 2**20)
    path, zeros = tmp_path / "bomb", bytes(2**20 + (what == "one file"))
    if what == "one file":
        packed(path, {"a.txt": zeros})
    elif what == "many files":
        tape(path, files={f"{number}.txt": zeros for number in range(20)})
    elif what == "many links to one place":  # the directory of a zip may name the same bytes again and again
        packed(path, {f"{number}.txt": zeros for number in range(20)})
    elif what == "the headers":
        with gzip.open(path, "wb") as out:
            entry = tarfile.TarInfo("././@PaxHeader")
            entry.type, entry.size = tarfile.XHDTYPE, 2**26
            out.write(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(2**26))
    else:
        entry = tarfile.TarInfo("a.txt")
        entry.type, entry.size = tarfile.GNUTYPE_SPARSE, 512
        header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
        header[483:495] = b"%011o\0" % (2**30)  # the size with its holes
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
        path.write_bytes(bytes(header) + bytes(512) + bytes(1024))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ArtifactError, match=r"unpacks to|cannot be unpacked"):
        list(read_archive(path, ".txt"))
    assert tracemalloc.get_traced_memory()[1] < 2**27
    assert time.process_time() - began < 5
    tracemalloc.stop()


def test_a_method_that_takes_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as out:
        out.writestr("a.txt", b"x")
    with pytest.raises(ArtifactError, match="another method"):
        list(read_archive(tmp_path / "a.zip", ".txt"))


def test_a_decoder_that_fails_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match=r"a.zip: 'x.png': unreadable: MemoryError"),
        reading_member(tmp_path / "a.zip", "x.png"),
    ):
        raise MemoryError


def test_an_archive_that_is_gone_is_a_failure_to_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_archive(tmp_path / "none.zip", ".txt"))
