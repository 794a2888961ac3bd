"""How a stage runs, not what it computes: device, precision, micro-batch, recomputation, workers, minutes."""

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
from sensorium.models.precision import forbid_tf32

log = logging.getLogger(__name__)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
# the environment variable that names a compiler, and the usual compilers
_COMPILERS = {"cuda": ("CC", ("gcc", "clang")), "cpu": ("CXX", ("g++", "clang++"))}
_COMPILED_VERSIONS = 64  # of a module, for different shapes and modes of its inputs; further ones run uncompiled
_READERS = 4  # that read ahead for one GPU; the main process needs a core for itself
_SHARED_MEMORY = Path("/dev/shm")  # through which readers hand batches over; 64 MB in a container, if none says more
_READ_AHEAD_BYTES = 2**30  # two batches a reader
_ROUNDING = 1e-3  # a sum of 256 products below 1 is off by at most 1e-4 in float32, by 0.05 and more in bfloat16


@dataclass(frozen=True)
class Execution:
    """Settings of profiles and of the command line. None of them changes the experiment."""

    device: str = "auto"
    micro_batch: int = 0
    precision: str = "auto"
    workers: int | None = None
    threads: int = 0
    max_minutes: float = 0.0
    checkpoint_minutes: float = 5.0
    compile: str = "auto"
    recompute: str = "auto"
    replay: int | None = None

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> Execution:
        """The execution settings among parsed arguments."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls) if hasattr(args, field.name)})

    def prepare(self) -> torch.device:
        """Set threads and exact arithmetic for this process; return the device to work on.

        Raises:
            ConfigurationError: if CUDA is requested and there is none, or a job of SLURM holds a GPU in vain.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigurationError("--device cuda: no CUDA device is visible here; use --device auto or cpu")
        if self.device == "auto" and not torch.cuda.is_available():
            _refuse_to_hold_a_gpu()
        if self.threads:  # of the whole node; its ranks share them
            torch.set_num_threads(max(1, self.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
        keep_freed_memory()
        # A resumed run must give the same bits as an uninterrupted one, so the order of sums must be fixed.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_deterministic_debug_mode("warn")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if self.device == "cpu" or not torch.cuda.is_available():
            multiply_by_onednn()
            return torch.device("cpu")
        # This sets it for the compiler too, which takes a second to load; programs on a CPU do not need it.
        torch.use_deterministic_algorithms(True, warn_only=True)
        forbid_tf32()
        rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if rank >= count:
            raise ConfigurationError(f"rank {rank} of this node has no GPU: {count} visible; lower --ranks")
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
        return device

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Mixed precision: by default bfloat16 on CUDA and float32 on a CPU."""
        wanted = self.precision == "bf16" or (self.precision == "auto" and device.type == "cuda")
        return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()

    def readers(self, device: torch.device) -> int:
        """Processes that read batches ahead: by default some on CUDA, where the GPU would wait for each batch."""
        if self.workers is not None or device.type != "cuda":
            return self.workers or 0
        free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.exists() else 0
        if free < _READ_AHEAD_BYTES:  # a reader would be killed where it writes beyond the end
            log.warning("batches are not read ahead: %s has %d MB free; see --workers", _SHARED_MEMORY, free // 2**20)
            return 0
        cores = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return min(_READERS, max(0, cores - 1))

    def compiles(self, device: torch.device) -> bool:
        """Whether modules are compiled: by default on CUDA, if a compiler is found.

        Raises:
            ConfigurationError: if compiling is requested and no compiler is found.
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
        """Compile the forward of modules, if `compiles` says so."""
        if self.compiles(device):
            torch._dynamo.config.recompile_limit = _COMPILED_VERSIONS
            for module in (
                modules
            ):  # on a CPU kernels are called from C++: calls from Python take a tenth of a small model's pass
                module.compile(options={"cpp_wrapper": device.type == "cpu"})


def _refuse_to_hold_a_gpu() -> None:
    """A job that holds a GPU and sees no CUDA would compute on a CPU for days, and be charged for the GPU."""
    held = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS")
    if held and not os.environ.get("SENSORIUM_ALLOW_CPU"):
        raise ConfigurationError(
            f"this job holds GPU {held} of {os.uname().nodename}, but torch {torch.__version__}, built for CUDA "
            f"{torch.version.cuda}, sees none. CUDA 13 wants an NVIDIA driver of the 580 series or newer (nvidia-smi "
            "shows the node's). To compute on the CPU all the same: export SENSORIUM_ALLOW_CPU=1, or --device cpu"
        )


def _can_compile(variable: str, names: tuple[str, ...]) -> bool:
    """Whether torch finds the compiler and headers that it needs; on CUDA, Triton compiles its driver in C."""
    compilers = [os.environ[variable]] if variable in os.environ else names
    headers = Path(sysconfig.get_paths("posix_prefix")["include"])
    return any(map(shutil.which, compilers)) and (headers / "Python.h").exists()


def multiply_by_onednn() -> None:
    """Make oneDNN multiply matrices on a CPU, if it does so in full float32: on AMD it is twice as fast as MKL.

    The only switch that torch has for this is the precision "medium", which also allows products in bfloat16. oneDNN
    uses bfloat16 on a CPU with matrix units for it (AMX). A test product detects that, and MKL is used instead. For
    the few rows of a small dream, MKL is as fast as oneDNN or a little faster.
    """
    torch.set_float32_matmul_precision("medium")
    x = torch.linspace(-1, 1, 256 * 256).sin().reshape(256, 256)
    if not torch.allclose(x @ x, (x.double() @ x.double()).float(), rtol=0, atol=_ROUNDING):
        torch.set_float32_matmul_precision("highest")


def keep_freed_memory() -> None:
    """Make the GNU allocator keep the memory that tensors free, because the next step needs it again.

    Returning it to the system costs page faults, about a tenth of a training step on a CPU. Other allocators stay as
    they are.
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
    add(
        "--workers",
        type=_readers,
        metavar="N",
        help="processes that read data ahead; auto, the default: up to 4 on CUDA",
    )
    add("--threads", type=_count, default=default.threads, help="CPU threads; 0: as torch chooses")
    add("--max-minutes", type=_minutes, default=default.max_minutes, help="save and exit 75 before this; 0: never")
    add("--checkpoint-minutes", type=_minutes, default=default.checkpoint_minutes, help="time between checkpoints")
    add("--compile", type=_switch, choices=("auto", "on", "off"), default=default.compile, help="auto: on CUDA")
    add(
        "--recompute",
        type=_switch,
        choices=("auto", "on", "off"),
        default=default.recompute,
        help="activations of transformers for their gradients, to keep fewer; auto: where one row does not fit",
    )


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the execution settings to the arguments of a stage that trains."""
    add_arguments(parser)
    parser.add_argument(
        "--replay",
        type=_count,
        metavar="STEP",
        help="train nothing: repeat a step that was not finite, and print what happens in it",
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _readers(text: str) -> int | None:
    return None if text == "auto" else _count(text)


def _switch(text: str) -> str:
    """YAML takes `on` and `off`, unquoted in a profile, for True and False."""
    return {"true": "on", "false": "off"}.get(text.lower(), text)


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes")
    return value
