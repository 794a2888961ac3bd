"""A small deterministic SLURM with bad days: its clients are one function, its time is a number.

The clients speak SLURM's own formats, so the code that calls and parses them is tested too. Jobs use the run folders of
the executor as real jobs do: they claim, leave signs of life, stop when the claim is revoked, and record their ends.
"""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_executor_plugin_submitit.runs import RunFolder

TICK = 2.5
BEAT = 15.0
NO_CONTROLLER = "error: Unable to contact slurm controller (connect failure)"
LATE = "error: Batch job submission failed: Socket timed out on send/recv operation"
NO_SLOT = (
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS "
    "policy (job submit limit, user's size and/or time limits)"
)
# fault -> the client that has it
FAULTS = {
    "sbatch refuses for now": "sbatch",
    "sbatch has no slot": "sbatch",
    "sbatch accepts and says it failed": "sbatch",
    "sbatch accepts later and says it failed": "sbatch",
    "sbatch hangs": "sbatch",
    "sbatch accepts and hangs": "sbatch",
    "sbatch answers another number": "sbatch",
    "sbatch answers nonsense": "sbatch",
    "sbatch accepts and refuses": "sbatch",
    "squeue fails": "squeue",
    "squeue hangs": "squeue",
    "squeue is empty": "squeue",
    "squeue is late": "squeue",
    "squeue loses a line": "squeue",
    "squeue says ended": "squeue",
    "squeue is cut off": "squeue",
    "sacct fails": "sacct",
    "sacct hangs": "sacct",
    "sacct is empty": "sacct",
    "sacct says running": "sacct",
    "sacct says ended": "sacct",
    "sacct answers for another job": "sacct",
    "scancel fails": "scancel",
    "scancel works and fails": "scancel",
    "scancel hangs": "scancel",
    "scontrol fails": "scontrol",
}


@dataclass
class Job:
    """A job of the simulated cluster; `ends` is what becomes of each of its starts."""

    number: int
    comment: str
    folder: Path | None
    visible: float
    starts_at: float
    seconds: float
    ends: list[str]
    state: str = "PENDING"
    reason: str = "Priority"
    start: int = 0
    until: float = 0.0
    beat: float = 0.0
    count: int = 0
    working: bool = False
    waits: float = 0.0
    loose: list[tuple[int, float]] = field(default_factory=list)  # starts that a lost node still runs, and until when

    @property
    def key(self) -> str:
        """The work that it is for."""
        return self.comment.split()[1] if self.comment.startswith("snakemake ") else ""

    @property
    def alive(self) -> bool:
        """Whether SLURM runs it, or will."""
        return self.state in ("PENDING", "RUNNING")


class Cluster:
    """The cluster; `run` stands for its clients.

    Args:
        draw: of all that is random.
        faults: names in FAULTS.
        rate: share of the calls of a client with faults that have one.
        plan: how the starts of the jobs of a work end.

    Attributes:
        wrong: promises that were broken.
    """

    def __init__(
        self, draw: random.Random, faults: Collection[str], rate: float, plan: Callable[[str], list[str]]
    ) -> None:
        self.draw, self.faults, self.rate, self._plan = draw, sorted(faults), rate, plan
        self.now, self.jobs, self.wrong, self.calls = 1000.0, [], [], []
        self.seen: list[tuple[float, str]] = []
        self._next = 1
        self.recorded: set[str] = set()
        self.folders: dict[str, RunFolder] = {}
        self.name = "north"

    def clock(self) -> float:
        """The time."""
        return self.now

    def heal(self) -> None:
        """From now on every client works."""
        self.faults = []

    def foreign(self, number: int | None = None) -> Job:
        """A job of the same user that is nobody's here."""
        job = Job(number or self._number(), "other", None, self.now, self.now + 5, 900, ["success"])
        self.jobs.append(job)
        return job

    def begin_numbers_again(self) -> None:
        """The controller lost its state: it knows no job, and its numbers begin again; nodes run on for a while."""
        for job in self.jobs:
            if job.alive:
                self._cut_loose(job)
                job.state = "GONE"
        self._next = 1
        for _ in range(self.draw.randint(1, 3)):
            self.foreign()

    def lose_node(self, requeued: bool = True) -> None:
        """A running job's node loses its network: SLURM starts the job elsewhere, and the node does not know yet."""
        running = [job for job in self.jobs if job.state == "RUNNING"]
        if running:
            job = self.draw.choice(running)
            self._cut_loose(job)
            job.state = "PENDING" if requeued else "NODE_FAIL"
            job.starts_at = self.now + 50  # SLURM itself waits for SlurmdTimeout

    def _cut_loose(self, job: Job) -> None:
        if job.working:
            job.loose.append((job.start, self.now + job.seconds))
        job.working = False

    # -- time

    def advance(self, seconds: float) -> None:
        """Let jobs live for a while."""
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            for job in self.jobs:
                self._live(job)
            self._assert_one_at_a_time()

    def _live(self, job: Job) -> None:
        job.loose = [(start, until) for start, until in job.loose if until > self.now and job.folder
                     and RunFolder(job.folder).holds(str(job.number), start)]  # fmt: skip
        if job.loose and job.folder and self.now >= job.beat:  # the node still sees the files
            job.count, job.beat = job.count + 1, self.now + BEAT
            RunFolder(job.folder).beat(f"{job.number}.{job.loose[0][0]}.{job.count}")
        if job.state == "PENDING" and self.now >= job.starts_at and job.reason != "held":
            self._begin(job)
        elif job.state == "RUNNING" and job.waits:
            if self.now >= job.waits:
                job.waits, job.working = 0.0, True
        elif job.state == "RUNNING" and job.working:
            run = RunFolder(job.folder) if job.folder else None
            if run and not run.holds(str(job.number), job.start):
                run.leave()
                job.working, job.state = False, "FAILED"
            elif self.now >= job.until:
                self._end(job)
            elif run and self.now >= job.beat:
                job.count += 1
                job.beat = self.now + BEAT
                run.beat(f"{job.number}.{job.start}.{job.count}")

    def _begin(self, job: Job) -> None:
        job.state, job.reason = "RUNNING", "None"
        job.until, job.beat = self.now + job.seconds, self.now + BEAT
        if job.folder is None:
            job.working = True
            return
        claimed = RunFolder(job.folder).claim(str(job.number))
        if claimed is None:
            job.state = "COMPLETED"
            return
        job.start, lost = claimed
        job.working, job.waits = not lost, self.now + BEAT if lost else 0.0

    def _end(self, job: Job) -> None:
        job.working = False
        if job.folder is None:
            job.state = "COMPLETED"
            return
        run, end = RunFolder(job.folder), job.ends.pop(0) if len(job.ends) > 1 else job.ends[0]
        if end in ("success", "failure"):
            (job.folder / f"{job.number}_0_result.pkl").write_bytes(pickle.dumps((end, None)))
            job.state = "COMPLETED" if end == "success" else "FAILED"
            run.leave()
            if end == "success":
                self.recorded.add(str(job.folder))
        elif end == "requeue":
            run.leave()
            job.state, job.starts_at = "PENDING", self.now + 10
        elif end == "again":
            run.wish("SIGUSR2")
            run.leave()
            job.state = "FAILED"
        else:  # killed
            job.state = end

    def _assert_one_at_a_time(self) -> None:
        working: dict[str, int] = {}
        for job in self.jobs:
            if job.folder:
                working[job.key] = working.get(job.key, 0) + job.working + len(job.loose)
        self.wrong += [f"{self.now}: {n} jobs work for {key}" for key, n in working.items() if n > 1]

    def working(self) -> list[Job]:
        """Jobs of ours whose programs run."""
        return [job for job in self.jobs if job.folder and (job.working or job.loose)]

    def left(self) -> list[Job]:
        """Jobs of ours in the queue."""
        return [job for job in self.jobs if job.folder and job.alive]

    # -- clients

    def run(self, command: Sequence[str], seconds: float, without: Collection[str] = ()) -> str:
        """What a client answers; see `clients.run_client`. A main process that is killed by its lines is not here."""
        tracing = sys.gettrace()
        sys.settrace(None)
        try:
            return self._answer(command, seconds)
        finally:
            sys.settrace(tracing)

    def _answer(self, command: Sequence[str], seconds: float) -> str:
        name = command[0]
        self.calls.append(" ".join(command))
        fault = ""
        mine = [fault for fault in self.faults if FAULTS[fault] == name]
        if mine and self.draw.random() < self.rate:
            fault = self.draw.choice(mine)
            self.seen.append((self.now, fault))
        self.now += 0.05
        answer = getattr(self, f"_{name}")(list(command), fault)
        if fault.endswith("hangs"):
            self.advance(seconds)
            raise subprocess.TimeoutExpired(list(command), seconds)
        return answer

    def _fail(self, command: Sequence[str], message: str) -> None:
        raise subprocess.CalledProcessError(1, list(command), "", message)

    def _sbatch(self, command: list[str], fault: str) -> str:
        if fault == "sbatch refuses for now":
            self._fail(command, NO_CONTROLLER)
        if fault == "sbatch has no slot":
            self._fail(command, NO_SLOT)
        if fault == "sbatch hangs":
            return ""
        folder = Path(command[-1]).parent
        comment = (folder / "comment").read_text()
        known = [job for job in self.jobs if job.comment == comment and job.alive and job.visible <= self.now - 60]
        if known and not any(FAULTS[name] == "squeue" for name in self.faults) and not self.seen_lately():
            self.wrong.append(f"{self.now}: submitted although job {known[0].number} was in the queue")
        delay = self.draw.uniform(5, 120) if "later" in fault else 0.0
        seconds = self.draw.choice([5.0, 20.0, 60.0])
        starts = self.now + delay + self.draw.choice([0.0, 0.0, 10.0, 60.0])
        job = Job(self._number(), comment, folder, self.now + delay, starts, seconds, self._plan(comment.split()[1]))
        self.jobs.append(job)
        if "says it failed" in fault:
            self._fail(command, LATE)
        if fault == "sbatch accepts and refuses":
            self._fail(
                command, "sbatch: error: Batch job submission failed: Invalid account or account/partition combination"
            )
        if fault == "sbatch answers another number":
            return f"{self.draw.choice([each.number for each in self.jobs])}\n"
        return "nonsense\n" if fault == "sbatch answers nonsense" else f"{job.number};{self.name}\n"

    def seen_lately(self) -> bool:
        """Whether a client of the queue failed in the last minutes."""
        return any(when > self.now - 300 and FAULTS[fault] == "squeue" for when, fault in self.seen)

    def _squeue(self, command: list[str], fault: str) -> str:
        if fault == "squeue fails":
            self._fail(command, NO_CONTROLLER)
        at = self.now - (40 if fault == "squeue is late" else 0)
        shown = [job for job in self.jobs if job.visible <= at and job.state != "GONE"]
        shown = [job for job in shown if job.alive or job.until > self.now - 300]
        lines = [f"{job.number}|{job.state}|{job.reason}|{job.comment}" for job in shown]
        if fault == "squeue is empty":
            return ""
        if fault == "squeue loses a line" and lines:
            lines.pop(self.draw.randrange(len(lines)))
        if fault == "squeue says ended":
            lines = [line.replace("RUNNING", "CANCELLED").replace("PENDING", "CANCELLED") for line in lines]
        text = "".join(f"{line}\n" for line in lines)
        return text[: len(text) // 2] if fault == "squeue is cut off" else text

    def _sacct(self, command: list[str], fault: str) -> str:
        if fault == "sacct fails":
            self._fail(command, "sacct: error: Problem talking to the database: Connection refused")
        ids = next(word for word in command if word.startswith("--jobs=")).removeprefix("--jobs=").split(",")
        lines = []
        for number in ids if fault != "sacct is empty" else []:
            found = [job for job in self.jobs if str(job.number) == number and job.visible <= self.now]
            if not found:
                continue
            job = found[-1]
            state = {"sacct says running": "RUNNING", "sacct says ended": "NODE_FAIL"}.get(fault, job.state)
            source = f"sbatch --parsable {job.folder}/submission.sh" if job.folder else "sbatch other.sh"
            if fault == "sacct answers for another job":
                state, source = "COMPLETED", "sbatch other.sh"
            lines.append(f"{number}|{'RUNNING' if state == 'GONE' else state}|{source}\n")
        return "".join(lines)

    def _scancel(self, command: list[str], fault: str) -> str:
        if fault == "scancel fails":
            self._fail(command, NO_CONTROLLER)
        numbers = {word for word in command[1:] if word.isdigit()}
        for job in self.jobs:
            if str(job.number) in numbers and job.alive and job.visible <= self.now:
                if not job.folder:
                    self.wrong.append(f"{self.now}: foreign job {job.number} was cancelled")
                job.state, job.working = "CANCELLED", False
                job.until = self.now
        if fault == "scancel works and fails":
            self._fail(command, NO_CONTROLLER)
        return ""

    def _scontrol(self, command: list[str], fault: str) -> str:
        if fault:
            self._fail(command, NO_CONTROLLER)
        return f"ClusterName             = {self.name}\n"

    def _number(self) -> int:
        self._next += 1
        return self._next - 1
