"""One random sequence of bad days on the private SLURM; bad_days.py runs as many as one likes."""

from __future__ import annotations

from pathlib import Path

from bad_days import Day
from private_slurm import PrivateSlurm

SEED, EVENTS = 3, 4


def test_promises_hold_on_a_bad_day(slurm: PrivateSlurm, tmp_path: Path) -> None:
    day = Day(slurm, tmp_path, SEED)
    assert day.pass_by(EVENTS) == [], day.events
