"""One sequence of bad days: main processes that come and go on a simulated cluster, and what must hold."""

from __future__ import annotations

import itertools
import random
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

from simulated_slurm import FAULTS, Cluster

from snakemake_executor_plugin_submitit import keeper
from snakemake_executor_plugin_submitit.clients import Slurm
from snakemake_executor_plugin_submitit.keeper import Keeper
from snakemake_executor_plugin_submitit.runs import RunFolder
from snakemake_executor_plugin_submitit.works import End, Unreachable, Work

OURS = str(Path(keeper.__file__).parent)
ENDS = ["success", "success", "success", "failure", "requeue", "again", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL"]
EVENTS = ["nothing", "nothing", "nothing", "kill", "lost node", "numbers begin again", "foreign", "cancel", "restart"]


class Killed(BaseException):
    """The main process is killed."""


class Trial:
    """A sequence.

    Args:
        seed: of everything.
        folder: empty.
        faults: names in FAULTS.
        rate: of faulty calls.
        kills: whether main processes are killed, between any two lines.
    """

    def __init__(self, seed: int, folder: Path, faults: Collection[str] = tuple(FAULTS), rate: float = 0.3,
                 kills: bool = True) -> None:  # fmt: skip
        self.draw = random.Random(seed)
        folder.mkdir(exist_ok=True)
        self.folder, self.kills = folder, kills
        self.plans: dict[str, list[str]] = {}
        self.cluster = Cluster(self.draw, faults, rate, self.plans.__getitem__)
        self._tokens = itertools.count(1)
        self.wanted: dict[str, int] = {f"{number:016x}": 0 for number in range(self.draw.randint(1, 3))}
        self.ends: dict[str, list[End]] = {key: [] for key in self.wanted}
        for key in self.wanted:
            self.plans[key] = [self.draw.choice(ENDS) for _ in range(self.draw.randint(0, 2))] + ["success"]
        self.refused: set[str] = set()
        self.main = self.begin()

    def begin(self) -> Keeper:
        """A main process."""
        slurm = Slurm("me", run=self.cluster.run)
        main = Keeper(self.folder, slurm, clock=self.cluster.clock, token=lambda: f"{next(self._tokens):08x}",
                      reach=1e9)  # fmt: skip
        return main

    def work(self, key: str) -> Work:
        """What is wanted."""

        def prepare(folder: Path, comment: str, earlier: RunFolder | None) -> list[str]:
            (folder / "comment").write_text(comment)
            (folder / "submission.sh").write_text("")
            return []

        return Work(key, "rule", "digest", prepare)

    def run(self, rounds: int = 24) -> None:
        """Bad days, then good ones until all is done."""
        for _ in range(rounds):
            self.event()
            self.round(self.draw.choice([1, 5, 10, 40]))
        self.cluster.heal()
        self.kills = False
        for _ in range(400):
            if not self.wanted:
                break
            self.round(10)
        self.settle()

    def settle(self) -> None:
        """What must hold when everything is done."""
        wrong = self.cluster.wrong
        if self.wanted:
            wrong.append(f"never ended: {self.wanted}, {[life.state for life in self.main.lives.values()]}")
        self.main.step()
        self.cluster.advance(700)  # what came late starts, and ends by itself
        wrong += [f"left behind: job {job.number} {job.state} {job.comment}" for job in self.cluster.left()]
        if not self.wanted and list((self.folder / "jobs").glob("*.json")):
            wrong.append("a record was left")

    def event(self) -> None:
        """Something that happens to the cluster or to the main process."""
        event = self.draw.choice(EVENTS)
        if event == "lost node":
            self.cluster.lose_node(self.draw.random() < 0.7)
        elif event == "numbers begin again" and self.draw.random() < 0.3:
            self.cluster.begin_numbers_again()
        elif event == "foreign":
            self.cluster.foreign()
        elif event == "restart":
            self.main = self.begin()
        elif event == "cancel" and self.draw.random() < 0.3:
            self.interrupt()

    def interrupt(self) -> None:
        """Ctrl-C: afterwards nobody works, whatever SLURM said."""
        self.guarded(lambda: self.main.cancel(seconds=30, pause=self.pause))
        began = set(job.number for job in self.cluster.jobs if job.working)
        revoked = [job for job in self.cluster.working() if job.folder and RunFolder(job.folder).revoked]
        self.cluster.advance(20)
        if still := [job.number for job in revoked if job.working]:
            self.cluster.wrong.append(f"{self.cluster.now}: {still} of {began} work after Ctrl-C")
        self.main = self.begin()

    def pause(self, seconds: float) -> None:
        """Time passes while the main process waits."""
        tracing = sys.gettrace()
        sys.settrace(None)
        self.cluster.advance(seconds)
        sys.settrace(tracing)

    def round(self, seconds: float) -> None:
        """One round of the main process, which may be killed in it, and some time."""

        def act() -> None:
            for key in self.wanted:
                if key not in self.main.lives:
                    self.main.take(self.work(key))
            for end in self.main.step(self.draw.random() < 0.9):
                self.judge(end)

        self.guarded(act)
        self.cluster.advance(seconds)

    def judge(self, end: End) -> None:
        """Compare what is reported with what is so."""
        run = Path(end.log).parent
        if end.success and not any(str(run) == folder for folder in self.cluster.recorded):
            self.cluster.wrong.append(f"{self.cluster.now}: success was reported of {run.name}, which has none")
        if not end.success and str(run) in self.cluster.recorded:
            self.cluster.wrong.append(f"{self.cluster.now}: failure was reported of {run.name}, which succeeded")
        if [job for job in self.cluster.working() if job.key == end.key]:
            self.cluster.wrong.append(f"{self.cluster.now}: the end of {end.key} was reported while it worked")
        self.ends[end.key].append(end)
        if end.success:
            del self.wanted[end.key]

    def guarded(self, act: object) -> None:
        """Run a part of the main process; in some rounds it is killed after so many lines."""
        lines = self.draw.randint(1, 400) if self.kills and self.draw.random() < 0.25 else 0

        def trace(frame, event, argument):  # type: ignore[no-untyped-def]
            nonlocal lines
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            if event == "line":
                lines -= 1
                if not lines:
                    raise Killed
            return trace

        try:
            if lines:
                sys.settrace(trace)
            act()  # type: ignore[operator]
        except Killed:
            self.main = self.begin()
        except Unreachable:
            pass
        finally:
            sys.settrace(None)


def broken_promises(seed: int, folder: Path, **options: object) -> list[str]:
    """Run one sequence in a folder that is removed afterwards."""
    place = folder / f"{seed}"
    place.mkdir()
    trial = Trial(seed, place, **options)  # type: ignore[arg-type]
    try:
        trial.run()
    finally:
        shutil.rmtree(place)
    return trial.cluster.wrong
