"""Out of memory: what counts as it, and work that goes on in smaller pieces."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TypeVar

import torch

from sensorium.config import ConfigurationError
from sensorium.progress import track

log = logging.getLogger(__name__)
Result = TypeVar("Result")
# Of cuBLAS, cuDNN, cuFFT and cuSOLVER, whose errors torch passes on as RuntimeError, and of its allocator on a CPU.
_SIGNS = ("ALLOC_FAILED", "ALLOCATION_FAILED", "out of memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the device or of the machine, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def attempt(work: Callable[[], Result]) -> Result | None:
    """The result of `work`, which is not None; None if memory did not suffice, with the memory of `work` freed."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:  # it holds frames with tensors until this block ends
        if not is_out_of_memory(error):
            raise
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return None


def in_pieces(work: Callable[[int, int], Result], rows: int, size: int, what: str = "rows") -> list[Result]:
    """Results of `work(start, stop)` for all rows in order, `size` rows at a time; out of memory, half as many.

    Lines of progress say how many rows are done; `what` names them.

    Raises:
        ConfigurationError: if not even one row fits.
    """
    results: list[Result] = []
    start = 0
    with closing(track(range(rows), what)) as done:
        while start < rows:
            stop = min(start + size, rows)
            result = attempt(partial(work, start, stop))
            if result is None:
                size = _half(stop - start)
                continue
            results.append(result)
            for _ in range(start, stop):
                next(done)
            start = stop
    return results


def _half(rows: int) -> int:
    if rows == 1:
        raise ConfigurationError(
            "--device: out of memory with a single row a pass; use a device with more memory, --device cpu, or a "
            "smaller model or window"
        )
    log.warning("out of memory with %d rows a pass: going on with %d", rows, rows // 2)
    return rows // 2
