"""What counts as out of memory, and that work goes on in smaller pieces with the same results."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from sensorium.config import ConfigurationError
from sensorium.evaluation.harness import Bench
from sensorium.models.out_of_memory import attempt, in_pieces, is_out_of_memory
from sensorium.training.execution import Execution

FULL = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
    MemoryError("Unable to allocate 12.0 GiB for an array with shape (240, 256, 3, 128, 128)"),
)
OTHER = (
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 3x4)"),
    OSError("out of memory"),
    KeyboardInterrupt(),
)


@pytest.mark.parametrize("error", FULL, ids=str)
def test_every_library_of_the_gpu_may_run_out_of_memory(error) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_other_errors_are_not_taken_for_it(error) -> None:
    assert not is_out_of_memory(error)


def fail(error: BaseException) -> None:
    raise error


def test_an_attempt_gives_none_or_the_result_or_the_error() -> None:
    assert attempt(lambda: 3) == 3
    assert attempt(lambda: fail(FULL[1])) is None
    with pytest.raises(RuntimeError, match="shapes"):
        attempt(lambda: fail(OTHER[1]))


def small_device(largest: int, sizes: list[int], error: BaseException = FULL[1]):
    """A device whose memory suffices for `largest` rows a pass."""

    def work(start: int, stop: int) -> list[int]:
        sizes.append(stop - start)
        if stop - start > largest:
            raise error
        return list(range(start, stop))

    return work


@pytest.mark.parametrize("rows", [1, 5, 64, 100])
@pytest.mark.parametrize("error", FULL, ids=str)
def test_pieces_halve_until_they_fit(rows, error) -> None:
    sizes: list[int] = []
    parts = in_pieces(small_device(5, sizes, error), rows, 64)
    assert [row for part in parts for row in part] == list(range(rows))
    assert max(map(len, parts)) <= 5
    assert sizes == sorted(sizes[: len(sizes) - len(parts)], reverse=True) + [len(part) for part in parts]


def test_where_one_row_does_not_fit_the_way_out_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"single row.*more memory"):
        in_pieces(small_device(0, []), 8, 8)


def test_an_evaluation_goes_on_with_fewer_rows() -> None:
    bench, sizes = Bench(torch.device("cpu"), Execution(), args=argparse.Namespace()), []

    def network(rows: torch.Tensor) -> torch.Tensor:
        sizes.append(len(rows))
        if len(rows) > 20:
            raise FULL[0]
        return 2 * rows

    values = np.arange(70, dtype=np.float32)
    np.testing.assert_array_equal(bench.map(network, values), 2 * values)
    assert sizes == [64, 32, 16, 16, 16, 16, 6]
