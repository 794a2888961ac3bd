"""How many recordings there are in each split, and how many are enough."""

from __future__ import annotations

from math import comb

FEW_SHOT = 8  # recordings of a class, of two classes at least, that evaluation few_shot needs
LIKELY = 0.95


def split_counts(recordings: int, validation_fraction: float, test_fraction: float) -> dict[str, int]:
    """Recordings of each split: rounded, and at least one for validation and for test."""
    validation, test = (max(1, round(fraction * recordings)) for fraction in (validation_fraction, test_fraction))
    return {"training": recordings - validation - test, "validation": validation, "test": test}


def enough_for_two(classes: int) -> int:
    """Fewest recordings of one class each, in which two of these equally frequent classes are likely to have FEW_SHOT.

    The classes are counted as if they were independent, which they nearly are.
    """
    count, share = 2 * FEW_SHOT, 1 / classes
    while True:
        few = sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(FEW_SHOT))  # of one class
        if 1 - few**classes - classes * (1 - few) * few ** (classes - 1) >= LIKELY:
            return count
        count += 1
