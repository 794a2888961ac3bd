"""Asks SLURM's clients, with pauses while one fails, and turns what is seen of a run into evidence for `life`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from snakemake_executor_plugin_submitit.clients import SlurmError
from snakemake_executor_plugin_submitit.life import ALIVE, Evidence
from snakemake_executor_plugin_submitit.runs import RunFolder
from snakemake_executor_plugin_submitit.works import Answers, Clients, Hearing, Life, Unreachable, comment_of

LONGEST_PAUSE = 60.0  # seconds between two calls of a client that fails
T = TypeVar("T")


class Observer:
    """What SLURM and the jobs themselves show.

    Args:
        slurm: the clients.
        reach: seconds for which SLURM may be out of reach.
        hearing: what is reported.
        clock: monotonic seconds.

    Attributes:
        cluster: its name; empty while it is not known.
    """

    def __init__(self, slurm: Clients, reach: float, hearing: Hearing, clock: Callable[[], float]) -> None:
        self.slurm, self.reach, self.hearing, self.clock = slurm, reach, hearing, clock
        self.cluster = ""
        self._pauses: dict[str, tuple[float, float]] = {}  # client -> (not before, pause)
        self._answered: dict[str, float] = {}

    def ask(self, everything: list[Life]) -> Answers:
        """Ask about the jobs that may exist.

        Raises:
            Unreachable: if nobody has answered for too long.
        """
        now = self.clock()
        answers = Answers(now)
        lives = [life for life in everything if life.record and not life.fresh]
        if lives:
            if not self.cluster:
                self.cluster = self.call("scontrol", self.slurm.cluster) or ""
            answers.queue = self.call("squeue", self.slurm.queue)
            seen = {entry.comment for entry in answers.queue or ()}
            ids = {
                life.record.job_id
                for life in lives
                if life.record and life.record.job_id and comment_of(life.work.key, life.record.run) not in seen
            }
            answers.accounts = self.call("sacct", lambda: self.slurm.accounts(ids)) if ids else None
            self._mind_the_reach(answers, lives)
        return answers

    def _mind_the_reach(self, answers: Answers, lives: list[Life]) -> None:
        """Give up when nobody has answered for too long, or nobody whose answer is needed."""
        needed = any(life.record and (life.record.leaving or not life.record.job_id) for life in lives)
        if answers.queue is not None or (answers.accounts is not None and not needed):
            self.works("any")
            return
        since = self.failing("any")
        if since > self.reach:
            raise Unreachable(f"{since / 60:.3g} minutes")

    def call(self, name: str, call: Callable[[], T]) -> T | None:
        """The answer of a client; None while it fails, and between two tries, whose pauses double."""
        if not self.may_call(name):
            return None
        try:
            answer = call()
        except SlurmError as error:
            pause = self.pause(name)
            self.hearing.said(f"{error}; asking again in {pause:.0f} s")
            return None
        self.works(name)
        return answer

    def may_call(self, name: str) -> bool:
        """Whether the pause after a client's last failure is over."""
        return self.clock() >= self._pauses.get(name, (0.0, 0.0))[0]

    def pause(self, name: str, seconds: float = 0.0) -> float:
        """Let a client rest after a failure, twice as long as the last time, or for so long; return the seconds."""
        last = self._pauses.get(name, (0.0, 0.5))[1]
        pause = seconds or min(LONGEST_PAUSE, 2 * last)
        self._pauses[name] = (self.clock() + pause, 0.5 if seconds else pause)
        return pause

    def works(self, name: str) -> None:
        """Note that a client answered."""
        self._pauses.pop(name, None)
        self._answered[name] = self.clock()

    def failing(self, name: str) -> float:
        """Seconds since a client last answered, or first failed."""
        return self.clock() - self._answered.setdefault(name, self.clock())

    def evidence(self, life: Life, run: RunFolder, answers: Answers) -> Evidence:
        """What is seen of a run."""
        record = life.record
        assert record
        comment = comment_of(life.work.key, record.run)
        queue = answers.queue
        mine = None if queue is None else tuple(entry for entry in queue if entry.comment == comment)
        now = self.clock()
        if any(entry.state in ALIVE for entry in mine or ()):
            life.listed = now
        pulse = run.pulse()
        if pulse != life.pulse:
            life.pulse, life.beaten = pulse, now
        account = (answers.accounts or {}).get(record.job_id or "")
        if account and record.run not in account.source and account.source != record.name:
            account = None  # a number that belongs to another job
        return Evidence(
            queue=mine,
            account=account,
            accounts_answer=answers.accounts is not None,
            begun=run.begun(),
            outcome=run.outcome(),
            left=run.left,
            wishes=run.wishes,
            revoked=run.revoked,
            fresh=life.fresh,
            called=answers.began - life.called,
            silent=now - life.beaten,
            unlisted=now - life.listed,
        )
