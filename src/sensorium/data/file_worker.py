"""The process in which files are read: one that makes its reader hang, crash or grow costs this process, no more.

It reads a job, a line of JSON, from its standard input, and answers with messages: a line of JSON, then the bytes of
the arrays that it names. Nothing is unpickled on either side. `data.gate` starts it and stops it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np

from sensorium.config import SignalsConfig
from sensorium.data.cuts import Cuts, Piece
from sensorium.data.files import blamed_on
from sensorium.data.media import Wanted, length_by_packets, read_film
from sensorium.data.quarantine import BadRecordingError, ReadAgain
from sensorium.data.signals import read_signals

if TYPE_CHECKING:
    from sensorium.data.offline.episode import EpisodeSet

HEARTBEAT = 1.0  # seconds between signs of life
SET_DEATH_SIGNAL = 1  # of Linux's prctl


def main() -> None:
    """Answer jobs until the standard input ends."""
    limit, answers = int(sys.argv[1]), os.fdopen(int(sys.argv[2]), "wb")
    ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
    cv2.setNumThreads(1)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + limit, held + limit))
    for line in sys.stdin.buffer:
        answer(json.loads(line), answers)


def send(answers: BinaryIO, message: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write a message."""
    listed = [[name, str(array.dtype), list(array.shape)] for name, array in (arrays or {}).items()]
    answers.write(json.dumps(message | {"arrays": listed}).encode() + b"\n")
    for array in (arrays or {}).values():
        answers.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    answers.flush()


class Heartbeat:
    """Says from time to time that a reader is at work."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers, self._said = answers, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._said > HEARTBEAT:
            send(self._answers, {"kind": "alive"})
            self._said = time.monotonic()


def answer(job: dict[str, Any], answers: BinaryIO) -> None:
    """Read a file and send its pieces, then what was noticed."""
    try:
        done = _read_episode(job, answers) if "layout" in job else _read(job, answers)
    except BadRecordingError as error:
        done = {"kind": "bad", "reason": error.kind, "detail": str(error)}
    except MemoryError:
        done = {"kind": "bad", "reason": "memory", "detail": "it takes too much memory"}
    except Exception as error:  # whatever it is, it is this file's
        done = {"kind": "bad", "reason": "unreadable", "detail": f"{type(error).__name__}: {error}"}
    send(answers, done)


def _read(job: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    path, wanted = Path(job["path"]), Wanted(**{**job["wanted"], "streams": tuple(job["wanted"]["streams"])})
    again: ReadAgain | None = None
    alive = Heartbeat(answers)
    while True:
        signals = read_signals(Path(job["beside"]), SignalsConfig(**job["signals"])) if job["signals"] else None
        cuts = _cuts(job["cuts"], path, wanted, alive)
        film, taken = None, 0
        try:
            for part in read_film(path, wanted, cuts, signals, again, alive):
                if isinstance(part, Piece):
                    taken += part.frames
                    send(answers, {"kind": "piece", "first": part.first, "split": part.split}, dict(part.fields))
                else:
                    film = part
        except ReadAgain as other:
            again = other
            send(answers, {"kind": "again"})
            continue
        assert film is not None
        with blamed_on(path.name):
            if not taken:
                raise BadRecordingError(f"too short: {film.frames} of {job['cuts']['shortest']} frames", "too_short")
        return {"kind": "done", "frames": taken, "left_out": cuts.left_out, "found": film.verdicts()}


def _read_episode(job: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    from sensorium.data.offline.reader import EpisodeReader

    alive, taken = Heartbeat(answers), 0
    with (
        blamed_on(Path(job["place"]).name),
        _set(job["layout"], job["folder"], job["picture"]).open(job["place"]) as episode,
    ):
        reader = EpisodeReader(episode, job, alive)
        for piece in reader.pieces():
            taken += piece.frames
            send(answers, {"kind": "piece", "first": piece.first, "split": piece.split}, dict(piece.fields))
        if not taken:
            raise BadRecordingError(f"too short: {reader.frames} of {job['cuts']['shortest']} frames", "too_short")
        return {"kind": "done", "frames": taken, "left_out": reader.cuts.left_out, "found": reader.verdicts()}


@lru_cache(maxsize=1)
def _set(layout: str, folder: str, picture: str) -> EpisodeSet:
    from sensorium.data.offline import open_set

    return open_set(layout, Path(folder), picture)


def _cuts(asked: dict[str, Any], path: Path, wanted: Wanted, alive: Heartbeat) -> Cuts:
    if asked["by"] == "beginning":
        return Cuts.beginning(asked["frames"], asked["shortest"])
    if asked["by"] == "file":
        return Cuts([(0, None, "")], asked["frames"], asked["shortest"])
    total = length_by_packets(path, wanted, alive)
    return Cuts.by_time(total, asked["fractions"], asked["gap"], asked["frames"], asked["shortest"])


if __name__ == "__main__":
    main()
