"""What sinfo says, against what a job asks for; and what is said of a job that waits."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_submitit import advice
from snakemake_executor_plugin_submitit.limits import parse, plan, problem
from snakemake_executor_plugin_submitit.nested import targets_to_do
from snakemake_executor_plugin_submitit.resources import sbatch_options, unknown

SINFO = """\
main*|1:00:00|4|4000|gpu:a100:2(S:0-1)|up
main*|1:00:00|64|2000|(null)|up
long|2-00:00:00|16|64000+|gpu:a100:4,gpu:v100:2|up
cpu|infinite|128|250000|(null)|up
a line that is none
"""


@pytest.mark.parametrize(
    ("resources", "threads", "says"),
    [
        ({"runtime": 60}, 4, None),
        ({"runtime": 61}, 4, "runtime=61 minutes is more than its time limit of 60: --set-resources train:runtime=60; "
                             "or slurm_partition=cpu"),
        ({"runtime": 61, "qos": "special"}, 4, None),
        ({"runtime": 240, "gpu": 1}, 1, "or slurm_partition=long"),
        ({}, 65, "65 CPUs on a node are more than the 64 that one has: --set-threads train=64"),
        ({"mem_mb": 8000}, 1, "mem_mb=8000 is more than the 4000 that a node has"),
        ({"mem_mb": 3000}, 8, "no single kind of node in partition main"),
        ({"gpu": 3}, 1, "3 GPUs on a node are more than the 2 that one has"),
        ({"gpu": 2, "gpu_model": "v100"}, 1, "2 GPUs of model v100 on a node are more than the 0"),
        ({"gpu": 8, "nodes": 4}, 1, None),
        ({"slurm_partition": "long", "gpu": 6}, 1, None),
        ({"slurm_partition": "long,cpu", "runtime": 100000}, 1, None),
        ({"slurm_partition": "nowhere", "runtime": 100000}, 1, None),
    ],
)  # fmt: skip
def test_what_no_partition_can_run_is_named_with_what_to_change(resources, threads, says):
    text = problem("train", sbatch_options("train", resources, threads), parse(SINFO))
    if says is None:
        assert text is None
    else:
        assert text is not None
        assert text.startswith("rule train, partition ")
        assert says in text


def test_what_of_all_jobs_cannot_run_is_said_at_once_with_the_lines_of_a_profile():
    def asked(rule, threads, **resources):
        return rule, sbatch_options(rule, resources, threads)

    nodes = parse(SINFO)
    jobs = [asked("a", 65, runtime=90), asked("b", 65), asked("c", 1), asked("d", 1, gpu=1, slurm_partition="cpu")]
    assert plan(jobs, nodes).splitlines() == [
        "By sinfo, no node of their partitions can run these jobs as they are:",
        "  partition main: runtime=90 minutes is more than its time limit of 60: a",
        "  partition main: 65 CPUs on a node are more than the 64 that one has: a, b",
        "  partition cpu: 1 GPUs on a node are more than the 0 that one has: d",
        "Lines of the profile that mend it; --set-resources would replace all that the profile's says:",
        "max-threads: 64",
        "set-resources:",
        "  a: {runtime: 60}",
    ]
    assert "set-threads:\n  b: 64" in plan([*jobs[1:3], asked("e", 100, slurm_partition="cpu")], nodes)
    assert plan([jobs[2], asked("e", 1, slurm_partition="nowhere")], nodes) == plan(jobs, []) == ""


def test_without_an_answer_nothing_is_refused():
    assert problem("train", sbatch_options("train", {"runtime": 10**6}, 1), parse("")) is None


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        ("PENDING", "PartitionTimeLimit", "lower runtime"),
        ("PENDING", "AssocMaxWallDurationPerJobLimit", "lower runtime"),
        ("PENDING", "QOSMinGRES", "gpu, qos or slurm_partition"),
        ("PENDING", "QOSGrpGRES", "when they end"),
        ("PENDING", "PartitionDown", "closed"),
        ("PENDING", "launch failed requeued held", "scontrol release 7"),
        ("PENDING", "JobHeldUser", "scontrol release 7"),
        ("REQUEUE_HOLD", "None", "scontrol release 7"),
        ("PENDING", "Priority", ""),
        ("PENDING", "Resources", ""),
        ("RUNNING", "None", ""),
    ],
)
def test_a_job_that_waits_is_explained(state, reason, says):
    text = advice.on(state, reason, "7")
    assert says in text
    assert bool(text) == bool(says)


def test_resources_of_the_official_executor_are_honoured_or_named():
    assert unknown({"slurm_partition": "gpu", "slurm_account": "lab", "mem_mb": 5, "qos": "x"}) == []
    assert "mpi has no effect" in unknown({"mpi": "srun"})[0]
    assert "clusters has no effect" in unknown({"clusters": "north"})[0]
    options = sbatch_options("train", {"gpu": 4, "tasks_per_gpu": 1}, 1)
    assert options["ntasks-per-gpu"] == 1
    assert "requeue" not in sbatch_options("train", {"slurm_extra": "--no-requeue"}, 1)


def test_finished_members_of_a_group_are_left_out():
    words = ["--target-jobs", "a:", "b:x=1", "--allowed-rules", "a", "b", "--cores", "1"]
    assert targets_to_do(words, ["a:"]) == ["--target-jobs", "b:x=1", *words[3:]]
    assert targets_to_do(words, ["a"]) == words
