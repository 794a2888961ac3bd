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


def test_the_table_of_seeds_is_what_the_figures_say() -> None:
    import learning

    page = (ROOT / "docs/results.md").read_text()
    assert learning.with_table(page, learned()) == page
    figures = learned()
    metric = next(iter(figures["0"].values()))
    metric["value"] += 1
    assert learning.with_table(page, figures) != page


def test_the_yardstick_is_what_figures_and_studies_say() -> None:
    import yardstick

    page = (ROOT / "docs/science.md").read_text()
    studies = {path.stem: json.loads(path.read_text()) for path in (ROOT / "docs/studies").glob("*.json")}
    for row in yardstick.ROWS:
        told, controls = yardstick.figures(row, learned(), studies)
        assert f"| {row.part} | {told} | {controls} | " in page, row.part
        for test in row.tests:
            file, _, function = test.partition("::")
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(), test
            assert f"{function} " in page, test
    with pytest.raises(SystemExit, match="no metric nothing"):
        yardstick.figures(yardstick.Row("x", ("nothing.*",)), learned(), studies)
