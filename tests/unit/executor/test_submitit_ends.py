"""Every end is reported once, also one that is seen before Snakemake knows of its job."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_executor_plugin_submitit.executor import Executor
from snakemake_executor_plugin_submitit.here import Ended


def look(executor: Executor, active: list[Any]) -> list[Any]:
    """One look at the jobs, as the interface's thread takes it: those that are still active."""

    async def still() -> list[Any]:
        return [info async for info in executor.check_active_jobs(active)]

    return asyncio.run(still())


def test_an_end_that_is_seen_before_its_job_is_handed_on_is_not_lost(tmp_path: Path) -> None:
    """A call in the main process is over when `run_job` tells Snakemake of it; the other thread may be faster."""
    executor: Any = object.__new__(Executor)
    ends = [[Ended("a", True, tmp_path / "log")], [], []]
    executor._here = SimpleNamespace(step=lambda: ends.pop(0))
    executor._keeper, executor._new, executor._early, executor._infos = None, threading.Event(), {}, {}
    executor._next_look, executor.next_seconds_between_status_checks = 0.0, 1.0
    executor._folder, executor.lock, executor.active_jobs = tmp_path, threading.Lock(), []
    reported: list[Any] = []
    executor.report_job_success = reported.append
    info = SimpleNamespace(aux={"key": "a"})
    assert look(executor, []) == []
    assert reported == []
    executor.active_jobs.append(info)  # report_job_submission
    assert look(executor, [info]) == []
    assert reported == [info]
    assert look(executor, []) == []
    assert reported == [info]
