"""Faults that are tried with the official SLURM executor and with ours, and how each is brought about."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from counting import STEPS, config, counted, starts, usr2
from private_slurm import PrivateSlurm
from snakemake_run import SUBMITIT, Run

TOY = Path(__file__).parent / "toy"
OFFICIAL = tuple("slurm" if word == "submitit" else word for word in SUBMITIT[:-2])
OFFICIAL += ("--slurm-init-seconds-before-status-checks", "2")
WORDS = {"slurm": OFFICIAL, "submitit": SUBMITIT}
LIMIT = 150  # seconds from the fault to the end of the main process: the official one asks after 2, 14, 36, 68, 110 s
DOWN = 'echo "{name}: error: {text}" >&2; exit 1'


class Case(NamedTuple):
    """A fault and how it is brought about; the function returns what happened."""

    fault: str
    run: Callable[[Trial], str]


class Trial:
    """One case with one executor."""

    def __init__(self, slurm: PrivateSlurm, folder: Path, executor: str) -> None:
        self.slurm, self.words = slurm, WORDS[executor]
        self.toy = Run(slurm, Path(shutil.copytree(TOY, folder / "toy")))
        (self.toy.folder / "begin.txt").touch()

    def start(self, *words: str, **variables: str) -> None:
        self.toy.start(*self.words, *words, **variables)

    def end(self, seconds: float = LIMIT) -> str:
        """How the main process ended, or that it did not."""
        end = time.monotonic() + seconds
        while self.toy.running and time.monotonic() < end:
            time.sleep(0.2)
        return f"still running after {seconds:.0f} s" if self.toy.running else f"exit {self.toy.wait()}"

    def until(self, condition: Callable[[], object], seconds: float = LIMIT) -> bool:
        """Whether something is so within a time."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.2)
        return bool(condition())

    def until_counting(self, steps: int = 3) -> str:
        """The job that counts."""
        wanted = len(counted(self.toy)) + steps
        assert self.until(lambda: len(counted(self.toy)) >= wanted), self.toy.log[-2000:]
        return starts(self.toy)[-1][0]

    def jobs(self) -> str:
        """How often the counting program was started, and in how many jobs."""
        found = starts(self.toy)
        overlap = ", two at a time" * ("overlap" in self.toy.lines("journal"))
        twice = len(made := counted(self.toy)) - len(set(made))
        again = f", {twice} steps made again" * bool(twice)
        return f"{len(found)} start(s) in {len({job for job, _ in found})} job(s){again}{overlap}"

    def says(self, pattern: str, seconds: float = LIMIT) -> str:
        """Whether the main process says something that matches."""
        found = self.until(lambda: re.search(pattern, self.toy.log), seconds)
        return "said" if found else f"silent for {seconds:.0f} s"

    def submitted(self) -> int:
        """Jobs that were submitted for this folder."""
        rows = self.slurm.says("squeue", "--noheader", "--states=all", "--format=%i|%Z").splitlines()
        return sum(row.endswith(f"|{self.toy.folder}") for row in rows)

    def left(self) -> str:
        return f"{len(self.slurm.queue())} job(s) left in the queue"

    def later(self, seconds: float = 60) -> str:
        """What jobs do that outlive the main process: wait for their ends, and count the starts."""
        left = f"{self.left()}, then " * bool(self.slurm.queue())
        self.until(lambda: not self.slurm.queue(), seconds)
        return left + self.jobs()

    def kill(self) -> None:
        """Kill the main process, if that has not been done, and unlock its folder."""
        if self.toy.running:
            self.toy.signal(signal.SIGKILL)
        self.toy.wait()
        self.toy.run("snakemake", "--unlock")

    @contextmanager
    def hook(self, name: str, lines: str) -> Iterator[None]:
        """Replace a client by lines of shell."""
        path = self.slurm.folder / "hooks" / name
        path.write_text(lines)
        try:
            yield
        finally:
            path.unlink()


WORK = ("work.txt", *config(steps=STEPS))
SHORT = ("work.txt", *config(steps=4))
RUNNING = '$PROGRAM "$@" | sed "s/|[A-Z_]*/|RUNNING/"; exit 0'


def denied(trial: Trial) -> str:
    once = trial.toy.folder / "once"
    lines = f'if [ ! -e {once} ]; then touch {once}; $PROGRAM "$@" > /dev/null; echo "sbatch: error: Batch job '
    lines += 'submission failed: Socket timed out on send/recv operation" >&2; exit 1; fi'
    with trial.hook("sbatch", lines):
        trial.start(*WORK)
        return f"{trial.end()}, {trial.submitted()} job(s) submitted, {trial.later()}"


def killed(trial: Trial) -> str:
    trial.start(*WORK)
    trial.until_counting()
    trial.kill()
    trial.start(*WORK)
    return f"{trial.end()}, {trial.later()}"


def killed_at_sbatch(trial: Trial) -> str:
    main = trial.toy.folder / "main.pid"
    lines = f'$PROGRAM "$@" > /dev/null; while [ ! -s {main} ]; do sleep 0.1; done; kill -9 -$(cat {main}); exit 1'
    with trial.hook("sbatch", lines):
        trial.start(*WORK)
        main.write_text(str(trial.toy.pid))
        killed = trial.end()
    assert killed == f"exit {-signal.SIGKILL}", killed
    trial.kill()
    trial.start(*WORK)
    return f"{trial.end()}, {trial.submitted()} job(s) submitted, {trial.later()}"


def down(client: str, text: str) -> Callable[[Trial], str]:
    def run(trial: Trial) -> str:
        with trial.hook(client, DOWN.format(name=client, text=text)):
            trial.start(*SHORT)
            return f"{trial.end(90)}, {trial.jobs()}"

    return run


def gone(**hooks: str) -> Callable[[Trial], str]:
    """The job is cancelled while clients do not know it any more, or call it alive."""

    def run(trial: Trial) -> str:
        trial.start("work.txt", *config(steps=1000))
        job = trial.until_counting()
        with ExitStack() as stack:
            for client, lines in hooks.items():
                stack.enter_context(trial.hook(client, lines))
            trial.slurm.says("scancel", job)
            return trial.end()

    return run


def time_limit(trial: Trial) -> str:
    trial.start("begin.txt", "--forcerun", "begin", "--set-resources", "begin:runtime=2000")
    return f"{trial.says('PartitionTimeLimit|time limit of 1440', 60)}: the limit; {trial.end(5)}, {trial.left()}"


def held(trial: Trial) -> str:
    trial.start(*WORK)
    job = trial.until_counting()
    trial.slurm.control("requeuehold", job)
    said = trial.says(r"(?i)\bheld\b|REQUEUE_HOLD", 60)
    return f"{said}; {trial.end(5)}"


def environment(trial: Trial) -> str:
    trial.start(*SHORT, SBATCH_PARTITION="high", SBATCH_TIMELIMIT="2", SBATCH_NO_REQUEUE="1")
    code = trial.end()
    rows = trial.slurm.jobs("JobID,Partition,Timelimit")
    job = starts(trial.toy)[-1][0] if starts(trial.toy) else "none"
    row = next((row for row in rows if row[0] == job), ["", "none", "none"])
    shown = trial.slurm.says("scontrol", "show", "job", job)
    requeue = (re.search(r"Requeue=(\d)", shown) or ["", "?"])[1]
    return f"{code}; partition {row[1]}, limit {row[2]}, Requeue={requeue} (asked: main, 00:05:00)"


def no_export(trial: Trial) -> str:
    trial.start(*SHORT, SBATCH_EXPORT="NONE")
    return f"{trial.end()}, {trial.jobs()}"


def retries(trial: Trial) -> str:
    trial.start("tried.txt", "--set-resources", "tries:runtime=5")
    return f"{trial.end()}, {len(trial.toy.lines('tries.journal'))} runs"


def limit_signal(trial: Trial) -> str:
    trial.start(*WORK)
    usr2(trial.slurm, trial.until_counting())
    return f"{trial.end()}, {trial.jobs()}, {len(set(counted(trial.toy)))} of {STEPS} steps"


def preempted(trial: Trial) -> str:
    trial.start(*WORK)
    trial.until_counting()
    command = "sbatch --partition=high --nodes=3 --exclusive --time=1 --output=/dev/null --wrap".split()
    trial.slurm.says(*command, "sleep 3")
    return f"{trial.end()}, {trial.jobs()}"


def requeued(trial: Trial) -> str:
    trial.start(*WORK)
    trial.slurm.control("requeue", trial.until_counting())
    return f"{trial.end()}, {trial.jobs()}"


def node_dies(trial: Trial) -> str:
    trial.start(*WORK)
    job = trial.until_counting(6)
    node = trial.slurm.says("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    trial.slurm.crash_node(node)
    try:
        return f"{trial.end()}, {trial.jobs()}"
    finally:
        trial.slurm.resume_node(node)


def dies_of_signal(trial: Trial) -> str:
    trial.start("quits.txt")
    trial.until(lambda: trial.toy.lines("quits.journal"))
    time.sleep(3)
    for job, name, _ in trial.slurm.queue():
        if name != "other":
            usr2(trial.slurm, job)
    return f"{trial.end()}, {len(trial.toy.lines('quits.journal'))} start(s)"


def sbatch_hangs(trial: Trial) -> str:
    once = trial.toy.folder / "once"
    with trial.hook("sbatch", f"if [ ! -e {once} ]; then touch {once}; sleep 600; fi"):
        trial.start(*SHORT)
        return f"{trial.end(120)}, {trial.jobs()}"


def no_slot(trial: Trial) -> str:
    text = "AssocMaxSubmitJobLimit\\nsbatch: error: Batch job submission failed: Job violates policy (job submit limit)"
    full = trial.toy.folder / "full"
    full.touch()
    with trial.hook("sbatch", f"if [ -e {full} ]; then printf 'sbatch: error: {text}\\n' >&2; exit 1; fi"):
        trial.start(*SHORT)
        time.sleep(15)
        full.unlink()
        return f"{trial.end()}, {trial.jobs()}"


def out_of_reach(trial: Trial) -> str:
    outage = trial.slurm.folder / "outage"
    trial.start(*WORK)
    trial.until_counting()
    outage.touch()
    time.sleep(12)
    outage.unlink()
    return f"{trial.end()}, {trial.jobs()}"


def ctrl_c(trial: Trial) -> str:
    trial.start("work.txt", *config(steps=1000))
    trial.until_counting()
    with trial.hook("scancel", DOWN.format(name="scancel", text="Unable to contact slurm controller")):
        trial.toy.signal(signal.SIGINT)
        code = trial.end(90)
        named = re.search(r"scancel \d+|could not be cancelled", trial.toy.log)
    time.sleep(10)
    before = len(counted(trial.toy))
    time.sleep(2)
    works = "works on" if len(counted(trial.toy)) > before else "does no more work"
    return f"{code}; the job is {'named' if named else 'not named'} and {works}"


def cancelled(trial: Trial) -> str:
    trial.start("work.txt", *config(steps=1000))
    trial.slurm.says("scancel", trial.until_counting())
    return f"{trial.end()}; {trial.says('(?i)cancelled', 1)}: cancelled"


def changed(trial: Trial) -> str:
    trial.start("work.txt", *config(steps=1000))
    trial.until_counting()
    trial.kill()
    trial.start(*WORK)
    return f"{trial.end()}, {trial.later()}"


def unwritable(trial: Trial) -> str:
    option = "--slurm-logdir" if "slurm" in trial.words else "--submitit-folder"
    trial.start(*SHORT, option, "/proc/nowhere")
    code = trial.end()
    return f"{code}, {'a traceback' if 'Traceback' in trial.toy.log else 'a message'}"


def group_stopped(trial: Trial) -> str:
    trial.start("slow.txt", *config(steps=STEPS))
    usr2(trial.slurm, trial.until_counting())
    return f"{trial.end()}, finished member run {len(trial.toy.lines('quick.journal'))} time(s), {trial.jobs()}"


def own_srun(trial: Trial) -> str:
    trial.start("srun.txt")
    return f"{trial.end()}, {len(trial.toy.lines('srun.txt'))} of 2 tasks"


def nowhere(trial: Trial) -> str:
    trial.start("begin.txt", "--forcerun", "begin", "--set-resources", "begin:slurm_partition=nowhere")
    return f"{trial.end()}; {trial.says('(?i)invalid partition', 1)}: invalid partition"


CASES = (
    Case("sbatch takes the job and says that it timed out", denied),
    Case("the main process is killed while a job runs, and started again", killed),
    Case("the main process is killed between sbatch and its answer, and started again", killed_at_sbatch),
    Case("the command changed while the main process was away", changed),
    Case("sacct refuses connections all the time", down("sacct", "Problem talking to the database: refused")),
    Case("squeue refuses connections all the time", down("squeue", "Unable to contact slurm controller")),
    Case("the job is cancelled while sacct calls it RUNNING for ever", gone(sacct=RUNNING)),
    Case("the job is cancelled while neither sacct nor squeue knows it", gone(sacct="exit 0", squeue="exit 0")),
    Case("sbatch hangs once", sbatch_hangs),
    Case("a limit on submitted jobs for 15 s", no_slot),
    Case("nobody answers for 12 s", out_of_reach),
    Case("runtime beyond the partition's limit", time_limit),
    Case("requeued and held by an administrator", held),
    Case("a partition that does not exist", nowhere),
    Case("SBATCH_PARTITION, SBATCH_TIMELIMIT, SBATCH_NO_REQUEUE in the environment", environment),
    Case("SBATCH_EXPORT=NONE", no_export),
    Case("a rule with `retries: 1` that always fails", retries),
    Case("the signal of the time limit, the program saves and exits with 75", limit_signal),
    Case("preempted", preempted),
    Case("`scontrol requeue` by hand", requeued),
    Case("the node dies", node_dies),
    Case("the signal, and the program dies of it", dies_of_signal),
    Case("a group is stopped after a member has finished", group_stopped),
    Case("Ctrl-C while scancel cannot reach the scheduler", ctrl_c),
    Case("`scancel` by hand", cancelled),
    Case("a rule's own srun over two nodes", own_srun),
    Case("a folder for logs that cannot be written", unwritable),
)  # fmt: skip
