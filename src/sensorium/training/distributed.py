"""The ranks of a training: the processes that torchrun started, or this one alone.

Each rank holds the whole model and computes some rows of every batch.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from sensorium.exits import PEER_LOST
from sensorium.models.out_of_memory import is_out_of_memory
from sensorium.orphans import end_with_parent
from sensorium.training.pulse import beat, rest

CPU = torch.device("cpu")
# A node that vanishes closes no connection: the system asks it every few seconds, and gives up after SILENT_NODE.
ASKED_SECONDS, SILENT_NODE_SECONDS = 5, 25


class RankLostError(Exception):
    """Another rank is gone. Its own message and exit code say why; this exit code is for the launcher alone."""

    exit_code = PEER_LOST


@dataclass(frozen=True)
class Ranks:
    """The ranks of a training, seen from one of them. With a single rank, no method communicates.

    Attributes:
        rank: number of this process, from 0.
        count: number of ranks.
        device: where this rank computes.
        meeting: where flags and numbers are exchanged: on the CPU, so that no rank waits until its GPU is idle;
            between nodes on the GPU, because NCCL finds a network by itself and gloo needs to be given one.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = CPU
    meeting: torch.device = CPU

    @classmethod
    def join(cls, device: torch.device) -> Ranks:
        """Join the process group, if torchrun's environment variables announce more than one rank."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls(device=device)
        end_with_parent()  # the launcher; without it nobody would stop the ranks, and the next launch would meet them
        one_node = os.environ.get("LOCAL_WORLD_SIZE") == str(count)
        gpu = "cpu:gloo,cuda:nccl" if one_node else "nccl"
        beat(int(os.environ["RANK"]))
        with _peers():
            dist.init_process_group(gpu if device.type == "cuda" else "gloo")
        notice_lost_nodes()
        return cls(dist.get_rank(), count, device, CPU if one_node else device)

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """Leave, unless the work failed: the others would notice, and fail before this one has its exit code."""
        if kind is None:
            self.leave()
        rest()

    def leave(self) -> None:
        """Leave the process group."""
        if self.count > 1:
            dist.destroy_process_group()

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files."""
        return self.rank == 0

    def share(self, total: int) -> tuple[int, int]:
        """The rows [start, stop) of a global batch of `total` rows that this rank computes."""
        return self.rank * total // self.count, (self.rank + 1) * total // self.count

    def sum(self, value: Tensor) -> Tensor:
        """Sum of a tensor over the ranks."""
        if self.count > 1:
            value = value.detach().clone()
            _all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.count == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.meeting)) > 0)

    def agree_on(self, number: int) -> bool:
        """Whether all ranks have the same number."""
        if self.count == 1:
            return True
        extremes = torch.tensor([number, -number], device=self.meeting)
        _all_reduce(extremes, dist.ReduceOp.MAX)
        return bool(extremes[0] == -extremes[1])

    def gather_rows(self, rows: Tensor, start: int, total: int) -> Tensor:
        """The rows of all ranks in order, [total, ...], detached from the graph.

        Args:
            rows: of this rank.
            start: place of the first of them in the global batch.
            total: rows of the global batch.
        """
        if self.count == 1:
            return rows.detach()
        # all_gather needs as many rows on each rank; a sum of zero-padded copies does not.
        whole = rows.new_zeros(total, *rows.shape[1:], dtype=torch.float32)
        whole[start : start + len(rows)] = rows.detach()
        _all_reduce(whole)
        return whole.to(rows.dtype)

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter], flat: Tensor) -> None:
        """Replace every gradient by its sum over the ranks, in one all-reduce of `flat_gradients`."""
        _all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.count > 1:
            with _peers():
                dist.barrier()


def flat_gradients(parameters: Sequence[torch.nn.Parameter]) -> Tensor:
    """The gradients of all parameters one after the other, [numbers]; zeros where there is none."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])


def _all_reduce(tensor: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> None:
    """Sum, or the like, over the ranks, in place.

    Raises:
        RankLostError: if another rank is gone.
    """
    with _peers():
        dist.all_reduce(tensor, operation)


@contextmanager
def _peers() -> Iterator[None]:
    """A context in which an error of torch's communication is a RankLostError."""
    try:
        yield
    except RuntimeError as error:  # also torch's DistError
        if is_out_of_memory(error):
            raise
        raise RankLostError(f"another rank is gone, whose own message says why ({error})") from error


def notice_lost_nodes() -> None:
    """Let every connection of this process that is open now end when the other node has vanished."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            connection = socket.socket(fileno=os.dup(int(entry.name)))  # options belong to the socket, not to its copy
        except OSError:  # no socket, or the listing's own file
            continue
        with connection:
            if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type == socket.SOCK_STREAM:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for option, value in (
                    (socket.TCP_KEEPIDLE, ASKED_SECONDS),
                    (socket.TCP_KEEPINTVL, ASKED_SECONDS),
                    (socket.TCP_KEEPCNT, SILENT_NODE_SECONDS // ASKED_SECONDS - 1),
                    (socket.TCP_USER_TIMEOUT, 1000 * SILENT_NODE_SECONDS),  # for what was sent and not answered
                ):
                    connection.setsockopt(socket.IPPROTO_TCP, option, value)
