"""What each job would ask a cluster for: a dry run with a cluster's profile ends with a table."""

from collections import Counter

from snakemake.logging import logger
from snakemake.resources import GroupResources

COLUMNS = ("jobs", "rule", "partition", "GPUs", "CPUs", "MB", "minutes", "nodes")


def unbounded(jobs):
    """Let the jobs ask for what they would ask a cluster for: a dry run itself has one core, which bounds them."""
    workflow.global_resources["_cores"] = None
    for job in jobs:
        job.attempt = job.attempt  # forgets the resources


def row(name, resources):
    """What a job or a group asks for, as a row of the table without its first column."""
    fields = ("slurm_partition", ""), ("gpu", 0), ("_cores", ""), ("mem_mb", ""), ("runtime", ""), ("nodes", 1)
    return (name, *(resources.get(field, default) for field, default in fields))


def asked(jobs):
    """Lines of the table: one for each rule or group and set of resources; none without a partition."""
    counts, groups = Counter(), set()
    for job in jobs:
        group = workflow.dag.get_job_group(job)
        if group is None:
            counts[row(job.rule.name, job.resources)] += 1
        elif group not in groups:
            groups.add(group)
            limits = {"constraints": workflow.global_resources, "run_local": False}
            counts[row(f"group of {len(group)}", GroupResources.basic_layered(group.toposorted, **limits))] += 1
    if not any(row[1] for row in counts):
        return []
    rows = [COLUMNS, *((number, *row) for row, number in counts.items())]
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(COLUMNS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in texts]


def then_ask(execute):
    """`execute` of the workflow, which shows after a dry run the table, and what of it no node can run."""

    def execute_and_ask(executor_plugin, **arguments):
        result = execute(executor_plugin=executor_plugin, **arguments)
        if executor_plugin.common_settings.dryrun_exec:
            # what would run counts as finished now; `all` only names files
            jobs = [job for job in workflow.dag.finished_jobs if not job.rule.norun]
            unbounded(jobs)
            if lines := asked(jobs):
                from snakemake_executor_plugin_submitit.foresight import foresee

                logger.info("\n".join(["What each job would ask for:", *lines]))
                if text := foresee(jobs):
                    logger.info(text)
        return result

    return execute_and_ask


workflow.execute = then_ask(workflow.execute)
