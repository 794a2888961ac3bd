"""Training steps and dreams of our dynamics and of lucidrains' dreamer4, on the same windows, as a table.

    python benchmarks/dynamics.py --size CPU-S --compile
    python benchmarks/dynamics.py --size CPU-M --contexts 16 64 --frames 4
    python benchmarks/dynamics.py --size H200-M --device cuda --compile

The peer is installed in its own environment, which shares torch with ours; without it, only ours is measured:

    python -m venv /tmp/peer
    python -c "import site; print(site.getsitepackages()[0])" > /tmp/peer/lib/python3.11/site-packages/shared.pth
    /tmp/peer/bin/pip install dreamer4==0.20.2
    PYTHONPATH=src /tmp/peer/bin/python benchmarks/dynamics.py

The sides take turns in every round, so other work on the machine affects both. A CPU computes in fp32 on one thread, a
GPU in bf16. On a CPU each side multiplies as its own program does: ours by oneDNN where that is exact, the peer's by
MKL (its attention would be ten times slower with oneDNN). The limits of the machine are measured in the same rounds:
the matrix products of each side's own flow step and frame without anything between them, and the rate of one large
product. A training step is the step of each side's own learner on T frames: ours reads T - 1 frames and denoises T - 1
frames, each given its own past; the peer's processes T frames with a noise level each. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from contestants import Side, Size, Stamp, clock, contestants
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

SIZES = {
    "CPU-S": Size(dim=128, layers=4, heads=2, tokens=16, rows=4, frames=8),
    "CPU-M": Size(dim=256, layers=8, heads=4, tokens=64, rows=2, frames=16),
    "H200-M": Size(dim=768, layers=16, heads=12, tokens=256, rows=4, frames=32),
    "H200-L": Size(dim=2048, layers=32, heads=16, tokens=256, rows=4, frames=32),
}
SHARES = {"flow": 0.0, "quarter": 0.25, "shortcut": 1.0}
Times = dict[tuple[str, str], list[tuple[float, float]]]  # (side, work) -> wall and CPU seconds of each time


class Products(TorchDispatchMode):
    """Records the matrix products and convolutions computed under it, forward and backward, to repeat them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in {"mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward"}:
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    @torch.no_grad()
    def again(self) -> None:
        """Repeat all of them, with nothing between."""
        for func, args, kwargs in self.calls:
            func(*args, **kwargs)

    @classmethod
    def of_frame(cls, side: Side, context: int) -> Products:
        """Those of the second frame that a side dreams after a context."""
        with cls() as found:
            marks = [int(made) for made, _ in side.dream(context, 2, lambda: (len(found.calls), 0))]
        found.calls = found.calls[marks[1] : marks[2]]
        return found


def seconds(work: Callable[[], object], stamp: Stamp) -> tuple[float, float]:
    """Wall and CPU time of a piece of work."""
    began = stamp()
    work()
    ended = stamp()
    return ended[0] - began[0], ended[1] - began[1]


def peak(work: Callable[[], object], device: torch.device) -> float:
    """Peak memory of a piece of work beyond the present one, in MB; on a CPU measured in a forked process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    reader, writer = os.pipe()
    if not (child := os.fork()):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        work()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writer, str((most - pages * os.sysconf("SC_PAGE_SIZE")) / 1e6).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return float(text or "nan")


def measure(sides: list[Side], args: argparse.Namespace) -> tuple[Times, dict[str, Any], float]:
    """Times of all work of all sides, the FLOP of each side's flow step, and the best rate in FLOP a second."""
    stamp, times, facts = clock(args.device), defaultdict(list), {}
    products: dict[tuple[str, str | int], Products] = {}
    for side in sides:  # memory first: a process that has trained cannot be forked safely
        if side.compiled:
            continue  # the compiler's own memory would be measured
        facts[side.name, "step"] = peak(lambda side=side: [side.step(share) for share in (0.0, 1.0)], args.device)
        for context in args.contexts:
            facts[side.name, context] = peak(lambda s=side, c=context: s.dream(c, 1, stamp), args.device)
    for side in sides:
        torch.set_float32_matmul_precision(side.products)
        for share in (0.0, 0.25, 1.0, 0.0):
            side.step(share)
        if side.compiled:  # the same work, in kernels that cannot be counted
            products |= {(side.name, work): made for (name, work), made in products.items() if name == "sensorium"}
            facts[side.name, "flop"] = facts["sensorium", "flop"]
        else:
            with FlopCounterMode(display=False) as counter:
                side.step(0.0)
            with Products() as products[side.name, "step"]:
                side.step(0.0)
            products |= {(side.name, context): Products.of_frame(side, context) for context in args.contexts}
            facts[side.name, "flop"] = counter.get_total_flops()
        for context in args.contexts if side.compiled else (2,):  # each is compiled for itself
            side.dream(context, args.frames + 1, stamp)
    wide = 1024 if args.device.type == "cpu" else 8192
    square = torch.randn(wide, wide, device=args.device, dtype=None if wide == 1024 else torch.bfloat16)
    for turn in range(args.rounds):
        for name in ("highest", *({side.products for side in sides} - {"highest"})):
            torch.set_float32_matmul_precision(name)
            times["machine", "product"].append(seconds(lambda: square @ square, stamp))
        for work, share in SHARES.items():
            for side in sides[:: 1 if turn % 2 else -1]:
                if share == 0.25 and side.name == "lucidrains":
                    continue  # it flips whole batches: every fourth step is a shortcut step
                torch.set_float32_matmul_precision(side.products)
                for _ in range(args.steps):
                    times[side.name, work].append(seconds(lambda s=side, p=share: s.step(p), stamp))
                    if not share:
                        times[side.name, "products"].append(seconds(products[side.name, "step"].again, stamp))
        for context in args.contexts:
            for side in sides[:: 1 if turn % 2 else -1]:
                torch.set_float32_matmul_precision(side.products)
                stamps = side.dream(context, args.frames + 1, stamp)
                passed = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(stamps)]
                times[side.name, f"first {context}"].append(passed[0])
                times[side.name, f"frame {context}"].extend(passed[1:])
                times[side.name, f"products {context}"].extend(
                    seconds(products[side.name, context].again, stamp) for _ in range(args.frames)
                )
    return times, facts, 2 * wide**3 / min(busy(times["machine", "product"], args.device))


def busy(found: list[tuple[float, float]], device: torch.device) -> list[float]:
    """The times that rates are computed from: on a CPU process seconds, which exclude other work on the machine."""
    return [cpu if device.type == "cpu" else wall for wall, cpu in found]


def quantile(values: list[float], share: float) -> float:
    """The nearest value in order."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def training_table(
    sides: list[Side], times: Times, facts: dict[Any, Any], rate: float, args: argparse.Namespace
) -> str:
    """Markdown: a row a side and kind of step."""
    frames, device = SIZES[args.size].rows * SIZES[args.size].frames, args.device
    lines = [
        "| training step | parameters | wall ms: min, median | CPU ms: min, median | of its flow step | frames/s | "
        "FLOP use | products alone, ms | times those | peak MB |\n" + "|---|" + "---|" * 9
    ]
    for side in sides:
        alone = min(busy(times[side.name, "products"], device))
        flow = statistics.median(busy(times[side.name, "flow"], device))
        for work, share in SHARES.items():
            found = times[side.name, work] or [  # three flow steps and a shortcut step, where the batch flips as one
                tuple(0.75 * a + 0.25 * b for a, b in zip(short, long, strict=True))
                for short, long in zip(times[side.name, "flow"], times[side.name, "shortcut"], strict=True)
            ]
            walls, cpus, used = [wall for wall, _ in found], [cpu for _, cpu in found], busy(found, device)
            use = f"{facts[side.name, 'flop'] / min(used) / rate:.0%}" if work == "flow" else ""
            limit = f"{1e3 * alone:.0f} | {min(used) / alone:.2f}" if work == "flow" else " | "
            most = memory(facts, side.name, "step") if work == "shortcut" else ""
            lines.append(
                f"| {side.name}, bootstrap {share} | {side.parameters / 1e6:.2f} M | {cells(walls)} | {cells(cpus)} | "
                f"{statistics.median(used) / flow:.2f} | {frames / min(used):.0f} | {use} | {limit} | {most} |"
            )
    return "\n".join(lines) + "\n"


def memory(facts: dict[Any, Any], side: str, work: str | int) -> str:
    """Megabytes of a side's work, where they were measured."""
    return f"{facts[side, work]:.0f}" if (side, work) in facts else ""


def cells(values: list[float]) -> str:
    """Milliseconds: the least, the median."""
    return f"{1e3 * min(values):.1f}, {1e3 * statistics.median(values):.1f}"


def dream_table(sides: list[Side], times: Times, facts: dict[Any, Any], args: argparse.Namespace) -> str:
    """Markdown: a row a side and context."""
    lines = [
        "| dream of K = 4 | first frame, ms: min | a frame, CPU ms: min, median | wall ms: p50, p99 | "
        "frames/s | times ours | products alone, ms | times those | peak MB |\n" + "|---|" + "---|" * 8
    ]
    for context in args.contexts:
        ours = statistics.median(busy(times["sensorium", f"frame {context}"], args.device))
        for side in sides:
            walls, cpus = zip(*times[side.name, f"frame {context}"], strict=True)
            first = min(busy(times[side.name, f"first {context}"], args.device))
            found = busy(times[side.name, f"frame {context}"], args.device)
            middle, alone = statistics.median(found), min(busy(times[side.name, f"products {context}"], args.device))
            lines.append(
                f"| {side.name}, context {context} | {1e3 * first:.0f} | {cells(list(cpus))} | "
                f"{1e3 * quantile(list(walls), 0.5):.1f}, {1e3 * quantile(list(walls), 0.99):.1f} | {1 / middle:.1f} | "
                f"{middle / ours:.1f} | {1e3 * alone:.1f} | {min(found) / alone:.2f} | "
                f"{memory(facts, side.name, context)} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="CPU-S")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--compile", action="store_true", help="ours compiled as well, as a side of its own (minutes)")
    parser.add_argument("--contexts", type=int, nargs="+", default=[16, 64, 192])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="training steps of each kind a round")
    parser.add_argument("--frames", type=int, default=16, help="dreamed frames a round, after the first")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    size = SIZES[args.size]
    sides, missing = contestants(size, args.device, args.compile)
    times, facts, rate = measure(sides, args)
    print(f"{args.size} on {args.device}: {size}; one large product: {rate / 1e9:.0f} GFLOP/s\n{missing}")
    print(training_table(sides, times, facts, rate, args))
    print(dream_table(sides, times, facts, args))


if __name__ == "__main__":
    main()
