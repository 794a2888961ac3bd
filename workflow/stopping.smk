"""SIGTERM ends a run always, and no job starts after it.

Snakemake's own handler takes the scheduler's lock, on the main thread. That thread often holds it already, while it
chooses jobs or looks at the files of an ended one, and then waits for itself for ever: seen with 9.27 in seven of eight
runs of short jobs.
"""

from threading import Thread

from snakemake.scheduling.job_scheduler import JobScheduler


def exit_gracefully(scheduler, *signal):
    """Let the scheduler know, and wake it: a thread of its own may wait for a lock of the interrupted one."""
    scheduler._user_kill = "graceful"
    Thread(target=scheduler._open_jobs.release, daemon=True).start()


def unless_stopped(choose):
    """The scheduler's choice of jobs; none if it was stopped meanwhile, since they would not get the signal."""

    def job_selector(scheduler, jobs):
        chosen = choose(scheduler, jobs)
        return [] if scheduler._user_kill else chosen

    return job_selector


JobScheduler.exit_gracefully = exit_gracefully
JobScheduler.job_selector = unless_stopped(JobScheduler.job_selector)
