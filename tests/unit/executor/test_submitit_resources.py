"""Standard resources become the options of sbatch that the official executor makes of them."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_submitit.resources import ResourceError, cpus_per_task, sbatch_options

ALWAYS = {"nodes": 1, "requeue": True, "ntasks-per-node": 1}


@pytest.mark.parametrize(
    ("resources", "options"),
    [
        ({}, {"cpus-per-task": 4}),
        (
            {"slurm_partition": "gpu", "slurm_account": "lab"},
            {"partition": "gpu", "account": "lab", "cpus-per-task": 4},
        ),
        ({"runtime": 90, "mem_mb": 8000}, {"time": 90, "mem": "8000M", "cpus-per-task": 4}),
        ({"mem_mb_per_cpu": 500, "mem_mb": 8000}, {"mem-per-cpu": "500M", "cpus-per-task": 4}),
        ({"cpus_per_task": 7}, {"cpus-per-task": 7}),
        ({"cpus_per_task": -1}, {}),
        ({"gpu": 0}, {"cpus-per-task": 4}),
        ({"gpu": 2}, {"gpus-per-node": "2", "cpus-per-task": 4}),
        ({"gpu_model": "a100"}, {"gpus-per-node": "a100:1", "cpus-per-task": 4}),
        ({"gpu": 8, "gpu_model": "a100", "nodes": 2}, {"nodes": 2, "gpus-per-node": "a100:4", "cpus-per-task": 4}),
        ({"gpu": 1, "cpus_per_gpu": 6}, {"gpus-per-node": "1", "cpus-per-gpu": 6}),
        (
            {"gres": "shard:4", "constraint": "a100&nvl"},
            {"gres": "shard:4", "constraint": "a100&nvl", "cpus-per-task": 4},
        ),
        ({"qos": "long", "reservation": "course"}, {"qos": "long", "reservation": "course", "cpus-per-task": 4}),
        ({"slurm_extra": "--nice=5 --exclusive"}, {"nice": "5", "exclusive": True, "cpus-per-task": 4}),
        (
            {"slurm_extra": "'--mail-user=a@b --mail-type=END'"},
            {"mail-user": "a@b", "mail-type": "END", "cpus-per-task": 4},
        ),
    ],
)
def test_options(resources, options):
    assert sbatch_options("train", resources, threads=4) == ALWAYS | options


def test_a_number_of_tasks_takes_the_place_of_one_for_each_node():
    options = sbatch_options("mpi", {"tasks": 6, "nodes": 2}, threads=1)
    assert options["ntasks"] == 6
    assert "ntasks-per-node" not in options


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        ({"nodes": 0}, "nodes=0"),
        ({"nodes": "two"}, "nodes='two'"),
        ({"gpu": 3, "nodes": 2}, "gpu=3 on nodes=2"),
        ({"gpu": 1, "gpu_model": "a100:8"}, "gpu_model='a100:8'"),
        ({"mem_mb": "8G"}, "mem_mb='8G'"),
        ({"slurm_extra": "-w node1"}, "long form"),
        ({"slurm_extra": "--signal=USR1@60"}, "--signal is set by the executor"),
    ],
)
def test_what_cannot_be_is_named_with_its_rule(resources, named):
    with pytest.raises(ResourceError, match="rule train") as error:
        sbatch_options("train", resources, threads=1)
    assert named in str(error.value)


def test_steps_get_the_cpus_of_their_job():
    assert cpus_per_task({"cpus-per-task": 8}) == ["--cpus-per-task=8"]
    assert cpus_per_task({"nodes": 1}) == []
