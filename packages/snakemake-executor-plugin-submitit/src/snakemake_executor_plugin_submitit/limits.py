"""What the partitions can run, by sinfo, compared with what a job asks for, before it is submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Nodes:
    """One kind of node in a partition.

    Attributes:
        partition: its name.
        default: whether it is the cluster's default partition.
        minutes: time limit; None if there is none.
        cpus: of a node.
        memory_mb: of a node.
        gpus: of a node, by model; "" sums all.
        up: whether jobs may start there.
    """

    partition: str
    default: bool
    minutes: int | None
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    up: bool


def parse(text: str) -> list[Nodes]:
    """The kinds of nodes in the output of `clients.Slurm.partitions`; lines that cannot be read are left out."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) != 6:
            continue
        name, limit, cpus, memory, gres, state = fields
        try:
            minutes, sizes = _minutes(limit), (_number(cpus), _number(memory))
        except ValueError:
            continue
        found.append(Nodes(name.rstrip("*"), name.endswith("*"), minutes, *sizes, _gpus(gres), state.startswith("up")))
    return found


def problem(rule: str, options: Mapping[str, str | int | bool], nodes: list[Nodes]) -> str | None:
    """Why no partition that a job names can ever run it, and what to change; None if one can, or nobody knows.

    Args:
        rule: name of the rule, for the message.
        options: of sbatch.
        nodes: of all partitions.
    """
    wanted = {part for part in str(options.get("partition", "")).split(",") if part}
    mine = [each for each in nodes if (each.partition in wanted if wanted else each.default)]
    if not mine:
        return None  # sbatch itself names a partition that does not exist
    checks = _checks(rule, options)
    for each in mine:
        if not any(fails(each) for fails, _ in checks):
            return None
    texts = []
    for fails, text in checks:
        if all(fails(each) for each in mine):
            other = sorted({each.partition for each in nodes if not any(test(each) for test, _ in checks)})
            there = f"; or slurm_partition={other[0]}, which can run it" if other else ""
            texts.append(text(mine) + there)
    names = ", ".join(sorted({each.partition for each in mine}))
    if not texts:
        texts = [
            f"no single kind of node in partition {names} has all that it asks for: see `sinfo -N -o '%P %c %m %G'`"
        ]
    return f"rule {rule}, partition {names}: " + "; ".join(texts)


def _checks(rule: str, options: Mapping[str, str | int | bool]) -> list[tuple]:
    checks: list[tuple] = []
    minutes = options.get("time")
    if isinstance(minutes, int) and "qos" not in options:  # a QOS may lift the partition's limit
        checks.append((
            lambda each: each.minutes is not None and minutes > each.minutes,
            lambda mine: f"runtime={minutes} minutes is more than its time limit of "
            f"{max(each.minutes or 0 for each in mine)}: --set-resources {rule}:runtime="
            f"{max(each.minutes or 0 for each in mine)}",
        ))  # fmt: skip
    cpus = _cpus(options)
    if cpus:
        checks.append((
            lambda each: cpus > each.cpus,
            lambda mine: f"{cpus} CPUs on a node are more than the {max(each.cpus for each in mine)} that one has: "
            f"--set-threads {rule}={max(each.cpus for each in mine)} (or --max-threads)",
        ))  # fmt: skip
    memory = re.fullmatch(r"(\d+)M", str(options.get("mem", "")))
    if memory:
        asked = int(memory[1])
        checks.append((
            lambda each: asked > each.memory_mb,
            lambda mine: f"mem_mb={asked} is more than the {max(each.memory_mb for each in mine)} that a node has: "
            f"--set-resources {rule}:mem_mb={max(each.memory_mb for each in mine)}",
        ))  # fmt: skip
    model, _, count = str(options.get("gpus-per-node", "")).rpartition(":")
    if count.isdigit():
        number = int(count)
        checks.append((
            lambda each: number > each.gpus.get(model, 0),
            lambda mine: f"{number} GPUs{f' of model {model}' if model else ''} on a node are more than the "
            f"{max(each.gpus.get(model, 0) for each in mine)} that one has: --set-resources {rule}:gpu="
            f"{max(each.gpus.get(model, 0) for each in mine)}, or more nodes",
        ))  # fmt: skip
    return checks


def _cpus(options: Mapping[str, str | int | bool]) -> int:
    each, tasks = options.get("cpus-per-task"), options.get("ntasks-per-node", 1)
    return int(each) * int(tasks) if each and str(tasks).isdigit() and "ntasks" not in options else 0


def _minutes(text: str) -> int | None:
    """Minutes of SLURM's [days-]hours:minutes:seconds; None for infinite."""
    if text.lower() in ("infinite", "n/a", "unlimited"):
        return None
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    while len(parts) < 3:
        parts.insert(0, 0)
    hours, minutes, _ = parts
    return 1440 * int(days or 0) + 60 * hours + minutes


def _number(text: str) -> int:
    return int(text.rstrip("+"))


def _gpus(gres: str) -> dict[str, int]:
    """GPUs of a node by model, from such as gpu:a100:4(S:0-1),gpu:v100:2."""
    counts: dict[str, int] = {"": 0}
    for model, count in re.findall(r"gpu(?::([\w.-]*[A-Za-z][\w.-]*))?:(\d+)", gres):
        counts[""] += int(count)
        counts[model] = counts.get(model, 0) + int(count) if model else counts[""]
    return counts
