"""Random sequences of bad days on the private SLURM, by the property that the simulated one is held to.

python tests/cluster/bad_days.py --sequences 30 --seed 1     as root; a minute or two for each sequence

A workflow of three jobs, whose middle one counts and saves, runs while clients refuse, hang, lag and lie at random,
its main process is killed or interrupted and started again, and jobs are signalled, requeued, cancelled, or lose their
node. Then everything works again, and this must hold: one job at a time counted, no step is missing and none made
again but after a kill, the exit is 0, nothing is left in the queue, and the user's own job lives. A record may stay: of
a work whose outputs show Snakemake that it was done while the main process was away.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from private_slurm import NODES, ClusterError, PrivateSlurm
from snakemake_run import SUBMITIT, Run

TOY = Path(__file__).parent / "toy"
STEPS = 60
BEAT = 3  # seconds; a busy machine must not make a job look dead
WORDS = (*SUBMITIT[:-1], str(BEAT), "end.txt", "--nolock", "--retries", "5", "--config", f"steps={STEPS}")
BEGUN = "Select jobs to execute"
GONE = 'echo "error: Unable to contact slurm controller (connect failure)" >&2; exit 1'
# client -> fault -> what is run in its place; without `exit` the client answers after it
FAULTS = {
    "sbatch": {
        "refuses for now": GONE,
        "accepts and says it timed out": '$PROGRAM "$@" > /dev/null; echo "sbatch: error: Batch job submission failed: '
        'Socket timed out on send/recv operation" >&2; exit 1',
        "accepts, and the main process dies": '$PROGRAM "$@" > /dev/null; kill -9 $PPID; exit 1',
        "accepts and answers nonsense": '$PROGRAM "$@" > /dev/null; echo nonsense; exit 0',
        "accepts and answers a foreign number": '$PROGRAM "$@" > /dev/null; echo {foreign}; exit 0',
        "has no slot": 'echo "sbatch: error: AssocMaxSubmitJobLimit" >&2; exit 1',
        "is slow": "sleep 6",
    },
    "squeue": {
        "fails": GONE,
        "hangs for a while": f"sleep 8; {GONE}",
        "is empty": "exit 0",
        "loses a line": '$PROGRAM "$@" | sed 1d; exit 0',
        "says that all is over": '$PROGRAM "$@" | sed "s/RUNNING/CANCELLED/; s/PENDING/CANCELLED/"; exit 0',
        "is cut off": '$PROGRAM "$@" | head -c 30; exit 0',
    },
    "sacct": {
        "fails": 'echo "sacct: error: Problem talking to the database: Connection refused" >&2; exit 1',
        "is empty": "exit 0",
        "says running": '$PROGRAM "$@" | sed "s/|[A-Z]*|/|RUNNING|/"; exit 0',
        "says ended": '$PROGRAM "$@" | sed "s/|[A-Z]*|/|NODE_FAIL|/"; exit 0',
    },
    "scancel": {"fails": GONE, "works and fails": f'$PROGRAM "$@"; {GONE}', "is slow": "sleep 6"},
    "scontrol": {"fails": GONE, "is slow": "sleep 6"},
}


class Day:
    """One sequence.

    Args:
        slurm: the cluster.
        folder: empty.
        seed: of all that is random.
    """

    def __init__(self, slurm: PrivateSlurm, folder: Path, seed: int) -> None:
        self.slurm, self.draw = slurm, random.Random(seed)
        self.run = Run(slurm, Path(shutil.copytree(TOY, folder / "toy")))
        self.events: list[str] = []
        self.ends: list[int] = []  # exit codes of the main processes after the bad days
        self._down: str | None = None
        command = "sbatch --parsable --partition=main --time=30 --output=/dev/null --mem=10".split()
        place = f"--nodelist={NODES[-1]}"  # the workflow's jobs go to the first one, which may die
        self.foreign = slurm.says(*command, place, "--wrap", "sleep 1500").strip()

    def pass_by(self, events: int) -> list[str]:
        """Let so many bad things happen, then good ones to the end; return the promises that were broken."""
        try:
            while len(self.events) < events:
                self._keep_on()
                time.sleep(self.draw.uniform(0.5, 3.0))
                self.draw.choices(
                    [self._fault, self._kill, self._interrupt, self._signal, self._requeue, self._cancel, self._crash],
                    [12, 4, 1, 3, 2, 1, 1],
                )[0]()
            return self._recover()
        finally:
            self._heal()
            if self.run.running:
                self.run.signal(signal.SIGKILL)
            self.slurm.says("scancel", "--me")

    # -- what happens

    def _fault(self) -> None:
        """A client has a fault in most of its calls until the next fault of the same client, or of none."""
        client = self.draw.choice([*FAULTS, "none"])
        if client == "none":
            return self._heal()
        name = self.draw.choice(list(FAULTS[client]))
        rate = self.draw.choice([100, 200, 256])
        lines = FAULTS[client][name].format(foreign=self.foreign)
        hook = self.slurm.folder / "hooks" / client
        hook.with_suffix(".new").write_text(f"if [ $(od -An -N1 -tu1 /dev/urandom) -lt {rate} ]; then\n{lines}\nfi\n")
        hook.with_suffix(".new").rename(hook)
        self.events.append(f"{client} {name}")

    def _kill(self) -> None:
        if self.run.running:
            self.run.signal(signal.SIGKILL)
            self.run.wait()
            self.events.append("main killed")

    def _interrupt(self) -> None:
        if self.run.running:
            self.run.signal(signal.SIGINT)
            self.run.wait()
            self.events.append("Ctrl-C")

    def _signal(self) -> None:
        self._of_a_job("signalled", lambda job: self.slurm.says("scancel", "--signal=USR2", job))

    def _requeue(self) -> None:
        self._of_a_job("requeued", lambda job: self.slurm.says("scontrol", "requeue", job))

    def _cancel(self) -> None:
        self._of_a_job("cancelled", lambda job: self.slurm.says("scancel", job))

    def _crash(self) -> None:
        """The node of a job dies; it comes back at the next crash or at the end."""
        if self._down:
            self.slurm.resume_node(self._down)
            self._down = None
            return
        nodes = self.slurm.says("squeue", "--noheader", "--name=work", "--states=R", "--format=%N").split()
        mine = self.slurm.says("squeue", "--noheader", f"--jobs={self.foreign}", "--format=%N").split()
        if nodes and nodes[0] not in mine:  # the user's own job must outlive the day
            self._down = nodes[0]
            self.slurm.crash_node(self._down)
            self.events.append("node died")

    def _of_a_job(self, what: str, does: Callable[[str], object]) -> None:
        jobs = [job for job, name, state in self.slurm.queue() if name == "work" and state == "RUNNING"]
        if jobs:
            does(self.draw.choice(jobs))
            self.events.append(what)

    def _keep_on(self) -> None:
        """Start the main process again where it has ended, and let it begin: a kill before that tries nothing."""
        if not self.run.running:
            before = self.run.log.count(BEGUN)
            self.run.start(*WORDS)
            self.run.until(lambda: self.run.log.count(BEGUN) > before or not self.run.running, "it begins", 600)

    def _heal(self) -> None:
        for hook in (self.slurm.folder / "hooks").iterdir():
            hook.unlink()

    # -- and then

    def _recover(self) -> list[str]:
        self._heal()
        if self._down:
            self._crash()
        for _ in range(4):  # one that met a lie may still end with a failure
            self._keep_on()
            self.ends.append(self.run.wait(900))
            if not self.ends[-1]:
                break
        return [f"exits {self.ends}"] * bool(self.ends[-1]) + self._broken()

    def _broken(self) -> list[str]:
        lines = self.run.lines("journal")
        made = [int(line.split()[1]) for line in lines if line.startswith("step")]
        starts = sum(line.startswith("start") for line in lines)
        wrong = ["two jobs counted at the same time"] * ("overlap" in lines)
        wrong += ["a step is missing"] * (sorted(set(made)) != list(range(1, STEPS + 1)))
        wrong += [f"{len(made)} steps in {starts} starts"] * (len(made) > STEPS + 4 * (starts - 1))
        wrong += ["the outputs are not there"] * (not self.run.lines("end.txt"))
        end = time.monotonic() + 60
        while time.monotonic() < end and len(self.slurm.queue()) > 1:
            time.sleep(0.5)
        left = [(job, name) for job, name, _ in self.slurm.queue() if job != self.foreign]
        wrong += [f"left in the queue: {left}"] * bool(left)
        wrong += ["the user's own job was cancelled"] * (self.foreign not in {job for job, *_ in self.slurm.queue()})
        return wrong


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sequences", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the first sequence")
    parser.add_argument("--events", type=int, default=12, help="bad things in each")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    slurm = PrivateSlurm(folder)
    seen: Counter[str] = Counter()
    failed = []
    try:
        slurm.start()
        for seed in range(arguments.seed, arguments.seed + arguments.sequences):
            with tempfile.TemporaryDirectory(prefix="day", ignore_cleanup_errors=True) as place:
                day, began = Day(slurm, Path(place), seed), time.monotonic()
                try:
                    wrong = day.pass_by(arguments.events)
                except (pytest.fail.Exception, ClusterError) as error:
                    wrong = [str(error)[:300]]
                if wrong:
                    kept = Path(tempfile.mkdtemp(prefix=f"bad-day-{seed}-"))
                    shutil.copytree(place, kept, dirs_exist_ok=True, symlinks=True)
                    failed.append(f"seed {seed}: {'; '.join(wrong)} (kept in {kept})")
            seen.update(day.events)
            counted = Counter(day.events)
            print(
                f"seed {seed}: {'; '.join(wrong) or 'all held'}, {time.monotonic() - began:.0f} s, exits {day.ends}, "
                f"{dict(counted)}",
                flush=True,
            )
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join([f"{number:4} {event}" for event, number in sorted(seen.items())]))
    print("\n".join([f"{arguments.sequences} sequences, {sum(seen.values())} events, {len(failed)} failed", *failed]))
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
