"""What runs inside a job: a nested Snakemake, the signals that reach it, the right to work, and the requeue.

SLURM sends SIGUSR2 to every process of a job before its time limit, and SIGTERM when it preempts, requeues or cancels.
A program that saved its state on such a signal ends with exit code 75; then the same command goes on from there, in
the same job if the site requeues, else in a new one. Programs without a handler for SIGUSR2 never receive it, and one
that ends in another way is not run again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import submitit
from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE

from snakemake_executor_plugin_submitit import processes
from snakemake_executor_plugin_submitit.nested import DONE_VARIABLE, Nested
from snakemake_executor_plugin_submitit.runs import FINISHED, REQUEUES, RunFolder

LIMIT = signal.SIGUSR2
STRAGGLERS_SECONDS = 600.0
DECISION_SECONDS = 120.0  # after SIGTERM, in which SLURM ends a job that it has cancelled, whatever its clients say
REFUSALS = 5  # of a requeue, after which the site is taken not to allow it
# Answers of scontrol that no patience changes.
NO_REQUEUE = ("disabled", "not allowed", "not permitted", "permission", "denied", "invalid", "not support")
BATCH = "batch.env"


class JobFailed(Exception):
    """The nested Snakemake failed, or the job was requeued too often."""


class SnakemakeTask:
    """A callable that submitit pickles and sends to the job. It holds only strings and numbers.

    Args:
        command: the shell command by which Snakemake runs one of its jobs.
        max_requeues: how often the job may go on after it was stopped.
        heartbeat: seconds between two signs of life.
        saves: whether any failure after a signal means that the state was saved (a resource of the rule).
        members: of a group: (target, outputs) of each; finished ones are not made again after a requeue.
    """

    def __init__(
        self,
        command: str,
        max_requeues: int,
        heartbeat: float = 15.0,
        saves: bool = False,
        members: tuple[tuple[str, tuple[str, ...]], ...] = (),
    ) -> None:
        self.command, self.max_requeues, self.heartbeat = command, max_requeues, heartbeat
        self.saves, self.members = saves, members

    def __call__(self) -> None:
        """Run the command to its end, or until a signal stops it and the job is to go on later.

        Raises:
            JobFailed: names the exit code, or the number of requeues.
        """
        if "SUBMITIT_EXECUTOR" not in os.environ:  # cluster=debug runs in the main process and leaves its signals alone
            return _finish(subprocess.Popen(["bash", "-c", self.command]).wait())
        sys.tracebacklimit = 0  # so that the log ends with the program's own messages
        environment = submitit.JobEnvironment()
        run = RunFolder(environment.paths.folder)
        if run.outcome():  # the job ended, but its node died before SLURM noted it, so SLURM started it again
            sys.exit(0)
        start = None
        if environment.cluster == "slurm":
            claimed = run.claim(environment.job_id)
            if claimed is None:
                print("this job is not wanted any more, or another one does its work: nothing is done", flush=True)
                sys.exit(0)
            start, lost = claimed
            if lost:
                print("an earlier start was lost: its programs get time to stop, wherever they are", flush=True)
                time.sleep(self.heartbeat)
        for partial in run.path.glob("*.save_tmp"):  # of a start that was killed while writing
            partial.unlink()
        self._work(environment, run, start)

    def _work(self, environment: submitit.JobEnvironment, run: RunFolder, start: int | None) -> None:
        local = environment.cluster == "local"
        processes.adopt_orphans()
        began = time.time()
        nested = Nested(self.command, _environment_of_the_batch(run.path), _finished(run.path))
        heart = _Heart(run, environment.job_id, start, self.heartbeat)
        try:
            code = nested.watch(relay=local, may_work=heart.may_work)
        except BaseException:  # cancelled
            processes.send(signal.SIGTERM, processes.descendants())
            processes.wait_for_stragglers(STRAGGLERS_SECONDS)
            heart.stop()
            raise
        if nested.stopping:
            ends = processes.wait_for_stragglers(STRAGGLERS_SECONDS)
            nested.codes += [end for end in ends if end]  # helpers of a program end well beside it
        if not heart.may_work():
            print("this job lost the right to work; its programs were stopped", flush=True)
            heart.stop()
            sys.exit(1)
        goes_on = bool(code and (nested.stopping or nested.saved))
        heart.stop(over=not goes_on)
        if not goes_on:
            return _finish(code)
        if not (self.saves or nested.saved):
            return self._stopped_without_saving(environment, nested, heart)
        cause = nested.stopping or LIMIT  # a program may stop before the signal, at a deadline of its own
        if not nested.stopping:
            print("a program saved its state and stopped before any signal: as at the time limit", flush=True)
        if cause is LIMIT:
            self._note_finished(run.path, began)
        self._go_on(environment, run, cause, heart)

    def _stopped_without_saving(self, environment: submitit.JobEnvironment, nested: Nested, heart: _Heart) -> None:
        cause = nested.stopping
        assert cause
        if environment.cluster == "slurm" and cause is signal.SIGTERM:
            # preempted, requeued or cancelled: SLURM decides what becomes of the job, and ends this process
            end = time.monotonic() + STRAGGLERS_SECONDS
            while time.monotonic() < end and heart.may_work():
                time.sleep(1)
            heart.stop()
            sys.exit(1)
        heart.stop()
        codes = ", ".join(map(str, nested.codes)) or "none"
        raise JobFailed(
            f"stopped by {cause.name}; no program ended with exit code 75, which means that it saved its state (seen: "
            f"{codes}), so it is not run again. Raise runtime, or set the resource saves_on_signal=1 if any end "
            "after a signal means so"
        )

    def _go_on(
        self, environment: submitit.JobEnvironment, run: RunFolder, cause: signal.Signals, heart: _Heart
    ) -> NoReturn:
        if environment.cluster != "slurm":
            self._count(run, cause)
            heart.stop()
            sys.exit(LOCAL_REQUEUE_RETURN_CODE)
        job = environment.job_id
        if cause is not LIMIT and not processes.runs_on(job, DECISION_SECONDS):
            heart.stop()
            sys.exit(1)  # SLURM has cancelled or requeued the job already
        self._count(run, cause)
        if not _requeue(job):
            print("this site does not requeue jobs: the work goes on in a new job", flush=True)
            run.wish(cause.name)
        heart.stop()
        sys.exit(1)

    def _count(self, run: RunFolder, cause: signal.Signals) -> None:
        lines = run.starts_over()
        if len(lines) >= self.max_requeues:
            raise JobFailed(
                f"requeued {len(lines)} times without coming to an end; if it does make progress, start again with "
                "a greater --submitit-max-requeues: it goes on from its last save"
            )
        (run.path / REQUEUES).write_text("\n".join([*lines, f"{time.strftime('%F %T')} {cause.name}"]) + "\n")
        print(f"stopped by {cause.name} with its state saved: requeue {len(lines) + 1}", flush=True)

    def _note_finished(self, folder: Path, began: float) -> None:
        """Note the members of a group whose outputs this start, or an earlier one, has made.

        The nested Snakemake ended in order, and removed the outputs of members that did not finish.
        """
        done = set(_finished(folder))
        for target, outputs in self.members:
            paths = [Path(output) for output in outputs]
            if paths and all(path.exists() and path.stat().st_mtime >= began - 1 for path in paths):
                done.add(target)
        if done:
            (folder / FINISHED).write_text(json.dumps(sorted(done)))


class _Heart:
    """Leaves a sign of life while a job works, and looks whether it still may."""

    def __init__(self, run: RunFolder, job_id: str, start: int | None, seconds: float) -> None:
        self._run, self._job, self._start, self._seconds = run, job_id, start, seconds
        self._over = threading.Event()
        self._count = 0
        self._thread = threading.Thread(target=self._beat, daemon=True)
        if start is not None:
            self._sign()
            self._thread.start()

    def may_work(self) -> bool:
        """Whether the right to work is still ours; a file system that does not answer takes nothing away."""
        if self._start is None:
            return True
        try:
            return self._run.holds(self._job, self._start)
        except OSError:
            return True

    def stop(self, over: bool = True) -> None:
        """Leave no further sign.

        Args:
            over: whether no program of the job runs any more.
        """
        if self._start is None or not over:
            return
        self._over.set()
        self._thread.join()
        try:
            self._run.leave()
        except OSError as error:
            print(f"the end of this job could not be noted: {error}", flush=True)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            self._sign()

    def _sign(self) -> None:
        self._count += 1
        try:
            self._run.beat(f"{self._job}.{self._start}.{self._count}")
        except OSError as error:  # a full disk must not end a training
            print(f"no sign of life could be left: {error}", flush=True)


def _finish(code: int) -> None:
    if code:
        raise JobFailed(f"snakemake ended with exit code {code}")


def _requeue(job: str) -> bool:
    """Put the job back into the queue; False if this site does not. While SLURM is out of reach it is asked again."""
    refusals, pause = 0, 1.0
    while refusals < REFUSALS:
        try:
            done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"scontrol requeue: {error}", flush=True)
        else:
            if not done.returncode:
                return True
            message = (done.stderr or done.stdout).strip()
            print(f"scontrol requeue: {message}", flush=True)
            if any(text in message.lower() for text in NO_REQUEUE):
                refusals += REFUSALS
                continue
        time.sleep(pause)
        pause = min(30.0, 2 * pause)
    return False


def _finished(folder: Path) -> list[str]:
    path = folder / FINISHED
    return list(json.loads(path.read_text())) if path.exists() else []


def _environment_of_the_batch(folder: Path) -> dict[str, str]:
    """The environment for the rule's programs: SLURM's variables are those of the job, not those of our own step.

    So a rule's own `srun` may use every node and task of the job.
    """
    kept = {name: value for name, value in os.environ.items() if name != DONE_VARIABLE}
    path = folder / BATCH
    if not path.exists():
        return kept
    pairs = [os.fsdecode(pair).partition("=") for pair in path.read_bytes().split(b"\0") if pair]
    batch = {name: value for name, _, value in pairs if name.startswith("SLURM_")}
    step = ("SLURM_STEP", "SLURM_SRUN", "SLURM_LAUNCH_NODE", "SLURM_CPU_BIND", "SLURM_MEM_BIND")
    return {name: value for name, value in kept.items() if not name.startswith(("SLURM_", *step))} | batch
