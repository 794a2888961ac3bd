"""Exceptions to exit codes: whichever library raised them, in whatever words."""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch._utils import ExceptionWrapper
from torch.utils.tensorboard import SummaryWriter

from sensorium.artifacts import ArtifactError, atomic_path, write_json
from sensorium.config import ConfigurationError
from sensorium.data.recording import write_shard
from sensorium.evaluation.films import write_dream
from sensorium.exits import WAYS_OUT, StorageError, failure, writing

PICTURE = Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8))


def raised(work: Callable[[], object]) -> BaseException:
    """What some work raises."""
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("number", WAYS_OUT, ids=errno.errorcode.get)
def test_every_error_of_the_system_is_74_and_names_the_path_and_the_way_out(number: int) -> None:
    code, message = failure(OSError(number, os.strerror(number), "results/x.json")) or (0, "")
    assert code == 74
    assert message == (f"results/x.json: {os.strerror(number)}; {WAYS_OUT[number]}, then run the same command again")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ENODEV, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOLCK, 9999])
def test_an_error_that_nobody_thought_of_is_74_too(number: int) -> None:
    code, message = failure(OSError(number, os.strerror(number), "x")) or (0, "")
    assert code == 74
    assert "choose another place, then run the same command again" in message


def fail(message: str) -> None:
    """As torch does."""
    raise RuntimeError(message)


FULL = Path("/dev/full")  # each write to it fails as on a full disk
LIBRARIES: dict[str, Callable[[Path], object]] = {
    "text": lambda place: FULL.write_text("x"),
    "safetensors, no folder": lambda place: save_file({"a": np.zeros(3)}, place / "none/x"),
    "safetensors, a folder": lambda place: save_file({"a": np.zeros(3)}, place),
    "safetensors, too long": lambda place: save_file({"a": np.zeros(3)}, place / ("n" * 300)),
    "safetensors, reading a folder": lambda place: load_file(place),
    "safetensors, missing": lambda place: load_file(place / "none"),
    "PIL": lambda place: PICTURE.save(FULL, "PNG"),
    "PIL, no folder": lambda place: PICTURE.save(place / "none/x.png"),
    "PyAV": lambda place: av.open(str(place / "none.mp4")),
    "PyAV, a folder": lambda place: av.open(str(place)),
    "soundfile": lambda place: soundfile.write(place / "none/x.wav", np.zeros(9), 8000),
    "TensorBoard": lambda place: SummaryWriter(str(place / "file")),
    "numpy": lambda place: np.save(place / "none/x.npy", np.zeros(3)),
    "torch, shared memory": lambda place: fail("unable to write to file </torch_7_3>: No space left on device (28)"),
    "torch, open files": lambda place: fail("unable to open shared memory object </torch_7>: Too many open files (24)"),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_whichever_library_raised_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    error = raised(lambda: LIBRARIES[name](tmp_path))
    code, message = failure(error) or (0, "")
    assert code == 74, error
    assert message.endswith("then run the same command again")

    def write() -> None:
        with writing(tmp_path / "wanted"):
            raise error

    with pytest.raises(
        StorageError, match=rf"^{re.escape(str(tmp_path))}/wanted: cannot write \(.+\); .+ same command"
    ):
        write()


WRITERS: dict[str, Callable[[Path], object]] = {
    "JSON": lambda path: write_json(path, {"x": list(range(9999))}),
    "a shard": lambda path: write_shard(path, {"r": {"video": np.zeros((9, 99, 99, 3), np.uint8)}}),
    "a film": lambda path: write_dream(path.with_suffix(".mp4"), np.zeros((9, 64, 64, 3), np.uint8), 3, None, (9, 0)),
    "a GIF": lambda path: write_dream(path.with_suffix(".gif"), np.zeros((9, 64, 64, 3), np.uint8), 3, None, (9, 0)),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("place", ["file/x", "file/deeper/x", "n" * 300])
def test_our_writers_name_the_path(tmp_path: Path, name: str, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=re.escape(str(tmp_path / place))):
        WRITERS[name](tmp_path / place)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while deserializing header: header too large"),
        zipfile.BadZipFile("File is not a zip file"),
        tarfile.ReadError("not a gzip file"),
        gzip.BadGzipFile("Not a gzipped file"),
        zlib.error("Error -3 while decompressing data"),
        ArtifactError("x: not what it should be"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_file_that_is_not_what_it_should_be_is_65(error: BaseException) -> None:
    code, message = failure(error) or (0, "")
    assert code == 65
    assert str(error) in message


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("boom (28)"), ValueError("bad: 3 (28)"), MemoryError(), ZeroDivisionError()]
)
def test_a_defect_is_none_of_these(error: BaseException) -> None:
    assert failure(error) is None


@pytest.mark.parametrize(("error", "code"), [(ArtifactError("shard: cut"), 65), (OSError(5, "I/O error", "shard"), 74)])
def test_the_error_of_a_worker_is_that_of_its_program(error: Any, code: int) -> None:
    """A worker of a DataLoader passes it on with its traceback as text."""
    try:
        raise error
    except Exception:
        passed_on = raised(ExceptionWrapper(where="in DataLoader worker process 0").reraise)
    found, message = failure(passed_on) or (0, "")
    assert found == code
    assert "Traceback" not in message
    assert "shard" in message


def test_a_configuration_keeps_its_code_and_a_nested_error_its_outer_path(tmp_path: Path) -> None:
    assert failure(ConfigurationError("lr")) == (78, "lr")

    def save() -> None:
        with writing(Path("run/checkpoint"), "others are safe"), atomic_path(tmp_path / "part") as path:
            path.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"^run/checkpoint: cannot write \(No space .+\); others are safe"):
        save()
    assert not list(tmp_path.iterdir())


def test_what_is_no_storage_error_passes(tmp_path: Path) -> None:
    with pytest.raises(io.UnsupportedOperation), writing(tmp_path):
        raise io.UnsupportedOperation("not writable")
