"""A reader of films that hangs, crashes or grows when a file's name says so: `python -m gate_victim`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sensorium.data import file_worker

read = file_worker._read


def spoiled(job: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    """Read a film, after the accident that its name asks for."""
    fate = Path(job["path"]).stem
    if fate == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fate == "grow":
        np.ones(2**30, np.uint8)
    if fate == "strange":
        raise ZeroDivisionError("nobody expects it")
    for piece in range(2 if fate == "late_crash" else 0):
        file_worker.send(answers, {"kind": "piece", "first": 40 * piece, "split": ""}, EMPTY)
        if piece:
            os.kill(os.getpid(), signal.SIGABRT)
    while fate == "hang":
        time.sleep(1)
    return read(job, answers)


EMPTY = {"video": np.zeros((40, 16, 16, 3), np.uint8), "audio": np.zeros(40_000, np.int16)}
file_worker._read = spoiled
if __name__ == "__main__":
    file_worker.main()
