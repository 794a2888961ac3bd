"""The state machine of a work's job, case by case; times are in seconds."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_submitit.clients import Account, Entry
from snakemake_executor_plugin_submitit.life import Evidence, Patience, Step, decide
from snakemake_executor_plugin_submitit.registry import Record
from snakemake_executor_plugin_submitit.runs import Outcome

PREPARED = Record("rule", "digest", "rule.k.r")
SUBMITTED = Record("rule", "digest", "rule.k.r", job_id="7")
LEAVING = Record("rule", "digest", "rule.k.r", job_id="7", leaving=True)
PATIENCE = Patience(late=15, silent=45, forgotten=120, runaway=600, files=5)
GOOD, BAD = Outcome(True, 0.0), Outcome(False, 0.0)


def listed(state: str, job: str = "7") -> Entry:
    return Entry(job, state, "None", "snakemake k r")


@pytest.mark.parametrize(
    ("record", "seen", "step"),
    [
        # nothing is submitted before the queue was searched, unless there can be no job
        (PREPARED, Evidence(fresh=True), Step.SUBMIT),
        (PREPARED, Evidence(queue=None, called=1000), Step.WAIT),
        (PREPARED, Evidence(queue=(), called=14), Step.WAIT),
        (PREPARED, Evidence(queue=(), called=15), Step.SUBMIT),
        (PREPARED, Evidence(queue=(listed("PENDING"),)), Step.ADOPT),
        (PREPARED, Evidence(begun="9"), Step.ADOPT),
        # one of two jobs of a submission is kept: the one that works
        (SUBMITTED, Evidence(queue=(listed("RUNNING"), listed("PENDING", "8"))), Step.CANCEL),
        (SUBMITTED, Evidence(queue=(listed("PENDING"),), begun="9"), Step.CANCEL),
        (SUBMITTED, Evidence(queue=(), begun="9"), Step.ADOPT),
        # the job's own word comes first
        (SUBMITTED, Evidence(queue=None, outcome=GOOD), Step.SUCCEED),
        (SUBMITTED, Evidence(queue=(listed("RUNNING"),), outcome=BAD), Step.FAIL),
        # it lives, or nobody knows
        (SUBMITTED, Evidence(queue=(listed("REQUEUE_HOLD"),)), Step.WAIT),
        (SUBMITTED, Evidence(queue=None), Step.WAIT),
        (SUBMITTED, Evidence(queue=None, accounts_answer=True, account=Account("RUNNING", "")), Step.WAIT),
        (SUBMITTED, Evidence(queue=None, account=Account("NODE_FAIL", ""), unlisted=10, silent=50), Step.WAIT),
        (SUBMITTED, Evidence(queue=(), account=Account("RUNNING", ""), unlisted=599, silent=599), Step.WAIT),
        (SUBMITTED, Evidence(queue=(), unlisted=119, silent=119), Step.WAIT),
        (SUBMITTED, Evidence(queue=(), unlisted=10000, silent=10), Step.WAIT),
        # SLURM ended it: its right to work is revoked, and its silence waited for
        (SUBMITTED, Evidence(queue=(listed("CANCELLED"),)), Step.REVOKE),
        (SUBMITTED, Evidence(queue=(), account=Account("TIMEOUT", ""), unlisted=5), Step.REVOKE),
        (SUBMITTED, Evidence(queue=(), account=Account("RUNNING", ""), unlisted=600, silent=600), Step.REVOKE),
        (SUBMITTED, Evidence(queue=(), unlisted=120, silent=120), Step.REVOKE),
        (SUBMITTED, Evidence(queue=None, account=Account("NODE_FAIL", ""), unlisted=120, silent=50), Step.REVOKE),
        (SUBMITTED, Evidence(queue=(listed("FAILED"),), revoked=True, begun="7", silent=44), Step.WAIT),
        (SUBMITTED, Evidence(queue=(listed("FAILED"),), revoked=True, begun="7", silent=45), Step.FAIL),
        (SUBMITTED, Evidence(queue=(listed("FAILED"),), revoked=True, begun="7", left=True), Step.FAIL),
        (SUBMITTED, Evidence(queue=(listed("FAILED"),), revoked=True), Step.FAIL),
        (SUBMITTED, Evidence(queue=(listed("FAILED"),), revoked=True, left=True, begun="7", wishes=True), Step.RENEW),
        # a job that is to go is revoked before it is cancelled, and waited for
        (LEAVING, Evidence(queue=(listed("RUNNING"),)), Step.REVOKE),
        (LEAVING, Evidence(queue=(listed("RUNNING"),), revoked=True), Step.CANCEL),
        (LEAVING, Evidence(queue=(listed("COMPLETING"),), revoked=True), Step.WAIT),
        (LEAVING, Evidence(queue=None, revoked=True, silent=1000), Step.WAIT),
        (LEAVING, Evidence(queue=(), revoked=True, begun="7", silent=44), Step.WAIT),
        (LEAVING, Evidence(queue=(), revoked=True, begun="7", silent=45), Step.DROP),
        (LEAVING, Evidence(queue=(), revoked=True), Step.DROP),
    ],
)
def test_the_next_step(record: Record, seen: Evidence, step: Step) -> None:
    assert decide(record, seen, PATIENCE).step is step


def test_of_two_jobs_the_one_that_works_is_kept() -> None:
    both = (listed("PENDING", "7"), listed("RUNNING", "8"))
    assert decide(SUBMITTED, Evidence(queue=both, begun="8"), PATIENCE).ids == ("7",)
    assert decide(SUBMITTED, Evidence(queue=both), PATIENCE).ids == ("8",)
