"""Start the ranks of a training, the processes that share a batch, on this machine or on every node of a SLURM job.

A training is started once, as `sensorium --ranks N ...`. On one node, torchrun's agent starts N copies of that
command. In a job with several nodes, srun first starts the command on each node, and the agent there starts its ranks.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from torch.distributed import DistNetworkError, DistStoreError
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from sensorium.config import ConfigurationError
from sensorium.exits import MEANINGS, PEER_LOST
from sensorium.training.interrupt import OF_SCHEDULERS, SIGNALS
from sensorium.training.pulse import VARIABLE, Watch

KNOWN_EXITS = tuple(code for code in MEANINGS if code)  # after one of these, the rank's own message names the reason
MEETING_SECONDS = 900
LAST_NODE_SECONDS = 30  # for rank 0 to save, after the first node has ended


class RankDied(Exception):
    """A rank died of a signal or with an unknown exit code; the others were stopped."""

    exit_code = 1


def launch(ranks: int, arguments: Sequence[str]) -> int:
    """Run `sensorium ARGUMENTS` as several ranks; return their exit code.

    Args:
        ranks: over all nodes.
        arguments: of the command line, without the program's name.

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
        return _on_every_node(nodes, arguments)
    return _on_this_node(ranks, nodes, arguments)


def _on_this_node(ranks: int, nodes: int, arguments: Sequence[str]) -> int:
    """Start this node's ranks and wait for them."""
    # _pass_on sends signals to the ranks. Torch would handle them too, and kill the ranks after 30 s, during a save.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # a failure is named below, once
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = tempfile.TemporaryDirectory(prefix="sensorium-pulse-", ignore_cleanup_errors=True)
    os.environ[VARIABLE] = folder.name
    watch = Watch(Path(folder.name))
    watch.start()
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=ranks // nodes,
        run_id=os.environ.get("SENSORIUM_LAUNCH") or uuid.uuid4().hex,
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
        elastic_launch(config, sys.executable)("-m", "sensorium", *arguments)
    except ChildFailedError as error:
        noted = watch.noted_exit()
        if noted is not None:
            return noted
        return _exit_code(*first_failure(error.failures), ranks, watch.ended)
    except (DistNetworkError, DistStoreError) as error:
        raise RankDied(
            f"the nodes could not meet at {config.rdzv_endpoint} ({error}). MASTER_ADDR names another address or "
            "interface of the first node; see docs/cluster.md"
        ) from error
    finally:
        folder.cleanup()
        os.environ.pop(VARIABLE, None)
        for number in OF_SCHEDULERS:  # at its end the interpreter would let one that comes again end this process
            signal.signal(number, signal.SIG_IGN)
    return 0


def _on_every_node(nodes: int, arguments: Sequence[str]) -> int:
    """Start this command once on each node of the job; return the greatest of their exit codes."""
    environment = os.environ | {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR") or _first_address(),
        "MASTER_PORT": str(_free_port()),
        "SENSORIUM_LAUNCH": uuid.uuid4().hex,  # two trainings of one job have nothing in common
    }
    step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    step += [f"--wait={LAST_NODE_SECONDS}", "--unbuffered", "--export=ALL"]
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):  # which steps do not inherit
        step.append(f"--cpus-per-task={cpus}")
    process = subprocess.Popen([*step, sys.executable, "-m", "sensorium", *arguments], env=environment)
    return process.wait()


def _free_port() -> int:
    """A port that is free now on this node, the job's first, where the ranks meet."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def _first_address() -> str:
    """Address of the job's first node, as SLURM itself reaches it."""
    names = _output_of("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"])
    fields = _output_of("scontrol", "show", "node", "--oneliner", names.split()[0]).split()
    return next(field.removeprefix("NodeAddr=") for field in fields if field.startswith("NodeAddr="))


def _output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise RankDied(f"the nodes of the job could not be found: {error}") from error


def first_failure(failures: Mapping[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """The rank that failed first, and how: one that knows why comes before those that died because it was gone.

    Last come those that only noticed, and those that torchrun's agent then ended.
    """
    followed = {PEER_LOST: 1, -signal.SIGTERM: 2}
    return min(
        failures.items(),
        key=lambda item: (item[1].exitcode not in KNOWN_EXITS, followed.get(item[1].exitcode, 0), item[1].timestamp),
    )


def _exit_code(rank: int, failure: ProcessFailure, ranks: int, hung: Mapping[int, int]) -> int:
    """Exit code of the command after the first failure of a rank."""
    if failure.exitcode in KNOWN_EXITS:
        return failure.exitcode
    if failure.exitcode == PEER_LOST or hung:  # named already: on the node of the other rank, or by the watch here
        return RankDied.exit_code
    cause = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    hint = " (out of memory?)" if failure.exitcode == -signal.SIGKILL else ""
    raise RankDied(
        f"rank {rank} of {ranks} ended by {cause}{hint}, the others were stopped; "
        "the same command goes on from the last checkpoint"
    )


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Send a signal on to the children (ranks or srun), which have their own sessions; this process ends with them."""
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                continue
