"""Damage files at random and read them: only documented errors may come out, at bounded memory and time.

    python tests/edges/fuzz.py [--reader NAME] [--seconds 60] [--seed 0]

Case k of a reader is a function of (seed, k), so a failure can be repeated: --seed SEED --first K --count 1. Each
reader works in a process of its own, because damage in memory ends it. Prints a table, or JSON with --json; exit 1 if
anything was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import mmap
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from damage import damaged, damaged_json
from fuzzed_readers import READERS, Reader

MEMORY = 2**30  # bytes that a reader may take; what it raises then counts as found
CASE_SECONDS, HANG_SECONDS = 15.0, 120.0  # of CPU, and on the clock, for one case
FOUND_MOST = 5  # after so many findings of a reader its others would be the same


def run(name: str, seed: int, first: int, count: int, seconds: float) -> dict[str, Any]:
    """Try the cases of a reader in a process of its own.

    Returns:
        "cases", "read", "refused", "seconds", "megabytes", "slowest" (CPU seconds), and "found": a list of texts.
    """
    place = mmap.mmap(-1, 8)  # the case at hand, for the time after a crash
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            outcome = json.dumps(_in_child(READERS[name], name, seed, first, count, seconds, place))
            os.write(writing, outcome.encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    case = int.from_bytes(place[:], "little")
    if not said:
        end = f"signal {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else f"status {status}"
        return {"cases": case + 1 - first, "found": [f"{name}: case {case}: the process ended: {end}"]}
    return dict(json.loads(said))


def _in_child(
    reader: Reader, name: str, seed: int, first: int, count: int, seconds: float, place: mmap.mmap
) -> dict[str, Any]:
    faulthandler.enable()
    sys.setrecursionlimit(1000)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    began, outcomes, found, slowest, case = time.monotonic(), Counter[str](), [], 0.0, first
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        seeds = reader.seeds(folder)
        for name_of_seed, content in seeds.items():
            (folder / name_of_seed).write_bytes(content)
            reader.read(folder / name_of_seed)  # what is not damaged is read
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for case in range(first, first + count):
            place[:] = case.to_bytes(8, "little")
            signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)  # its signal ends the process
            cpu = time.process_time()
            outcome = _try(reader, seeds, folder, random.Random(f"{name} {seed} {case}"))
            slowest = max(slowest, used := time.process_time() - cpu)
            if used > CASE_SECONDS:
                outcome = f"took {used:.0f} s"
            if outcome not in ("read", "refused"):
                found.append(f"{name}: case {case}: {outcome}")
            outcomes[outcome] += 1
            if len(found) >= FOUND_MOST or (seconds and time.monotonic() - began > seconds):
                break
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "cases": case + 1 - first,
        "read": outcomes["read"],
        "refused": outcomes["refused"],
        "seconds": round(time.monotonic() - began, 1),
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10,
        "slowest": round(slowest, 2),
        "found": found,
    }


def _try(reader: Reader, seeds: dict[str, bytes], folder: Path, chance: random.Random) -> str:
    """What became of one damaged file: "read", "refused", or what should not have happened."""
    name = chance.choice(list(seeds))
    path = folder / name
    if reader.is_json:
        path.write_text(damaged_json(seeds[name].decode(), chance))
    else:
        path.write_bytes(damaged(seeds[name], seeds[chance.choice(list(seeds))], chance))
    try:
        reader.read(path)
        return "read"
    except reader.raises as error:
        memory = "MemoryError" in str(error) or "Unable to allocate" in str(error)
        return f"it wanted more memory than there is: {error}" if memory else "refused"
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        return f"{type(error).__name__}: {str(error)[:200]} ({Path(last.filename).name}:{last.lineno})"
    finally:
        gc.collect(0)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=READERS, help="only this one")
    parser.add_argument("--seconds", type=float, default=0, help="for each reader; 0: the cases of CI")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="K", help="the first case")
    parser.add_argument("--count", type=int, help="cases of each reader")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    results = {}
    for name in [args.reader] if args.reader else READERS:
        count = args.count or (10**9 if args.seconds else READERS[name].cases)
        results[name] = run(name, args.seed, args.first, count, args.seconds)
        if not args.json:
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in results[name].items()), flush=True)
    if args.json:
        print(json.dumps(results))
    sys.exit(any(result["found"] for result in results.values()))


if __name__ == "__main__":
    main()
