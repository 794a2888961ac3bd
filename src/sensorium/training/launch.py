"""Starting the ranks of a training: processes that share a batch, here or on every node of a SLURM job.

The only place that knows how ranks come to be. A training is started once, as `sensorium --ranks N ...`. On one node,
torchrun's agent starts N copies of that command; in a job with several nodes, srun first starts the command on each of
them, and there the agent starts its share.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from sensorium.config import ConfigurationError
from sensorium.training.interrupt import SIGNALS

KNOWN_EXITS = (2, 65, 70, 74, 75, 78)  # a rank that ends with one of these has said why
MEETING_SECONDS = 900
LAST_NODE_SECONDS = 60


class RankDied(Exception):
    """A rank ended without a reason of its own; the others were stopped."""

    exit_code = 1


def launch(ranks: int, words: Sequence[str]) -> int:
    """Run `sensorium WORDS` as several ranks; return their exit code.

    Args:
        ranks: over all nodes.
        words: of the command line, without the program.

    Raises:
        ConfigurationError: if the nodes of the job cannot have equal numbers of ranks.
        RankDied: names the rank and what ended it.
    """
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    if ranks % nodes:
        raise ConfigurationError(f"--ranks {ranks}: {nodes} nodes cannot have equal numbers of ranks")
    for number in SIGNALS:
        signal.signal(number, _pass_on)
    if nodes > 1 and os.environ.get("SLURM_STEP_NUM_NODES") != str(nodes):
        return _on_every_node(nodes, words)
    return _here(ranks, nodes, words)


def _here(ranks: int, nodes: int, words: Sequence[str]) -> int:
    """Start this node's ranks and wait for them."""
    # Workers are told of signals below; by itself torch would kill them 30 s later, in the middle of a long save.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=ranks // nodes,
        run_id=os.environ.get("SLURM_JOB_ID", uuid.uuid4().hex),
        max_restarts=0,
        monitor_interval=0.5,
        signals_to_handle="SIGHUP",
        # one node: any free port of this machine
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
    )
    if nodes > 1:
        config.rdzv_backend, config.local_addr = "static", None
        config.rdzv_endpoint = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        config.rdzv_configs = {"rank": int(os.environ["SLURM_NODEID"]), "timeout": MEETING_SECONDS}
    try:
        elastic_launch(config, sys.executable)("-m", "sensorium", *words)
    except ChildFailedError as error:
        return _judge(*error.get_first_failure(), ranks)
    return 0


def _on_every_node(nodes: int, words: Sequence[str]) -> int:
    """Start this command once on each node of the job; return the greatest of their exit codes."""
    job = os.environ["SLURM_JOB_ID"]
    environment = os.environ | {"MASTER_ADDR": _first_address(), "MASTER_PORT": str(20000 + int(job) % 10000)}
    step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    step += [f"--wait={LAST_NODE_SECONDS}", "--unbuffered"]
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):  # which steps do not inherit
        step.append(f"--cpus-per-task={cpus}")
    process = subprocess.Popen([*step, sys.executable, "-m", "sensorium", *words], env=environment)
    return process.wait()


def _first_address() -> str:
    """Address of the job's first node, as SLURM itself reaches it."""
    names = _ask("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"])
    fields = _ask("scontrol", "show", "node", "--oneliner", names.split()[0]).split()
    return next(field.removeprefix("NodeAddr=") for field in fields if field.startswith("NodeAddr="))


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise RankDied(f"the nodes of the job could not be found: {error}") from error


def _judge(rank: int, failure: ProcessFailure, ranks: int) -> int:
    """Exit code after the first failure among the ranks."""
    if failure.exitcode in KNOWN_EXITS:
        return failure.exitcode
    cause = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    hint = " (out of memory?)" if failure.exitcode == -signal.SIGKILL else ""
    raise RankDied(
        f"rank {rank} of {ranks} ended by {cause}{hint}, the others were stopped; "
        "the same command goes on from the last checkpoint"
    )


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Tell the ranks, or srun, which stand in sessions of their own; what each of them does then ends this too."""
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                continue
