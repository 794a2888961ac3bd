"""Standard resources of a Snakemake job -> options of sbatch, equal to those of the official SLURM executor."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

# resource -> option with the same value
PLAIN = {
    "slurm_partition": "partition",
    "slurm_account": "account",
    "constraint": "constraint",
    "qos": "qos",
    "reservation": "reservation",
    "gres": "gres",
    "tasks": "ntasks",
    "tasks_per_node": "ntasks-per-node",
    "tasks_per_gpu": "ntasks-per-gpu",
}
# Resources of the official executor that have no effect here -> what to do instead
UNKNOWN = {
    "clusters": "jobs go to the cluster of this login node",
    "cluster": "jobs go to the cluster of this login node",
    "slurm_cluster": "jobs go to the cluster of this login node",
    "mpi": "start the program with srun or mpirun in the rule's own command",
}
# Options that the executor itself sets, to signal, find and follow a job.
OURS = {
    "signal",
    "requeue",
    "array",
    "export",
    "export-file",
    "clusters",
    "wait",
    "test-only",
    "output",
    "error",
    "open-mode",
    "comment",
    "parsable",
    "wrap",
}
MODEL = re.compile(r"[\w.-]+")


class ResourceError(WorkflowError):
    """A resource has a value that no option of sbatch can express."""


def sbatch_options(rule: str, resources: Mapping[str, Any], threads: int) -> dict[str, str | int | bool]:
    """Options of sbatch, without their leading dashes, for a job with these resources.

    Args:
        rule: name of the rule, for messages.
        resources: of the Snakemake job.
        threads: of the Snakemake job.

    Raises:
        ResourceError: names the rule, the resource, its value and what is allowed.
    """
    nodes = _count(rule, resources, "nodes", default=1)
    options: dict[str, str | int | bool] = {"nodes": nodes, "requeue": True}
    for resource, option in PLAIN.items():
        if resources.get(resource):
            options[option] = resources[resource]
    if "ntasks" not in options:
        options.setdefault("ntasks-per-node", 1)
    if resources.get("runtime"):
        options["time"] = _count(rule, resources, "runtime")
    if resources.get("mem_mb_per_cpu"):
        options["mem-per-cpu"] = f"{_count(rule, resources, 'mem_mb_per_cpu')}M"
    elif resources.get("mem_mb"):
        options["mem"] = f"{_count(rule, resources, 'mem_mb')}M"
    gpus = _gpus(rule, resources, nodes)
    if gpus:
        options["gpus-per-node"] = gpus
    options |= _cpus(resources, threads, bool(gpus))
    options |= _extra(rule, resources.get("slurm_extra"))
    if "no-requeue" in options:  # a job that saves its state then goes on in a new one
        del options["requeue"]
    for option, value in options.items():
        if not is_line(f"{option}={value}"):
            raise ResourceError(f"rule {rule}: {option}={value!r}: an option of sbatch is one line of text")
    return options


def unknown(resources: Mapping[str, Any]) -> list[str]:
    """A sentence for each resource of the official executor that has no effect here."""
    return [f"resource {name} has no effect: {what}" for name, what in UNKNOWN.items() if resources.get(name)]


def is_line(text: str) -> bool:
    """Whether text stays in its line of a script; what follows a line break would be run."""
    return text.isprintable()


def cpus_per_task(options: Mapping[str, str | int | bool]) -> list[str]:
    """The option that gives a step of the job its CPUs; since SLURM 22.05 steps do not inherit it."""
    return [f"--{name}={options[name]}" for name in ("cpus-per-task",) if name in options]


def _count(rule: str, resources: Mapping[str, Any], name: str, default: int = 1) -> int:
    value = resources.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ResourceError(f"rule {rule}: {name}={value!r} is not a number of at least 1")
    return value


def _gpus(rule: str, resources: Mapping[str, Any], nodes: int) -> str | None:
    """GPUs of each node, with their type if one is given: `gpu` counts those of the whole job."""
    model, total = resources.get("gpu_model"), resources.get("gpu", 1 if resources.get("gpu_model") else 0)
    if not total:
        return None
    total = _count(rule, {"gpu": total}, "gpu")
    if total % nodes:
        raise ResourceError(f"rule {rule}: gpu={total} on nodes={nodes}: every node needs the same number of GPUs")
    if model and not MODEL.fullmatch(str(model)):
        raise ResourceError(f"rule {rule}: gpu_model={model!r} is not the name of a GPU type, such as a100")
    return f"{model}:{total // nodes}" if model else str(total // nodes)


def _cpus(resources: Mapping[str, Any], threads: int, has_gpus: bool) -> dict[str, str | int | bool]:
    """CPUs of each task: its own resource, or threads. A negative number sets no option; some clusters require that."""
    if has_gpus and resources.get("cpus_per_gpu") and not resources.get("cpus_per_task"):
        name, value = "cpus-per-gpu", resources["cpus_per_gpu"]
    else:
        name, value = "cpus-per-task", resources.get("cpus_per_task") or threads
    return {} if value < 0 else {name: max(1, value)}


def _extra(rule: str, text: str | None) -> dict[str, str | int | bool]:
    """`slurm_extra`: further options in their long form, separated by spaces."""
    arguments = shlex.split(text or "")
    if len(arguments) == 1 and " " in arguments[0]:  # quoted once more for the shell of the official executor
        arguments = shlex.split(arguments[0])
    options: dict[str, str | int | bool] = {}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--"):
            raise ResourceError(
                f"rule {rule}: slurm_extra={text!r}: write {argument!r} in its long form, --option=value"
            )
        if name in OURS:
            raise ResourceError(f"rule {rule}: slurm_extra={text!r}: --{name} is set by the executor; leave it out")
        options[name] = value if equals else True
    return options
