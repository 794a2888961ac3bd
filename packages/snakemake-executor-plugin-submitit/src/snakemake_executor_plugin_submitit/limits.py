"""What the partitions can run, by sinfo, compared with what a job asks for, before it is submitted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
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


@dataclass(frozen=True)
class Check:
    """One thing that a job asks for.

    Attributes:
        name: of the resource; empty for threads.
        says: the problem; {most} stands for what a node has.
        fails: whether a kind of node does not have it.
        most: what a kind of node has of it.
        hint: what else can be changed.
    """

    name: str
    says: str
    fails: Callable[[Nodes], bool]
    most: Callable[[Nodes], int]
    hint: str = ""

    def best(self, nodes: list[Nodes]) -> int:
        """The most that one of the nodes has."""
        return max(self.most(each) for each in nodes)

    def problem(self, nodes: list[Nodes]) -> str:
        """What is wrong."""
        return self.says.format(most=self.best(nodes))

    def option(self, rule: str, nodes: list[Nodes]) -> str:
        """The option of Snakemake that mends it."""
        return f"{f'--set-resources {rule}:{self.name}' if self.name else f'--set-threads {rule}'}={self.best(nodes)}"


Options = Mapping[str, str | int | bool]


def problem(rule: str, options: Options, nodes: list[Nodes]) -> str | None:
    """Why no partition that a job names can ever run it, and what to change; None if one can, or nobody knows.

    Args:
        rule: name of the rule, for the message.
        options: of sbatch.
        nodes: of all partitions.
    """
    mine, checks, failing = _failing(options, nodes)
    if failing is None:
        return None
    texts = []
    other = sorted({each.partition for each in nodes if not any(check.fails(each) for check in checks)})
    there = f"; or slurm_partition={other[0]}, which can run it" if other else ""
    for check in failing:
        texts.append(f"{check.problem(mine)}: {check.option(rule, mine)}{check.hint}{there}")
    names = ", ".join(sorted({each.partition for each in mine}))
    return f"rule {rule}, partition {names}: " + "; ".join(texts or [_no_single_kind(names)])


def plan(asked: Iterable[tuple[str, Options]], nodes: list[Nodes]) -> str:
    """What of many jobs no partition can run, with the lines of a profile that mend it; empty if all can be run.

    Args:
        asked: rule and options of sbatch of each job.
        nodes: of all partitions.
    """
    problems: dict[str, dict[str, None]] = {}  # problem -> rules
    threads: dict[str, int] = {}
    resources: dict[str, dict[str, int]] = {}
    others = 0  # the most CPUs of a job that can run
    for rule, options in asked:
        mine, _, failing = _failing(options, nodes)
        if failing is None:
            others = max(others, _cpus(options))
            continue
        names = ", ".join(sorted({each.partition for each in mine}))
        for text in [check.problem(mine) for check in failing] or [_no_single_kind(names)]:
            problems.setdefault(f"partition {names}: {text}", {})[rule] = None
        for check in failing:
            if check.name and check.best(mine):
                resources.setdefault(rule, {})[check.name] = check.best(mine)
            elif not check.name:
                threads[rule] = check.best(mine)
    if not problems:
        return ""
    lines = ["By sinfo, no node of their partitions can run these jobs as they are:"]
    lines += [f"  {text}: {', '.join(rules)}" for text, rules in problems.items()]
    return "\n".join(lines + _profile(threads, resources, others))


def _profile(threads: Mapping[str, int], resources: Mapping[str, Mapping[str, int]], others: int) -> list[str]:
    """The lines of a profile, with a heading; none if there is nothing to write."""
    lines = []
    if threads and min(threads.values()) == max(threads.values()) >= others:
        lines.append(f"max-threads: {max(threads.values())}")
    elif threads:
        lines += ["set-threads:", *(f"  {rule}: {number}" for rule, number in threads.items())]
    if resources:
        lines.append("set-resources:")
    for rule, values in resources.items():
        lines.append(f"  {rule}: {{{', '.join(f'{name}: {value}' for name, value in values.items())}}}")
    heading = "Lines of the profile that mend it; --set-resources would replace all that the profile's says:"
    return [heading, *lines] if lines else []


def _no_single_kind(names: str) -> str:
    return f"no single kind of node in partition {names} has all that it asks for: see `sinfo -N -o '%P %c %m %G'`"


def _failing(options: Options, nodes: list[Nodes]) -> tuple[list[Nodes], list[Check], list[Check] | None]:
    """A job's nodes, what it asks for, and what none of them has; None in its place if one of them can run the job."""
    wanted = {part for part in str(options.get("partition", "")).split(",") if part}
    mine = [each for each in nodes if (each.partition in wanted if wanted else each.default)]
    checks = _checks(options)
    # sbatch itself names a partition that does not exist
    if not mine or any(not any(check.fails(each) for check in checks) for each in mine):
        return mine, checks, None
    return mine, checks, [check for check in checks if all(check.fails(each) for each in mine)]


def _checks(options: Options) -> list[Check]:
    checks: list[Check] = []
    minutes = options.get("time")
    if isinstance(minutes, int) and "qos" not in options:  # a QOS may lift the partition's limit
        text = f"runtime={minutes} minutes is more than its time limit of {{most}}"
        fails = lambda each: each.minutes is not None and minutes > each.minutes  # noqa: E731
        checks.append(Check("runtime", text, fails, lambda each: each.minutes or 0))
    cpus = _cpus(options)
    if cpus:
        text = f"{cpus} CPUs on a node are more than the {{most}} that one has"
        checks.append(Check("", text, lambda each: cpus > each.cpus, lambda each: each.cpus, " (or --max-threads)"))
    memory = re.fullmatch(r"(\d+)M", str(options.get("mem", "")))
    if memory:
        asked = int(memory[1])
        text = f"mem_mb={asked} is more than the {{most}} that a node has"
        checks.append(Check("mem_mb", text, lambda each: asked > each.memory_mb, lambda each: each.memory_mb))
    model, _, count = str(options.get("gpus-per-node", "")).rpartition(":")
    if count.isdigit():
        number, kind = int(count), f" of model {model}" if model else ""
        text = f"{number} GPUs{kind} on a node are more than the {{most}} that one has"
        has = lambda each: each.gpus.get(model, 0)  # noqa: E731
        checks.append(Check("gpu", text, lambda each: number > has(each), has, ", or more nodes"))
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
