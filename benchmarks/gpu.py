"""The parts of benchmarks/gpu.sh: what only a GPU can show, as one JSON. Nothing is asserted; the JSON is judged.

Each part is written to the file as soon as it ends, and a part that fails leaves its error there, so no part costs
another one its figures. Parts that would not end in time are named under `left_out`.

- precision: loss and gradient of the same weights in bf16 and in fp32.
- compiled: the same, eager and compiled.
- resumed: whether a training that was stopped ends with the bits of one that was not, for each kind of attention.
- rates: training steps and dreamed frames, beside the peer's, and their memory (benchmarks/dynamics.py).
- tests: those marked `gpu`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dynamics as rates
import torch
from contestants import Size, contestants

from sensorium.config import Training
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.tokenizer_config import TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner
from sensorium.models.kernels import deterministic_attention
from sensorium.perception.config import VisionEncoderConfig
from sensorium.perception.contrastive_learner import VisionContrast
from sensorium.randomness import Draw
from sensorium.training.distributed import Ranks
from sensorium.training.execution import Execution
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.learner import Batch, Learner
from sensorium.training.trainer import Trainer

SECONDS = 580  # the script is stopped at 600
NEEDED = {"precision": 30, "compiled": 90, "resumed": 120, "rates": 150, "tests": 60}  # seconds a part takes on a GPU
WINDOWS, STEPS, STOP = 64, 8, 3  # of a training that is resumed: windows, steps, and after which it stops
SIZE = Size(dim=512, layers=8, heads=8, tokens=64, rows=8, frames=16)
TINY = Size(dim=32, layers=4, heads=2, tokens=4, rows=2, frames=4)
TESTS = (  # the quick ones first
    "tests/edges/test_cuda.py",
    "tests/unit/faces/test_every_learner.py",
    "tests/workflow/test_memory.py",
    "tests/workflow/test_kill.py",
)
Made = tuple[Callable[[], Learner], Batch]


def made(size: Size) -> dict[str, Made]:
    """Learners by kind of attention, each with its windows."""
    side = 64 if size is SIZE else 16
    shapes = {"video": size.tokens, "grid": True, "audio": 0, "channels": 8, "action": None}
    model: dict[str, Any] = {"dim": size.dim, "heads": size.heads, "layers": size.layers}
    capped = DynamicsConfig(**model, frames=size.frames, long_frames=size.frames, window=size.frames, bootstrap=0.25)
    plain = capped.model_copy(update={"soft_cap": 0.0})
    patches = VideoTokenizerConfig(
        kind="transformer", channels=8, transformer=TransformerTokenizerConfig(**model, frames=4, patch=8)
    )
    vision = VisionEncoderConfig(width=32 if size is SIZE else 8, dim=size.dim)
    latent = torch.randn(WINDOWS, size.frames, size.tokens, 8, generator=torch.Generator().manual_seed(0))
    tokens = {"latent": latent, "scene": latent[:, 0]}
    video = torch.randint(256, (WINDOWS, 4, side, side, 3), dtype=torch.uint8)
    return {
        "dynamics, soft cap 50": (
            lambda: DynamicsLearner(Dynamics(capped, shapes), capped, torch.nn.Identity()),
            tokens,
        ),
        "dynamics, no soft cap": (lambda: DynamicsLearner(Dynamics(plain, shapes), plain, torch.nn.Identity()), tokens),
        "tokenizer of patches": (
            lambda: TokenizerLearner(VideoTokenizer(patches, {"size": side}), patches),
            {"video": video},
        ),
        "contrast of pictures": (
            lambda: VisionContrast(vision, {"size": side}),
            {"video": video[:, : vision.neighbours + 1]},
        ),
    }


def gradient(make: Callable[[], Learner], batch: Batch, execution: Execution, rows: int) -> tuple[float, torch.Tensor]:
    """Loss and whole gradient of one step from the weights of seed 0."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    learner = make().to(device).train()
    execution.compile_modules(learner.compiled(), device)
    part = {name: values[:rows].to(device) for name, values in batch.items()}
    with execution.autocast(device):
        loss, _ = learner(part, Draw(0, 0, 0, rows, rows, device))
    loss.backward()
    return float(loss), torch.cat([p.grad.flatten().cpu() for p in learner.parameters() if p.grad is not None])


def differences(size: Size, first: Execution, second: Execution) -> dict[str, Any]:
    """How far two ways to compute the same step are apart, by learner."""
    found = {}
    for name, (make, batch) in made(size).items():
        (loss, one), (other, two) = (gradient(make, batch, way, size.rows) for way in (first, second))
        cosine = float(torch.nn.functional.cosine_similarity(one, two, dim=0))
        found[name] = {"loss": loss, "other_loss": other, "cosine_of_gradients": cosine}
    return found


class Drawn:
    """Windows by number, always the same."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return WINDOWS

    def batch(self, indices: Any, seeds: object = None) -> Batch:
        """Windows `indices`."""
        return {name: values[torch.as_tensor(indices)] for name, values in self._batch.items()}


class Stopped(Interrupt):
    """Stops a training after some steps."""

    left = STOP

    def reason(self, reserve: float = 0.0) -> str | None:
        """Counted down step by step."""
        self.left -= 1
        return None if self.left else "the benchmark"


def final_bits(folder: Path, made_of: Made, execution: Execution, size: Size, stopped: bool) -> str:
    """Digest of the weights after a training, which was stopped and resumed or not."""
    make, batch = made_of
    training = Training(steps=STEPS, batch=size.rows, warmup=1, lr=1e-3)
    for interrupt in (*([Stopped()] if stopped else []), Interrupt()):
        torch.compiler.reset()  # as a new process would have nothing compiled
        torch.manual_seed(0)
        learner, ranks = make(), Ranks(device=execution.prepare())
        learner.show = lambda _: {}  # type: ignore[method-assign]  # there is no tokenizer to show anything
        windows: Any = Drawn(batch)
        trainer = Trainer(learner, training, windows, windows, folder, execution, ranks)
        try:
            with deterministic_attention():
                trainer.run(interrupt)
        except StoppedEarly:
            continue
    digest = hashlib.sha256()
    for name, tensor in sorted(learner.model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def resumed(size: Size, compilations: tuple[str, ...]) -> dict[str, Any]:
    """Whether the bits are equal, by learner and compilation."""
    found = {}
    for compilation in compilations:
        for name, made_of in made(size).items():
            execution = Execution(compile=compilation)
            with tempfile.TemporaryDirectory() as place:
                straight, again = (
                    final_bits(Path(place) / str(stopped), made_of, execution, size, stopped)
                    for stopped in (False, True)
                )
            found[f"{name}, compile {compilation}"] = {"equal_bits": straight == again}
    return found


def measured(size: Size, device: torch.device, dry: bool) -> dict[str, Any]:
    """Least and median seconds of each side's work, and memory in MB, as benchmarks/dynamics.py measures them."""
    contexts = [4] if dry else [64]
    args = argparse.Namespace(device=device, contexts=contexts, rounds=1 if dry else 2, steps=1 if dry else 4, frames=2)
    sides, missing = contestants(size, device, compiled=not dry)
    times, facts, rate = rates.measure(sides, args)
    found: dict[str, Any] = {"size": str(size), "missing": missing, "product_flop_a_second": rate, "seconds": {}}
    for (side, work), passed in times.items():
        walls = sorted(wall for wall, _ in passed)
        found["seconds"][f"{side}: {work}"] = {"least": walls[0], "median": walls[len(walls) // 2]}
    frames = size.rows * size.frames
    for side in sides:
        steps = sorted(wall for wall, _ in times[side.name, "flow"])
        found["seconds"][f"{side.name}: flow"]["frames_a_second"] = frames / steps[len(steps) // 2]
    found["megabytes"] = {f"{side}: {work}": value for (side, work), value in facts.items() if work != "flop"}
    return found


def tested(seconds: float, dry: bool) -> dict[str, Any]:
    """The tests marked `gpu`, one by one as far as the time goes; a dry run takes the first file alone."""
    words = [sys.executable, "-m", "pytest", "-v", "-m", "gpu", "-p", "no:cacheprovider", *TESTS[: 1 if dry else None]]
    try:
        output = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False).stdout
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode() + "\nstopped: no time is left"
    outcomes = dict(re.findall(r"^(tests/\S+.*?) (PASSED|FAILED|ERROR|SKIPPED)", output, re.MULTILINE))
    return {"outcomes": outcomes, "end": output[-2000:]}


def machine(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    found: dict[str, Any] = {"torch": torch.__version__, "device": "cpu"}
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        found |= {"device": facts.name, "memory_gb": facts.total_memory / 1e9, "cuda": torch.version.cuda}
    commit = subprocess.run(("git", "rev-parse", "HEAD"), capture_output=True, text=True, check=False)
    return found | {"commit": commit.stdout.strip()}


def parts(dry: bool, device: torch.device, remaining: Callable[[], float]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and work of each part, the most telling ones first."""
    size, fp32, eager = TINY if dry else SIZE, Execution(precision="fp32", compile="off"), Execution(compile="off")
    yield "precision", lambda: differences(size, fp32, Execution(precision="bf16", compile="off"))
    if not dry:  # on a CPU compilation takes longer than a dry run may
        yield (
            "compiled",
            lambda: {
                "fp32": differences(size, fp32, Execution(precision="fp32", compile="on")),
                "bf16": differences(size, eager, Execution(compile="on")),
            },
        )
    yield "resumed", lambda: resumed(size, ("off",) if dry else ("off", "auto"))
    yield "rates", lambda: measured(size if dry else rates.SIZES["H200-M"], device, dry)
    yield "tests", lambda: tested(remaining(), dry)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on a CPU")
    parser.add_argument("output", type=Path, metavar="JSON")
    args = parser.parse_args()
    if not args.dry_run and not torch.cuda.is_available():
        parser.error("no CUDA device is visible; --dry-run shows on a CPU that the program runs")
    began, found = time.monotonic(), {"left_out": []}
    device = Execution(device="cpu" if args.dry_run else "cuda").prepare()
    found["machine"] = machine(device)
    for name, work in parts(args.dry_run, device, lambda: began + SECONDS - time.monotonic()):
        start = time.monotonic()
        if began + SECONDS - start < NEEDED[name] and not args.dry_run:
            found["left_out"].append(name)
            continue
        try:
            found[name] = work()
        except Exception:  # the figures of the other parts are worth having
            found[name] = {"error": traceback.format_exc()}
        found[name]["part_seconds"] = time.monotonic() - start
        args.output.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: {found[name]['part_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
