"""SIGKILL at random moments, to a program, to Snakemake or to both: the same command must go on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workplace import Workplace

from sensorium.orphans import find_orphans

VICTIMS = ("program", "snakemake", "both")
SOON = 0.05  # seconds between two looks at a process


def kill_campaign(
    make: Callable[[Path], Workplace],
    folder: Path,
    expected: dict[str, str],
    count: int,
    seconds: float,
    seed: int,
) -> Iterator[dict[str, object]]:
    """Kill runs until `count` processes were killed, and let each run come to its end.

    Args:
        make: makes the workplace of a run in a folder.
        folder: of the workplaces.
        expected: results of an uninterrupted run.
        count: of kills.
        seconds: a kill comes at most so late after the start.
        seed: of moments and victims.

    Yields:
        for each run that has ended its kills, its wrongs (sentences), its exit code and seconds.
    """
    rng = random.Random(seed)
    left = count
    while left:
        place, began, killed, wrongs = make(folder / f"kills-{left}"), time.monotonic(), [], []
        while True:
            victim, delay = (VICTIMS[left % 3], rng.uniform(0, seconds)) if left else ("", 1e9)
            main = place.start()
            if not _killed(place, main, victim, delay):
                break
            killed.append({"victim": victim, "after": round(delay, 2)})
            left -= 1
        if main.returncode:
            wrongs.append(f"the same command ended with exit code {main.returncode}: {place.output()[-3000:]}")
        elif place.results() != expected:
            wrongs.append(f"other results: {_difference(place.results(), expected)}")
        else:
            wrongs += [f"left over: {name}" for name in place.leftovers()]
        yield {"killed": killed, "wrongs": wrongs, "seconds": round(time.monotonic() - began)}
        if not wrongs:
            shutil.rmtree(place.folder)


def _killed(place: Workplace, main: subprocess.Popen[bytes], victim: str, delay: float) -> bool:
    """Whether the victim was killed `delay` seconds after the start; False if the run came to its end before."""
    deadline = time.monotonic() + delay
    while main.poll() is None:
        jobs = find_orphans(place.folder) if victim == "program" else {}
        if time.monotonic() > deadline and (jobs or victim != "program"):
            break
        time.sleep(SOON)
    else:
        return False
    if victim == "program":
        for pid in jobs:
            _kill(os.kill, pid)
    else:
        _kill(os.killpg if victim == "both" else os.kill, main.pid)
    main.wait()
    return True


def _kill(kill: Callable[[int, int], None], number: int) -> None:
    try:
        kill(number, signal.SIGKILL)
    except ProcessLookupError:  # it has ended by itself
        return


def _difference(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
