"""Ranks: as many processes as torchrun started, one without it. Each holds the whole model and some rows of a batch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """This process among its ranks. Every method is a plain no-op for a single rank."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @classmethod
    def join(cls, device: torch.device) -> World:
        """Meet the other ranks, when torchrun's environment variables say that there are some."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls(device=device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), size, device)

    def leave(self) -> None:
        """Part from the other ranks."""
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files."""
        return self.rank == 0

    def share(self, total: int) -> tuple[int, int]:
        """Rows [start, stop) of a global batch that are this rank's."""
        return self.rank * total // self.size, (self.rank + 1) * total // self.size

    def sum(self, value: Tensor) -> Tensor:
        """Sum of a tensor over ranks."""
        if self.size > 1:
            value = value.detach().clone()
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def same(self, number: int) -> bool:
        """Whether all ranks have the same number."""
        if self.size == 1:
            return True
        extremes = torch.tensor([number, -number], device=self.device)
        dist.all_reduce(extremes, dist.ReduceOp.MAX)
        return bool(extremes[0] == -extremes[1])

    def gather_rows(self, rows: Tensor, start: int, total: int) -> Tensor:
        """All ranks' rows [total, ...] in order, without graph, from this rank's that begin at `start`."""
        if self.size == 1:
            return rows.detach()
        # Ranks may hold unequal numbers of rows, which all_gather refuses; a sum of zero-filled copies does not mind.
        whole = rows.new_zeros(total, *rows.shape[1:], dtype=torch.float32)
        whole[start : start + len(rows)] = rows.detach()
        dist.all_reduce(whole)
        return whole.to(rows.dtype)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over ranks, in one message."""
        if self.size == 1:
            return
        known = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in known]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        for parameter, part in zip(known, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            parameter.grad = part.view_as(parameter)

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            dist.barrier()
