"""The official SLURM executor beside ours: the same faults, the same workflow, what each of them did.

python tests/cluster/beside_official.py [--only PATTERN] > table.md     as root; a quarter of an hour or more

A row of docs/further.md for each case. Both run with quick status checks; a main process that has not ended LIMIT
seconds after the fault is called still running, and killed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from counting import STEPS, config, counted, starts, usr2
from private_slurm import PrivateSlurm
from snakemake_run import SUBMITIT, Run

TOY = Path(__file__).parent / "toy"
OFFICIAL = tuple("slurm" if word == "submitit" else word for word in SUBMITIT[:-2])
OFFICIAL += ("--slurm-init-seconds-before-status-checks", "2")
WORDS = {"slurm": OFFICIAL, "submitit": SUBMITIT}
LIMIT = 120  # seconds from the fault to the end of the main process
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
        before = len(counted(self.toy))
        assert self.until(lambda: len(counted(self.toy)) >= before + steps), self.toy.log[-2000:]
        return starts(self.toy)[-1][0]

    def jobs(self) -> str:
        """How often the counting program was started, and in how many jobs."""
        found = starts(self.toy)
        overlap = ", two at a time" * ("overlap" in self.toy.lines("journal"))
        twice = len(counted(self.toy)) - len(set(counted(self.toy)))
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


def denied(trial: Trial) -> str:
    once = trial.toy.folder / "once"
    lines = f'if [ ! -e {once} ]; then touch {once}; $PROGRAM "$@" > /dev/null; echo "sbatch: error: Batch job '
    lines += 'submission failed: Socket timed out on send/recv operation" >&2; exit 1; fi'
    with trial.hook("sbatch", lines):
        trial.start(*WORK)
        return f"{trial.end()}, {trial.submitted()} job(s) submitted, {trial.jobs()}"


def killed(trial: Trial) -> str:
    trial.start(*WORK)
    trial.until_counting()
    trial.toy.signal(signal.SIGKILL)
    trial.toy.wait()
    trial.toy.run("snakemake", "--unlock")
    trial.start(*WORK)
    return f"{trial.end()}, {trial.jobs()}"


def killed_at_sbatch(trial: Trial) -> str:
    with trial.hook("sbatch", '$PROGRAM "$@" > /dev/null; kill -9 $PPID; exit 1'):
        trial.start(*WORK)
        trial.end()
    if trial.toy.running:  # the client's parent was a shell
        trial.toy.signal(signal.SIGKILL)
    with suppress(Exception):
        trial.toy.wait(10)
    trial.toy.run("snakemake", "--unlock")
    trial.start(*WORK)
    return f"{trial.end()}, {trial.submitted()} job(s) submitted, {trial.jobs()}"


def down(client: str, text: str) -> Callable[[Trial], str]:
    def run(trial: Trial) -> str:
        with trial.hook(client, DOWN.format(name=client, text=text)):
            trial.start(*SHORT)
            return f"{trial.end()}, {trial.jobs()}"

    return run


def runaway(trial: Trial) -> str:
    with trial.hook("sacct", '$PROGRAM "$@" | sed "s/|[A-Z]*/|RUNNING/g"; exit 0'):
        trial.start(*SHORT)
        return f"{trial.end()}, {trial.jobs()}"


def time_limit(trial: Trial) -> str:
    trial.start("begin.txt", "--forcerun", "begin", "--set-resources", "begin:runtime=2000")
    said = trial.says(r"PartitionTimeLimit|time limit of 1440")
    return f"{said}; {trial.end(5)}, {trial.left()}"


def held(trial: Trial) -> str:
    trial.start(*WORK)
    job = trial.until_counting()
    trial.slurm.control("requeuehold", job)
    return f"{trial.says(r'(?i)held|REQUEUE_HOLD')}; {trial.end(5)}"


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
        return f"{trial.end()}, {trial.jobs()}"


def no_slot(trial: Trial) -> str:
    text = "AssocMaxSubmitJobLimit\\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    text += "(job submit limit, user's size and/or time limits)"
    full = trial.toy.folder / "full"
    full.touch()
    with trial.hook(
        "sbatch", f"if [ -e {full} ]; then printf 'sbatch: error: {text}\\n' >&2; exit 1; fi".replace("user's", "user")
    ):
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
    trial.start(*config(steps=1000), "work.txt")
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
    trial.start(*config(steps=1000), "work.txt")
    trial.slurm.says("scancel", trial.until_counting())
    return f"{trial.end()}; {trial.says('(?i)cancelled', 1)} that it was cancelled"


def changed(trial: Trial) -> str:
    trial.start("work.txt", *config(steps=1000))
    trial.until_counting()
    trial.toy.signal(signal.SIGKILL)
    trial.toy.wait()
    trial.toy.run("snakemake", "--unlock")
    trial.start(*WORK)
    return f"{trial.end()}, {trial.jobs()}, {trial.left()}"


def unwritable(trial: Trial) -> str:
    option = "--slurm-logdir" if "slurm" in trial.words else "--submitit-folder"
    trial.start(*SHORT, option, "/proc/nowhere")
    code = trial.end()
    return f"{code}, {'a traceback' if 'Traceback' in trial.toy.log else 'a message'}"


def group_stopped(trial: Trial) -> str:
    trial.start("slow.txt", *config(steps=STEPS))
    usr2(trial.slurm, trial.until_counting())
    done = len(set(counted(trial.toy)))
    return f"{trial.end()}, finished member run {len(trial.toy.lines('quick.journal'))} time(s), {done} steps then"


def own_srun(trial: Trial) -> str:
    trial.start("srun.txt")
    return f"{trial.end()}, {len(trial.toy.lines('srun.txt'))} of 2 tasks"


def nowhere(trial: Trial) -> str:
    trial.start("begin.txt", "--forcerun", "begin", "--set-resources", "begin:slurm_partition=nowhere")
    return f"{trial.end()}; {trial.says('invalid partition', 1)}"


CASES = (
    Case("sbatch takes the job and says that it timed out", denied),
    Case("the main process is killed while a job runs, and started again", killed),
    Case("the main process is killed between sbatch and its answer, and started again", killed_at_sbatch),
    Case("the command changed while the main process was away", changed),
    Case("sacct refuses connections all the time", down("sacct", "Problem talking to the database: refused")),
    Case("squeue refuses connections all the time", down("squeue", "Unable to contact slurm controller")),
    Case("sacct says RUNNING for ever", runaway),
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


def tried(slurm: PrivateSlurm, case: Case, executor: str) -> str:
    """What happened; the queue is empty afterwards."""
    with tempfile.TemporaryDirectory(prefix="beside", ignore_cleanup_errors=True) as place:
        trial = Trial(slurm, Path(place), executor)
        try:
            return case.run(trial)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"not brought about: {str(error)[-300:]!r}"
        finally:
            for hook in (slurm.folder / "hooks").iterdir():
                hook.unlink()
            if trial.toy.running:
                trial.toy.signal(signal.SIGKILL)
            slurm.says("scancel", "--me")
            trial.until(lambda: not slurm.queue(), 30)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a regular expression for the faults to try")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    slurm = PrivateSlurm(folder)
    try:
        slurm.start()
        official = version("snakemake-executor-plugin-slurm")
        print(f"| fault | `slurm` {official} | here |\n|---|---|---|", flush=True)
        for case in CASES:
            if re.search(arguments.only, case.fault):
                results = [tried(slurm, case, executor) for executor in WORDS]
                print(f"| {case.fault} | {results[0]} | {results[1]} |", flush=True)
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
