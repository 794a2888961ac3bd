"""Tables of docs/ are what the committed figures say, and name tests that exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def learned() -> dict:
    return json.loads((ROOT / "docs/learning.json").read_text())["seeds"]


def test_the_tables_of_results_are_what_the_figures_say() -> None:
    import learning

    page = (ROOT / "docs/results.md").read_text()
    assert learning.with_tables(page, learned()) == page
    for name in learned()["0"]:
        figures = learned()
        figures["0"][name]["value"] += 1
        assert learning.with_tables(page, figures) != page, name


def test_a_metric_that_no_line_of_work_has_is_named() -> None:
    import learning

    with pytest.raises(SystemExit, match=r"nothing\.x: no line of work"):
        learning.with_tables("", {"0": {"nothing.x": {}}})


def test_the_yardstick_is_what_figures_and_studies_say() -> None:
    import yardstick

    page = (ROOT / "docs/yardstick.md").read_text()
    studies = {path.stem: json.loads(path.read_text()) for path in (ROOT / "docs/studies").glob("*.json")}
    for row in yardstick.ROWS:
        shown, controls = yardstick.figures(row, learned(), studies)
        assert f"| {row.part} | {shown} | {controls} | " in page, row.part
        for test in row.tests:
            file, _, function = test.partition("::")
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(), test
            assert f"{function} " in page, test
    with pytest.raises(SystemExit, match="no metric nothing"):
        yardstick.figures(yardstick.Row("x", ("nothing.*",)), learned(), studies)
