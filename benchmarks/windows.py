"""How many windows a second are drawn from recordings of equal and of different lengths, on one core.

    python benchmarks/windows.py [--recordings 200] [--size 32] [--seconds 3]

The recordings hold noise, lie in one shard in a temporary folder, and have actions. A batch has 64 windows of 16
frames, drawn as a training draws them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sensorium.data.recording import RecordingSet, write_shard
from sensorium.data.windows import StepBatches, Windows

FRAMES, WINDOW, BATCH = 64, 16, 64
FIELDS = ("video", "action")


def recordings(folder: Path, lengths: list[int], size: int) -> RecordingSet:
    """A set of noise."""
    random, shard = np.random.default_rng(0), folder / "shard-0000.safetensors"
    held = {
        f"noise-{number:06d}": {
            "video": random.integers(256, size=(frames, size, size, 3), dtype=np.uint8),
            "action": random.random((frames, 2), np.float32),
        }
        for number, frames in enumerate(lengths)
    }
    write_shard(shard, held)
    entries = [
        {"name": name, "number": number, "frames": lengths[number], "split": "training", "shard": shard.stem}
        for number, name in enumerate(held)
    ]
    action = {"kind": "continuous", "size": 2}
    details = {"recordings": entries, "size": size, "samples_per_frame": 0, "action": action}
    return RecordingSet(folder / "manifest.json", details, {shard.stem: shard})


def windows_a_second(held: RecordingSet, seconds: float) -> float:
    """Windows drawn in one process, after a second of warming up."""
    batches = StepBatches(Windows(held, "training", FIELDS, WINDOW), seed=0, batch=BATCH)
    step, start = 0, time.monotonic()
    while time.monotonic() - start < 1:
        batches[step]
        step += 1
    first, start = step, time.monotonic()
    while time.monotonic() - start < seconds:
        batches[step]
        step += 1
    return (step - first) * BATCH / (time.monotonic() - start)


def main() -> None:
    """Print a line for sets of equal and of different lengths with as many frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    total = args.recordings * FRAMES
    cuts = np.random.default_rng(1).choice(np.arange(WINDOW, total - WINDOW), args.recordings - 1, replace=False)
    different = np.diff([0, *sorted(cuts.tolist()), total]).tolist()
    for name, lengths in (("equal lengths", [FRAMES] * args.recordings), ("different lengths", different)):
        with tempfile.TemporaryDirectory() as folder:
            rate = windows_a_second(recordings(Path(folder), lengths, args.size), args.seconds)
            print(
                f"{name}: {len(lengths)} recordings of {min(lengths)} to {max(lengths)} frames: {rate:,.0f} windows/s"
            )


if __name__ == "__main__":
    main()
