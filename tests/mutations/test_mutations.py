"""The mutants are up to date, and the cheap ones are noticed; `make mutations` tries them all."""

from __future__ import annotations

from pathlib import Path

import page
import pytest
from mutants import MUTANTS, Mutant

from mutations import ROOT, TESTS, killed, run_tests


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_differs_and_its_tests_exist(mutant: Mutant) -> None:
    assert mutant.old not in mutant.new or mutant.old != mutant.new
    compile(mutant.text(), mutant.file, "exec")
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in next(TESTS.rglob(file)).read_text()


def test_the_page_lists_them() -> None:
    assert page.PAGE.read_text() == page.text(), "python tests/mutations/page.py writes it"
    assert sum(map(page.judges, MUTANTS)) >= 40


# A third of them, spread over the rooms; `make mutations` tries all.
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.cheap][::3], ids=lambda mutant: mutant.name)
def test_a_cheap_mutant_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    assert killed(mutant, tmp_path) == "red"


def test_a_mutant_that_changes_nothing_survives(tmp_path: Path) -> None:
    """The check itself can fail."""
    cheap = next(m for m in MUTANTS if m.cheap)
    same = Mutant(cheap.name, cheap.file, cheap.old, cheap.old, cheap.tests)
    assert killed(same, tmp_path).startswith("SURVIVES")


def test_a_mutant_of_text_that_is_gone_is_refused() -> None:
    with pytest.raises(ValueError, match="0 times"):
        Mutant("gone", "randomness.py", "no such text", "", ()).text()


def test_a_test_that_does_not_exist_judges_nothing() -> None:
    assert run_tests(["test_physics.py::test_that_is_not_there"], ROOT / "src")[0] not in (0, 1)
