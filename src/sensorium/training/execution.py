"""How a stage runs, as opposed to what it computes: device, precision, micro-batch, workers, minutes."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import shutil
import sysconfig
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import nn

from sensorium.config import ConfigurationError

log = logging.getLogger(__name__)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
# What may name a compiler, and the usual ones.
_COMPILERS = {"cuda": ("CC", ("gcc", "clang")), "cpu": ("CXX", ("g++", "clang++"))}
_KINDS_OF_PASSES = 64  # that a module may be compiled for; what comes beyond runs uncompiled
_ROUNDING = 1e-3  # float32 sums of 256 products below 1 err by 1e-4 at most, with factors in bfloat16 by 0.05 and more


@dataclass(frozen=True)
class Execution:
    """Settings of profiles and of the command line; none of them belongs to the experiment."""

    device: str = "auto"
    micro_batch: int = 0
    precision: str = "auto"
    workers: int = 0
    threads: int = 0
    max_minutes: float = 0.0
    checkpoint_minutes: float = 5.0
    compile: str = "auto"

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> Execution:
        """Pick the execution settings out of parsed arguments."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})

    def prepare(self) -> torch.device:
        """Set threads and exact arithmetic for this process; return the device to work on.

        Raises:
            ConfigurationError: if CUDA is asked for and there is none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigurationError("--device cuda: no CUDA device is visible here; use --device auto or cpu")
        if self.threads:  # of this node's job, whose ranks share them
            torch.set_num_threads(max(1, self.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
        keep_freed_memory()
        # A resumed run must repeat the bits of an uninterrupted one, so sums are made in a fixed order.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_deterministic_debug_mode("warn")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if self.device == "cpu" or not torch.cuda.is_available():
            multiply_by_onednn()
            return torch.device("cpu")
        # The same, told to the compiler too; it takes a second to load, so programs on a CPU do without.
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_float32_matmul_precision("high")
        rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if rank >= count:
            raise ConfigurationError(f"rank {rank} of this node has no GPU: {count} visible; lower --ranks")
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
        return device

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Mixed precision: bfloat16 on CUDA unless told otherwise, float32 on a CPU unless asked for."""
        wanted = self.precision == "bf16" or (self.precision == "auto" and device.type == "cuda")
        return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()

    def compiles(self, device: torch.device) -> bool:
        """Whether modules are compiled: on CUDA unless told otherwise, if it can be done there.

        Raises:
            ConfigurationError: if it is asked for and cannot be done.
        """
        if self.compile == "off" or (self.compile == "auto" and device.type != "cuda"):
            return False
        compilers = _COMPILERS[device.type]
        if not _can_compile(*compilers):
            needs = f"{' or '.join(compilers[1])}, and the headers of Python (apt-get install g++ python3-dev)"
            if self.compile == "on":
                raise ConfigurationError(f"to compile models torch needs {needs}; or leave --compile off")
            log.warning("models run uncompiled: to compile them torch needs %s", needs)
            return False
        return True

    def compile_modules(self, modules: list[nn.Module], device: torch.device) -> None:
        """Have torch.compile replace the forward of modules, where they are to be compiled (`compiles`)."""
        if self.compiles(device):
            torch._dynamo.config.recompile_limit = _KINDS_OF_PASSES
            for module in modules:  # on a CPU C++ calls the kernels: Python would take a tenth of a small model's pass
                module.compile(options={"cpp_wrapper": device.type == "cpu"})


def _can_compile(variable: str, names: tuple[str, ...]) -> bool:
    """Whether torch finds what it builds kernels with on first use: for CUDA, Triton's own driver in C."""
    compilers = [os.environ[variable]] if variable in os.environ else names
    headers = Path(sysconfig.get_paths("posix_prefix")["include"])
    return any(map(shutil.which, compilers)) and (headers / "Python.h").exists()


def multiply_by_onednn() -> None:
    """Have oneDNN multiply matrices on a CPU, where it does so in full float32: on AMD it is twice as fast as MKL.

    Torch has no switch for that but the precision "medium", which allows products of bfloat16, too. oneDNN takes those
    where the CPU has matrix units for them (AMX); there a product shows it, and MKL is left to do the work. The
    few rows of one small dream are as fast by MKL, or a little faster.
    """
    torch.set_float32_matmul_precision("medium")
    x = torch.linspace(-1, 1, 256 * 256).sin().reshape(256, 256)
    if not torch.allclose(x @ x, (x.double() @ x.double()).float(), rtol=0, atol=_ROUNDING):
        torch.set_float32_matmul_precision("highest")


def keep_freed_memory() -> None:
    """Tell the GNU allocator to keep what tensors free: given back at once, it would be asked for in the next step.

    The page faults of that cost about a tenth of a training step on a CPU. Other allocators are left alone.
    """
    with suppress(OSError, AttributeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        allocator.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the execution settings to a stage's arguments."""
    default = Execution()
    group = parser.add_argument_group("execution", "these change speed, never what is learned")
    add = group.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device, help="auto: CUDA where there is one")
    add("--micro-batch", type=_count, default=default.micro_batch, help="rows a pass; 0: the most that fits")
    add("--precision", choices=("auto", "fp32", "bf16"), default=default.precision, help="auto: bf16 on CUDA")
    add("--workers", type=_count, default=default.workers, help="processes that read data ahead")
    add("--threads", type=_count, default=default.threads, help="CPU threads; 0: as torch chooses")
    add("--max-minutes", type=_minutes, default=default.max_minutes, help="save and exit 75 before this; 0: never")
    add("--checkpoint-minutes", type=_minutes, default=default.checkpoint_minutes, help="time between checkpoints")
    add("--compile", choices=("auto", "on", "off"), default=default.compile, help="auto: on CUDA")


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes")
    return value
