"""The table of faults in the package's documentation is the tests' own list."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import CASES, PAGE, Case, table

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_case_has_its_test(case: Case) -> None:
    file, _, name = case.test.partition("::")
    assert f"def {name}(" in next(TESTS.rglob(file)).read_text()


def test_the_page_holds_the_table() -> None:
    assert table() in PAGE.read_text(), "python tests/unit/executor/cases.py writes it"
    assert len(CASES) == len({case.fault for case in CASES}) >= 50
