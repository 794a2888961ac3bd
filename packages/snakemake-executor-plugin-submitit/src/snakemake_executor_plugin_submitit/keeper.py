"""Keeps every work's job alive in the sense of `life`: observes, decides, acts; knows nothing of Snakemake."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from snakemake_executor_plugin_submitit.clients import Entry, Kind, SlurmError
from snakemake_executor_plugin_submitit.life import ALIVE, Decision, Evidence, Patience, Step, decide
from snakemake_executor_plugin_submitit.observer import Observer
from snakemake_executor_plugin_submitit.registry import Record, Registry, plain
from snakemake_executor_plugin_submitit.runs import SCRIPT, RunFolder
from snakemake_executor_plugin_submitit.works import (
    Answers,
    Clients,
    End,
    Hearing,
    Life,
    Unreachable,
    Work,
    comment_of,
)

SLOT_SECONDS = 20.0  # until a submission that a limit refused is tried again
STEPS = 8  # of one work in one round


@dataclass
class Keeper:
    """The works of one main process on one cluster.

    Args:
        folder: of runs and records; every node must see it.
        slurm: the clients.
        patience: how long silence may last.
        reach: seconds for which SLURM may be out of reach.
        hearing: what is reported.
        clock: monotonic seconds.
        token: makes a name that no other run has.
    """

    folder: Path
    slurm: Clients
    patience: Patience = field(default_factory=Patience)
    reach: float = 1800.0
    hearing: Hearing = field(default_factory=Hearing)
    clock: Callable[[], float] = time.monotonic
    token: Callable[[], str] = lambda: uuid.uuid4().hex[:8]

    def __post_init__(self) -> None:
        self.registry = Registry(self.folder / "jobs")
        self.runs = self.folder / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self.lives: dict[str, Life] = {}
        self.observer = Observer(self.slurm, self.reach, self.hearing, self.clock)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.ended = 0

    def take(self, work: Work) -> None:
        """Begin to keep a work; an earlier process may have left a job for it.

        Raises:
            DamagedRecord: if it is unknown whether there is one.
        """
        now = self.clock()
        life = Life(work, self.registry.read(work.key), called=now, listed=now, beaten=now)
        life.old = life.record is not None
        self.lives[work.key] = life

    def step(self, look: bool = True) -> list[End]:
        """One round: observe all jobs, do what is to be done; return the works that are over.

        Args:
            look: False only submits new works, which needs no look at the queue.

        Raises:
            Unreachable: if SLURM could not be reached for too long.
        """
        with self._lock:
            answers = self.observer.ask(list(self.lives.values())) if look else Answers(self.clock())
            ends = []
            for life in list(self.lives.values()):
                if self._stopping.is_set():
                    break
                if not look and life.record and not life.fresh:
                    continue
                end = self._advance(life, answers)
                if end:
                    self.ended += 1
                    ends.append(end)
            self._cancel_strays(answers)
            return ends

    def cancel(self, seconds: float = 60.0, pause: Callable[[float], None] = time.sleep) -> list[str]:
        """End every work's job; return what may be left in the queue: numbers, or comments where there is none.

        A job is cancelled only where the queue shows that it is ours. One that is left does no work: it may no more.
        """
        self._stopping.set()
        with self._lock:
            lives = [life for life in self.lives.values() if life.record and not life.fresh]
            for life in self.lives.values():
                if life.record:
                    self._leave(life)
            end, done = self.clock() + seconds, not lives
            while not done:
                try:
                    began = self.clock()
                    ours = self._of_ours(self.slurm.queue(), {life.work.key for life in lives})
                    self.slurm.cancel([entry.job_id for entry in ours if entry.state != "COMPLETING"])
                    unheard = [life for life in lives if life.record and not life.record.job_id]
                    done = all(began - life.called >= self.patience.late for life in unheard)
                except SlurmError as error:
                    self.hearing.said(f"Cancelling: {error}; trying again")
                if not done and self.clock() > end:
                    break
                if not done:
                    pause(2.0)
            records = [(life.work.key, life.record) for life in lives if life.record and not done]
            return [record.job_id or comment_of(key, record.run) for key, record in records]

    # -- acting

    def _advance(self, life: Life, answers: Answers) -> End | None:
        """Steps of one work until it has to wait, or is over."""
        for _ in range(STEPS):
            if life.record is None:
                self._prepare(life, None)
            record = life.record
            assert record
            run = RunFolder(self.runs / record.run)
            if life.old and not self._is_same(life, record, run):
                continue
            seen = self.observer.evidence(life, run, answers)
            decision = decide(record, seen, self.patience)
            end = self._act(life, run, decision, seen, answers)
            if end or decision.step in (Step.WAIT, Step.SUBMIT, Step.CANCEL):
                return end
        return None

    def _is_same(self, life: Life, record: Record, run: RunFolder) -> bool:
        """Compare a record of an earlier process with what is wanted now; False if that changed the record."""
        if self.observer.cluster and record.cluster and record.cluster != self.observer.cluster and not record.leaving:
            self._say(
                life, f"was submitted on cluster {record.cluster}, this is {self.observer.cluster}: it is replaced"
            )
        elif record.command != life.work.command and not record.leaving and not run.outcome():
            self._say(life, "runs another command: it is replaced")
        else:
            return True
        self._leave(life)
        return False

    def _act(self, life: Life, run: RunFolder, decision: Decision, seen: Evidence, answers: Answers) -> End | None:
        record, step = life.record, decision.step
        assert record
        if step is Step.SUBMIT:
            self._submit(life, run, answers)
        if step is Step.ADOPT:
            self._write(life, replace(record, job_id=decision.ids[0]))
            if not life.old:
                self._say(life, "was submitted")
        elif step is Step.REVOKE:
            run.revoke()
        elif step is Step.CANCEL:
            self._cancel(life, decision)
        elif step is Step.RENEW:
            self._say(life, "goes on in a new job; this is no failure")
            self._prepare(life, run)
        elif step is Step.DROP:
            return self._dropped(life, run)
        elif step in (Step.SUCCEED, Step.FAIL):
            return self._over(life, run, decision, seen)
        elif decision.state in ALIVE and not record.leaving:
            self._lives_on(life, record, decision)
        return None

    def _lives_on(self, life: Life, record: Record, decision: Decision) -> None:
        if life.old:
            life.old = False
            self._say(life, f"is found again ({decision.state})")
        if (decision.state, decision.reason) != life.state:
            life.state = (decision.state, decision.reason)
            self.hearing.changed(life.work.key, record.job_id, decision.state, decision.reason)

    def _prepare(self, life: Life, earlier: RunFolder | None) -> None:
        """Make a run: its files, then its record; there is nothing to find before."""
        work = life.work
        name = f"{plain(work.name)}.{work.key[:8]}.{self.token()}"
        folder = self.runs / name
        folder.mkdir()
        without = tuple(work.prepare(folder, comment_of(work.key, name), earlier))
        RunFolder(folder).open()
        life.fresh, life.old, life.pulse, life.refusal = True, False, "", ""
        life.beaten = life.listed = self.clock()
        self._write(life, Record(work.name, work.command, name, self.observer.cluster, without=without))

    def _submit(self, life: Life, run: RunFolder, answers: Answers) -> None:
        record = life.record
        assert record
        if not answers.submitting or not self.observer.may_call("sbatch"):
            return
        life.fresh = False
        try:
            job_id = self.slurm.submit(run.path / SCRIPT, record.without)
        except SlurmError as error:
            self._refused(life, error, answers)
            return
        self.observer.works("sbatch")
        life.called = life.listed = self.clock()
        self._write(life, replace(record, job_id=job_id))
        self._say(life, "was submitted")

    def _refused(self, life: Life, error: SlurmError, answers: Answers) -> None:
        now = self.clock()
        life.called = now if error.kind is Kind.PASSING else now - self.patience.late + 1
        if error.kind is Kind.FINAL:
            life.refusal = str(error)
            self._leave(life)
            return
        answers.submitting = False
        if error.kind is Kind.BUSY:
            self.observer.pause("sbatch", SLOT_SECONDS)
            state = ("WAITS FOR A SLOT", str(error))
            if life.state != state:
                life.state = state
                self.hearing.changed(life.work.key, None, *state)
            return
        self.observer.pause("sbatch")
        self.hearing.said(f"{error}; whether there is a job of {life.work.name} is looked up before trying again")
        if self.observer.failing("sbatch") > self.reach:
            raise Unreachable(f"{self.reach / 60:.3g} minutes")

    def _cancel(self, life: Life, decision: Decision) -> None:
        record = life.record
        assert record
        if self.clock() - life.cancelled < 5:
            return
        life.cancelled = self.clock()
        if not record.leaving:
            self._write(life, replace(record, duplicates=tuple({*record.duplicates, *decision.ids})))
            self.hearing.said(f"{life.work.name}: job {' '.join(decision.ids)} is a second one: cancelled")
        self.observer.call("scancel", lambda: self.slurm.cancel(decision.ids))

    def _cancel_strays(self, answers: Answers) -> None:
        """Cancel jobs of our works that belong to no run any more: sbatch was answered late."""
        runs = {comment_of(key, life.record.run) for key, life in self.lives.items() if life.record}
        strays = [e for e in self._of_ours(answers.queue or [], set(self.lives)) if e.comment not in runs]
        ids = [entry.job_id for entry in strays if entry.state != "COMPLETING"]
        if ids:
            self.observer.call("scancel", lambda: self.slurm.cancel(ids))

    def _of_ours(self, queue: Collection[Entry], keys: Collection[str]) -> list[Entry]:
        prefixes = tuple(comment_of(key, "") for key in keys)
        return [entry for entry in queue if entry.state in ALIVE and entry.comment.startswith(prefixes)]

    def _leave(self, life: Life) -> None:
        """From now on this run only ends."""
        assert life.record
        self._write(life, replace(life.record, leaving=True))
        RunFolder(self.runs / life.record.run).revoke()

    def _dropped(self, life: Life, run: RunFolder) -> End | None:
        record, outcome = life.record, run.outcome()
        assert record
        if outcome and outcome.success and record.command == life.work.command and life.work.took(outcome.when):
            self._finish(life)
            return End(life.work.key, True, "COMPLETED", record.job_id, run.log())
        if life.refusal:
            self._finish(life)
            return End(life.work.key, False, "REFUSED", None, run.log(), life.refusal)
        self._prepare(life, None)
        return None

    def _over(self, life: Life, run: RunFolder, decision: Decision, seen: Evidence) -> End | None:
        record, success = life.record, decision.step is Step.SUCCEED
        assert record
        if life.old and not success:
            self._say(life, f"ended while Snakemake was away: {decision.state}. Its log: {run.log()}")
            self._prepare(life, None)
            return None
        if (
            life.old
            and seen.outcome
            and not (record.command == life.work.command and life.work.took(seen.outcome.when))
        ):
            self._prepare(life, None)
            return None
        if life.old:
            self._say(life, "has ended well meanwhile")
        self._finish(life)
        if success:
            run.tidy()
        return End(life.work.key, success, decision.state, record.job_id, run.log())

    def _finish(self, life: Life) -> None:
        self.registry.forget(life.work.key)
        self.lives.pop(life.work.key, None)

    def _write(self, life: Life, record: Record) -> None:
        self.registry.write(life.work.key, record)
        life.record = record

    def _say(self, life: Life, what: str) -> None:
        record = life.record
        assert record
        log = RunFolder(self.runs / record.run).log()
        self.hearing.noted(life.work.key, record.job_id, what, log)
