"""All mutants: mechanisms broken on purpose, each with the tests that must notice."""

from __future__ import annotations

from broken import (
    agent,
    cognition,
    control,
    core,
    faces,
    forecasting,
    generation,
    ground,
    perception,
    puzzle_codes,
    puzzle_text,
    sound,
    studies,
)
from broken.mutant import SOURCES, Mutant

ROOMS = (
    agent,
    cognition,
    control,
    core,
    faces,
    forecasting,
    generation,
    ground,
    perception,
    puzzle_codes,
    puzzle_text,
    sound,
    studies,
)
MUTANTS: tuple[Mutant, ...] = tuple(mutant for room in ROOMS for mutant in room.MUTANTS)
__all__ = ["MUTANTS", "SOURCES", "Mutant"]
