"""The life of a work's job, as a state machine: pure, without clocks, files or clients.

A *work* is what Snakemake wants done. A *run* is one submission of it, with a folder and a comment of its own. `decide`
looks at a record and at what was observed, and names the next step; `keeper` takes it. docs/further.md draws it.

    PREPARED   everything that the job needs is on disk; whether there is a job is not known
    SUBMITTED  its number is known, from sbatch, from the queue (by comment) or from the job itself (its claim)
    LEAVING    cancelled, or to be replaced; the right to work is revoked; its end is waited for
    (no record)

A run is over when the job itself recorded its end, or when SLURM does not know it alive *and* it gave no sign of life
for a while. Until a run is over its record stays, and nothing is submitted for its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from snakemake_executor_plugin_submitit.clients import Account, Entry
from snakemake_executor_plugin_submitit.registry import Record
from snakemake_executor_plugin_submitit.runs import Outcome

# A job in one of these states runs, or will run.
ALIVE = frozenset(
    "PENDING CONFIGURING RUNNING COMPLETING REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD SIGNALING "
    "SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED POWER_UP_NODE UPDATE_DB".split()
)


class Step(Enum):
    """What to do next for a work."""

    SUBMIT = auto()  # call sbatch: there is no job with our comment
    ADOPT = auto()  # note the number of the job that was found
    WAIT = auto()
    REVOKE = auto()  # the run is to end: nobody may work in its folder any more
    CANCEL = auto()  # call scancel for numbers whose comment is ours
    RENEW = auto()  # the run is over and the work is not: prepare another run
    DROP = auto()  # the run is over and nobody wants its work
    SUCCEED = auto()
    FAIL = auto()


@dataclass(frozen=True)
class Patience:
    """Seconds after which silence means something.

    Attributes:
        late: a job that sbatch may have accepted appears in the queue within this.
        silent: a job that lives gives a sign of life within this.
        forgotten: a job that neither queue nor accounts know for so long is gone.
        runaway: a job that only the accounts call alive for so long is gone.
        files: files of other nodes become visible within this.
    """

    late: float = 15.0
    silent: float = 45.0
    forgotten: float = 120.0
    runaway: float = 600.0
    files: float = 5.0


@dataclass(frozen=True)
class Evidence:
    """What was observed of a run. Times are seconds for which something has been so.

    Attributes:
        queue: entries of the queue with the run's comment; None if the queue could not be read.
        account: what the accounts say of its job, if that is ours; None if nothing.
        accounts_answer: whether the accounts could be read.
        begun: the SLURM job that claimed the run.
        outcome: that the job recorded.
        left: whether its last start is over in good order.
        wishes: whether it wants to go on in a new job.
        revoked: whether the right to work was ended.
        fresh: whether sbatch was surely never called for it, so that there can be no job.
        called: seconds from the last call of sbatch to the reading of the queue.
        silent: seconds since its last sign of life changed.
        unlisted: seconds since the queue last listed it alive.
    """

    queue: tuple[Entry, ...] | None = None
    account: Account | None = None
    accounts_answer: bool = False
    begun: str | None = None
    outcome: Outcome | None = None
    left: bool = False
    wishes: bool = False
    revoked: bool = False
    fresh: bool = False
    called: float = 0.0
    silent: float = 0.0
    unlisted: float = 0.0


@dataclass(frozen=True)
class Decision:
    """The next step.

    Attributes:
        step: what to do.
        ids: the job to adopt, or those to cancel.
        state: of the job, in SLURM's terms.
        reason: why it waits.
    """

    step: Step
    ids: tuple[str, ...] = ()
    state: str = "UNKNOWN"
    reason: str = ""


def decide(record: Record, seen: Evidence, patience: Patience) -> Decision:
    """The next step for a work."""
    if record.leaving:
        return _leave(record, seen, patience)
    extra = _duplicates(record, seen)
    if extra:
        return Decision(Step.CANCEL, extra)
    if seen.begun and seen.begun != record.job_id:
        return Decision(Step.ADOPT, (seen.begun,))
    if record.job_id is None:
        return _submit(seen, patience)
    return _follow(record, seen, patience)


def _duplicates(record: Record, seen: Evidence) -> tuple[str, ...]:
    """Further jobs of the same submission: sbatch was answered late, or called again. The one that works is kept."""
    alive = _alive(seen.queue)
    ids = [entry.job_id for entry in alive]
    kept = seen.begun or (record.job_id if record.job_id in ids else next(iter(sorted(ids, key=int)), None))
    return tuple(job for job in ids if job != kept)


def _submit(seen: Evidence, patience: Patience) -> Decision:
    """PREPARED: look for the job before submitting it."""
    if seen.fresh:
        return Decision(Step.SUBMIT)
    if seen.queue is None:
        return Decision(Step.WAIT)
    if seen.queue:
        return Decision(Step.ADOPT, ((_alive(seen.queue) or seen.queue)[0].job_id,))
    if seen.called < patience.late:  # sbatch may have been heard all the same
        return Decision(Step.WAIT)
    return Decision(Step.SUBMIT)


def _follow(record: Record, seen: Evidence, patience: Patience) -> Decision:
    """SUBMITTED: until it is over."""
    if seen.outcome:
        return Decision(Step.SUCCEED if seen.outcome.success else Step.FAIL, state="FAILED")
    state, reason = state_of(record, seen, patience)
    if state in ALIVE or state == "UNKNOWN":
        return Decision(Step.WAIT, state=state, reason=reason)
    if not seen.revoked:  # a job that SLURM has ended may not come back
        return Decision(Step.REVOKE, state=state, reason=reason)
    if not is_silent(seen, patience):
        return Decision(Step.WAIT, state=state, reason=reason)
    if seen.wishes or record.job_id in record.duplicates:
        return Decision(Step.RENEW, state=state, reason=reason)
    return Decision(Step.FAIL, state=state, reason=reason)


def _leave(record: Record, seen: Evidence, patience: Patience) -> Decision:
    """LEAVING: revoked, then cancelled, then waited for."""
    if not seen.revoked:
        return Decision(Step.REVOKE)
    if seen.fresh:
        return Decision(Step.DROP)
    if seen.queue is None:
        return Decision(Step.WAIT)
    alive = _alive(seen.queue)
    if alive:
        if all(entry.state == "COMPLETING" for entry in alive):
            return Decision(Step.WAIT, state="COMPLETING")
        return Decision(Step.CANCEL, tuple(entry.job_id for entry in alive), state=alive[0].state)
    if seen.begun is None and record.job_id is None and seen.called < patience.late:
        return Decision(Step.WAIT)
    if not is_silent(seen, patience):
        return Decision(Step.WAIT)
    return Decision(Step.DROP)


def is_silent(seen: Evidence, patience: Patience) -> bool:
    """Whether no program of the run works any more, by what the run itself shows."""
    return seen.begun is None or seen.outcome is not None or seen.left or seen.silent >= patience.silent


def state_of(record: Record, seen: Evidence, patience: Patience) -> tuple[str, str]:
    """State and reason of a submitted job that recorded no outcome; UNKNOWN while nobody can say.

    The queue is right about what it lists. What it does not list the accounts know, but they write late: a job that
    was requeued looks ended there for a moment, and one whose end they missed looks alive for ever.
    """
    account = seen.account.state if seen.account else None
    if seen.queue:
        alive = _alive(seen.queue)
        entry = (alive or seen.queue)[0]
        return entry.state, entry.reason
    if seen.queue is not None:
        if account and account not in ALIVE:
            ended = seen.unlisted >= patience.files
            return (account, "") if ended else ("UNKNOWN", "")
        if account:  # alive for the accounts alone
            runaway = seen.unlisted >= patience.runaway and seen.silent >= patience.silent
            return ("LOST", "") if runaway else (account, "")
        gone = seen.unlisted >= patience.forgotten and seen.silent >= patience.silent
        return ("LOST", "") if gone else ("UNKNOWN", "")
    if account and account not in ALIVE:  # only the accounts answer: wait until a requeue would show
        settled = seen.unlisted >= patience.forgotten and seen.silent >= patience.silent
        return (account, "") if settled else ("UNKNOWN", "")
    return account or "UNKNOWN", ""


def _alive(queue: Sequence[Entry] | None) -> list[Entry]:
    return [entry for entry in queue or () if entry.state in ALIVE]
