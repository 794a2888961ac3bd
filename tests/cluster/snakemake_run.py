"""Snakemake on the private cluster: one process of it, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm

sys.path.append(str(Path(__file__).parents[1]))  # pytest does so too; scripts of this folder run without it
import warm

RESOURCES = "slurm_partition=main slurm_account=science".split()
# Quick answers: tests wait for every one of them.
SUBMITIT = (
    *("snakemake", "--executor", "submitit", "--default-resources", *RESOURCES, "--jobs", "4"),
    *("--seconds-between-status-checks", "1", "--latency-wait", "5", "--rerun-incomplete"),
    *("--submitit-heartbeat", "1"),
)


class Run:
    """A Snakemake process on the private cluster, in a folder of its own.

    Args:
        slurm: the cluster.
        folder: it works in.
        programs: folders to put first on PATH.

    Attributes:
        folder: it works in.
    """

    def __init__(self, slurm: PrivateSlurm, folder: Path, *programs: Path) -> None:
        self.folder = folder
        self._places = [str(place) for place in (*programs, slurm.bin, Path(sys.executable).parent)]
        self._slurm = slurm
        self._log = folder / "main.log"
        self._process: warm.Process | None = None

    def start(self, *words: str, **variables: str) -> Run:
        """Start Snakemake warm, in a process group of its own, as a terminal does, with further variables."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "PATH": os.pathsep.join([*self._places, os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
            "SENSORIUM_ALLOW_CPU": "1",  # the GPUs of the private cluster compute nothing
            "XDG_CACHE_HOME": str(self.folder.parent / "cache"),
            **variables,
        }
        self._process = warm.start(words, self.folder, environment, self._log, session=True)
        return self

    def wait(self, seconds: float = 240) -> int:
        """Exit code, when it has ended."""
        assert self._process
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {seconds} s:\n{self.log}")

    def run(self, *words: str, seconds: float = 240) -> str:
        """Run to the end, which must be a good one; return what was said."""
        before = len(self.log)
        assert self.start(*words).wait(seconds) == 0, self.log[-5000:]
        return self.log[before:]

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group, as Ctrl-C does."""
        assert self._process
        os.killpg(self._process.pid, number)

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        assert self._process
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything that was said so far."""
        return self._log.read_text() if self._log.exists() else ""

    def lines(self, name: str) -> list[str]:
        """Lines of a file in the folder, which may not be there yet."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def until(self, condition: Callable[[], object], what: str, seconds: float = 180) -> None:
        """Wait for something to be so."""
        end = time.monotonic() + seconds
        while not condition():
            if self._process and (self._process.poll() or 0) > 0:  # it failed: what is to come comes soon or never
                end = min(end, time.monotonic() + 10)
            if time.monotonic() > end:
                jobs = (path.read_text()[-2000:] for path in self.folder.glob(".snakemake/submitit/runs/*/*_log.*"))
                said = "\n".join((self.log[-5000:], "logs of jobs:", *jobs, str(self._slurm.jobs())))
                pytest.fail(f"waited in vain: {what}\n{said}")
            time.sleep(0.1)
