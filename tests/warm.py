"""Processes that start warm: forked from one that has imported what takes seconds to import.

A fresh `snakemake` spends half of a dry run on imports, a fresh training or pytest more than its few steps take. Here
a server (multiprocessing's fork server) imports other people's packages once, never this one; each command is a fork
of it with its own folder, environment and output, and imports the sources that its PYTHONPATH names.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    "snakemake.cli yaml pydantic pytest numpy torch torchaudio scipy.stats sklearn.linear_model matplotlib.pyplot "
    "cv2 soundfile av".split()
)


def start(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, *, session: bool = False
) -> ForkServerProcess:
    """Start `snakemake ...`, `sensorium ...` or `pytest ...` as a warm process.

    Args:
        words: the command.
        folder: where it runs.
        environment: all that it sees; PYTHONPATH and PYTHONDONTWRITEBYTECODE count as for a fresh Python.
        output: file to which stdout and stderr are appended.
        session: whether it heads a session of its own, and so a group that can be killed.
    """
    process = SERVER.Process(target=_become, args=(list(words), folder, dict(environment), output, session))
    process.start()
    return process


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = 900) -> tuple[int, str]:
    """Run a command to its end; its exit code, and what it wrote to stdout and stderr.

    Raises:
        TimeoutError: if it took longer than `timeout` seconds; it is dead then.
    """
    with tempfile.NamedTemporaryFile(prefix="warm-") as written:
        process = start(words, folder, environment, Path(written.name))
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{' '.join(words)} took longer than {timeout} s:\n{written.read().decode()[-3000:]}")
        return process.exitcode, written.read().decode(errors="replace")


def _become(words: list[str], folder: Path, environment: dict[str, str], output: Path, session: bool) -> None:
    """Turn this process into the command."""
    assert not [name for name in sys.modules if name.partition(".")[0] == "sensorium"]
    if session:
        os.setsid()
    with output.open("ab") as written, open(os.devnull, "rb") as nothing:
        for number, file in enumerate((nothing, written, written)):
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [*places, *(place for place in sys.path if place.startswith((sys.prefix, sys.base_prefix)))]
    sys.argv = words
    if words[0] == "snakemake":
        from snakemake.cli import main as snakemake

        snakemake()
    elif words[0] == "sensorium":
        from sensorium.cli import main as sensorium

        sensorium()
    else:
        import pytest

        sys.exit(int(pytest.main(words[1:])))
