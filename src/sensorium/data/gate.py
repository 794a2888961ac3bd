"""The gate through which files of users come: each is read in a process of its own, under limits of time and memory.

A file that makes its reader hang, crash, or take too much memory is bad; the next file is read by a new process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sensorium.data.quarantine import BadRecordingError

MOST_MEMORY = 3 * 2**30  # bytes that a reader may take beyond what its process has at first
SILENCE = 30.0  # seconds without a sign of life after which a reader hangs
LONGEST, LONGEST_A_BYTE = 60.0, 60 / 2**20  # seconds of computing for a file, and for each of its bytes
WORKER = "sensorium.data.file_worker"
READ = 2**20  # bytes at a time
LOOK = 1.0  # seconds between two looks at a silent reader


@dataclass(frozen=True)
class Limits:
    """What a reader may take.

    Attributes:
        memory: bytes.
        silence: seconds without a sign of life, in which it computes, or in which it only waits. A reader that would
            compute and is not let, because the machine is busy, is waited for.
        longest, longest_a_byte: seconds of computing for a file, and for each of its bytes.
    """

    memory: int = MOST_MEMORY
    silence: float = SILENCE
    longest: float = LONGEST
    longest_a_byte: float = LONGEST_A_BYTE


class HangWatch:
    """Looks whether a process hangs while it reads a file.

    Args:
        process: its number.
        silence: as in `Limits`.
        longest: seconds that it may compute.
    """

    def __init__(self, process: int, silence: float, longest: float) -> None:
        self._process, self._silence, self._longest = process, silence, longest
        self._began = _computed(process)
        self._looked = time.monotonic()
        self._computed: float | None = None  # at the first look after a sign of life
        self.heard()

    def heard(self) -> None:
        """Note a sign of life."""
        self._computed, self._waits_since = None, time.monotonic()

    def is_due(self) -> bool:
        """Whether the last look was long ago; a look costs as much as reading a short file."""
        return time.monotonic() - self._looked > LOOK

    def hangs(self) -> bool:
        """Whether it has computed for too long, or has been silent for too long."""
        self._looked = time.monotonic()
        computed = _computed(self._process)
        if self._computed is None:
            self._computed = computed
        if not _waits(self._process):
            self._waits_since = time.monotonic()
        return (
            computed - self._began >= self._longest
            or computed - self._computed >= self._silence
            or time.monotonic() - self._waits_since >= self._silence
        )


def _computed(process: int) -> float:
    """Seconds that a process has computed; 0 if it has ended."""
    with suppress(OSError), open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _waits(process: int) -> bool:
    """Whether all threads of a process wait."""
    states = ""
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{process}/task").iterdir():
            states += (thread / "stat").read_text().rpartition(")")[2].split()[0]
    return not set(states) & {"R", "D"}


class FileGate:
    """A reader's process, started when it is needed and anew after it was stopped.

    Args:
        limits: what it may take.
        worker: the module that it runs.
    """

    def __init__(self, limits: Limits | None = None, worker: str = WORKER) -> None:
        self._limits, self._worker = limits or Limits(), worker
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._buffer = bytearray()
        self._watch = HangWatch(0, 0.0, 0.0)

    def __enter__(self) -> FileGate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, job: dict[str, Any], size: int) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """The messages about a file: its pieces with their arrays, and "again" if these were void; at last "done".

        Args:
            job: for `data.file_worker`.
            size: of the file, in bytes.

        Raises:
            BadRecordingError: if the file is bad, or its reader was stopped.
        """
        process, done = self._running(), False
        self._watch = HangWatch(
            process.pid, self._limits.silence, self._limits.longest + size * self._limits.longest_a_byte
        )
        self._send(process, job)
        try:
            while not done:
                message = json.loads(self._line())
                arrays = {name: self._array(dtype, shape) for name, dtype, shape in message["arrays"]}
                done = message["kind"] in ("done", "bad")
                if message["kind"] == "bad":
                    raise BadRecordingError(message["detail"], message["reason"])
                if message["kind"] != "alive":
                    yield message, arrays
        finally:
            if not done:  # what this process still says would be taken for the next file's
                self._stop()

    @staticmethod
    def _send(process: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
        line = json.dumps(job).encode() + b"\n"
        with suppress(BrokenPipeError):  # its end is noticed when it is read from
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._answers, writing = os.pipe()
            command = [sys.executable, "-m", self._worker, str(self._limits.memory), str(writing)]
            environment = os.environ | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
            environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # others reserve more than may be taken
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=(writing,), env=environment, stderr=subprocess.DEVNULL
            )
            os.close(writing)
            self._buffer.clear()
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(BrokenPipeError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            self._process.wait()
            os.close(self._answers)
            self._process = None

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._buffer += self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _array(self, dtype: str, shape: list[int]) -> np.ndarray:
        array = np.empty(shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        at = min(len(self._buffer), len(flat))
        flat[:at] = np.frombuffer(self._buffer[:at], np.uint8)
        del self._buffer[:at]
        while at < len(flat):
            part = self._more(len(flat) - at)
            flat[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        return array

    def _answers_soon(self) -> bool:
        return bool(select.select([self._answers], [], [], min(LOOK, self._limits.silence))[0])

    def _more(self, most: int = READ) -> bytes:
        """The next bytes from the reader.

        Raises:
            BadRecordingError: if it hangs or has ended.
        """
        while not self._answers_soon() or self._watch.is_due():
            if self._watch.hangs():
                self._stop()
                raise BadRecordingError("its reader hung and was stopped", "time")
        self._watch.heard()
        if part := os.read(self._answers, min(most, READ)):
            return part
        assert self._process is not None
        code = self._process.wait()
        what = signal.strsignal(-code) if code < 0 else f"exit {code}"
        raise BadRecordingError(f"its reader crashed ({what})", "crash")


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if it is not there any more."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
