"""All mutants: mechanisms broken on purpose, each with the tests that must notice. `broken` has a module a room."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import broken
from broken.mutant import EXECUTOR, SOURCES, Mutant

ROOMS = [
    import_module(f"broken.{part.name}") for part in pkgutil.iter_modules(broken.__path__) if part.name != "mutant"
]
MUTANTS: tuple[Mutant, ...] = tuple(mutant for room in ROOMS for mutant in room.MUTANTS)
__all__ = ["EXECUTOR", "MUTANTS", "SOURCES", "Mutant"]
