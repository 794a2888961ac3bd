"""What each job would ask a cluster for: a dry run with a cluster's profile ends with a table."""

from collections import Counter

from snakemake.logging import logger

COLUMNS = ("jobs", "rule", "partition", "GPUs", "CPUs", "MB", "minutes", "nodes")


def threads(job):
    """CPUs that a rule asks for; a dry run itself has one."""
    wanted = job.rule.resources["_cores"]
    most = workflow.resource_settings.max_threads
    if wanted.is_evaluable():
        return job.threads
    return min(wanted.value, most) if most else wanted.value


def asked(jobs):
    """Lines of the table: one for each rule and set of resources; none without a partition."""
    counts = Counter(
        (
            job.rule.name,
            job.resources.get("slurm_partition", ""),
            job.resources.get("gpu", 0),
            threads(job),
            job.resources.get("mem_mb", ""),
            job.resources.get("runtime", ""),
            job.resources.get("nodes", 1),
        )
        for job in jobs
        if not job.rule.norun  # `all` only names files
    )
    if not any(row[1] for row in counts):
        return []
    rows = [COLUMNS, *((number, *row) for row, number in counts.items())]
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(COLUMNS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in texts]


def then_ask(execute):
    """`execute` of the workflow, which shows the table after a dry run."""

    def execute_and_ask(executor_plugin, **arguments):
        result = execute(executor_plugin=executor_plugin, **arguments)
        if executor_plugin.common_settings.dryrun_exec:  # what would run counts as finished now
            if lines := asked(workflow.dag.finished_jobs):
                logger.info("\n".join(["What each job would ask for:", *lines]))
                from snakemake_executor_plugin_submitit.foresight import foresee

                if text := foresee([job for job in workflow.dag.finished_jobs if not job.rule.norun], threads=threads):
                    logger.info(text)
        return result

    return execute_and_ask


workflow.execute = then_ask(workflow.execute)
