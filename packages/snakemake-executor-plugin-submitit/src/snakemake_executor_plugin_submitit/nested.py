"""The nested Snakemake that runs one of the main process's jobs: start, watch, exit codes of its programs.

As a program (`python -m snakemake_executor_plugin_submitit.nested -m snakemake ...`) it stands where the interpreter
stands in the command of Snakemake's interface: failed jobs are tried again by the main process, so a rule's own
`retries` are none here; and members of a group that an earlier start finished are left out.
"""

from __future__ import annotations

import gc
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from snakemake_executor_plugin_submitit import processes

DONE_VARIABLE = "SNAKEMAKE_SUBMITIT_DONE"
SAVED = 75  # exit code of a program that saved its state and is to be run again (EX_TEMPFAIL)
STATUS = re.compile(rb"returned non-zero exit status (\d+)\.")
DIED = re.compile(rb"died with <Signals\.(\w+): (\d+)>")
KILLED = {-signal.SIGTERM, 128 + signal.SIGTERM}  # a shell around a program that saves


class Nested:
    """A running nested Snakemake whose output is passed on and read.

    Args:
        command: for bash.
        environment: of its programs.
        done: targets of a group that are finished.

    Attributes:
        stopping: the last signal that requested a stop; None before the first.
        codes: exit codes of the programs that failed.
    """

    def __init__(self, command: str, environment: dict[str, str], done: Sequence[str]) -> None:
        self.stopping: signal.Signals | None = None
        self.codes: list[int] = []
        self._new: list[signal.Signals] = []
        self._signalled: set[int] = set()
        for number in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, self._note)
        # Programs without a handler inherit that the signal is ignored; otherwise it would kill them.
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            env={**environment, DONE_VARIABLE: json.dumps(list(done))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def saved(self) -> bool:
        """Whether the programs that failed had saved their state, each of them."""
        return SAVED in self.codes and all(code == SAVED or code in KILLED for code in self.codes)

    def watch(self, relay: bool, may_work: Callable[[], bool]) -> int:
        """Wait for the end; return the exit code.

        Args:
            relay: whether to pass signals on, because they reach this process alone.
            may_work: whether the job still has the right to; if not, its programs are stopped.
        """
        stopped = False
        while True:
            try:
                code = self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                code = None
            while self._new:
                self.stopping = self._new.pop(0)
                print(f"{self.stopping.name}: what saves its state and exits with 75 goes on later", flush=True)
            if code is not None:
                self._reader.join(2.0)  # a program that outlives its shell may hold the pipe
                return code
            self._repeat(relay)
            if not stopped and not may_work():
                stopped, self.stopping = True, self.stopping or signal.SIGTERM
                processes.send(signal.SIGTERM, processes.descendants())

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._new.append(signal.Signals(number))

    def _repeat(self, relay: bool) -> None:
        """Send the signal to programs that were not ready for it when it came: they had no handler for it then."""
        if self.stopping is signal.SIGUSR2 or (relay and self.stopping):
            late = [
                pid
                for pid in processes.descendants()
                if pid not in self._signalled and processes.catches(pid, self.stopping)
            ]
            self._signalled.update(late)
            processes.send(self.stopping, late)

    def _read(self) -> None:
        assert self._process.stdout
        out = sys.stdout.buffer
        for line in iter(self._process.stdout.readline, b""):
            self.codes += [int(code) for code in STATUS.findall(line)]
            self.codes += [-int(number) for _, number in DIED.findall(line)]
            out.write(line)
            out.flush()


def targets_to_do(arguments: Sequence[str], done: Sequence[str]) -> list[str]:
    """The arguments of Snakemake without the targets of a group that are finished."""
    kept, among = [], False
    for argument in arguments:
        if argument.startswith("--"):
            among = argument == "--target-jobs"
        elif among and argument in done:
            continue
        kept.append(argument)
    return kept


def main() -> None:
    """Be `python -m snakemake ...` without retries."""
    gc.disable()  # what is imported stays: searching it for garbage takes a third of the start
    from snakemake import cli  # noqa: F401
    from snakemake.rules import Rule

    gc.freeze()
    gc.enable()
    Rule.restart_times = property(lambda rule: 0, lambda rule, times: None)  # type: ignore[assignment]
    arguments = sys.argv[1:]
    if arguments[:2] == ["-m", "snakemake"]:
        arguments = arguments[2:]
    done = json.loads(os.environ.pop(DONE_VARIABLE, "[]"))
    sys.argv = ["snakemake", *targets_to_do(arguments, done)]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
