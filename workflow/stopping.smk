"""SIGTERM ends a run always, also while a job ends.

Snakemake's own handler takes the scheduler's lock, on the main thread. That thread often holds it already, for as long
as it looks at the files of an ended job, and then waits for itself for ever: seen with 9.27 in seven of eight runs of
short jobs.
"""

from threading import Thread

from snakemake.scheduling.job_scheduler import JobScheduler


def exit_gracefully(scheduler, *signal):
    """Start no more jobs, wake the scheduler; a thread of its own may wait for a lock of the interrupted one."""
    scheduler._user_kill = "graceful"
    Thread(target=scheduler._open_jobs.release, daemon=True).start()


JobScheduler.exit_gracefully = exit_gracefully
