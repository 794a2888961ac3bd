"""For how long SLURM may be out of reach: since it last answered, and never while it answers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_submitit.clients import Kind, SlurmError
from snakemake_executor_plugin_submitit.observer import Observer
from snakemake_executor_plugin_submitit.works import Hearing, Life, Unreachable, Work


def said(*_: object) -> None:
    """Nobody listens."""


class Slurm:
    """Clients whose queue answers while `answers` is true."""

    answers = True

    def cluster(self) -> str:
        return "here"

    def queue(self) -> list[object]:
        if self.answers:
            return []
        raise SlurmError("squeue: connection refused", Kind.PASSING)


def ask_on(observer: Observer, life: Life) -> None:
    """Ask twenty times."""
    for _ in range(20):
        observer.ask([life])


@pytest.mark.parametrize("reach", [0.0, 6.0])
def test_it_is_out_of_reach_only_while_it_does_not_answer(reach):
    ticks = itertools.count()  # every look at the clock is a second later
    slurm = Slurm()
    observer = Observer(slurm, reach, Hearing(said, said, said), lambda: float(next(ticks)))  # type: ignore[arg-type]
    record = SimpleNamespace(job_id=None, leaving=False, run="run")
    life = Life(Work("key", "rule", "digest", said), record, called=0.0, listed=0.0, beaten=0.0)  # type: ignore[arg-type]
    for _ in range(5):
        assert observer.ask([life]).queue == []
    slurm.answers = False
    if reach:
        observer.ask([life])  # one failure is not yet out of reach
    with pytest.raises(Unreachable, match="minutes"):
        ask_on(observer, life)
