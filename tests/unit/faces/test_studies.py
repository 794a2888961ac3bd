"""The frame of the studies: how results are stored, and tables that are no older than what made them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.programs import revision
from sensorium.studies import study, study_tables
from sensorium.studies.config import Studies
from sensorium.studies.findings import Findings, Table, estimate, markdown, over_seeds

DOCS = Path(__file__).parents[3] / "docs"
STORED = sorted((DOCS / "studies").glob("*.json"))
VALUES = np.array([0.7, 0.8, 0.75, 0.9])
FOUND = Findings(
    metrics={"share": over_seeds("share", VALUES, 0.5, 1.0)},
    controls={"share": over_seeds("share", VALUES - 0.4, 0.5, 1.0)},
    tables=[Table("Rows", [{"n": 10, "error": estimate(VALUES)}])],
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The stored result of a study that found FOUND."""
    monkeypatch.setattr(importlib.import_module("sensorium.studies.curiosity"), "run", lambda section: FOUND)
    study.main(["curiosity", "--config", '{"seeds": 4, "seed": 7}', "--output", str(tmp_path / "curiosity.json")])
    return tmp_path / "curiosity.json"


def test_a_result_tells_settings_seeds_revision_and_commit(stored):
    record = json.loads(stored.read_text())
    assert record["seeds"] == [7, 8, 9, 10]
    assert record["config"]["seeds"] == 4
    assert record["revision"] == revision("curiosity")
    assert record["commit"]
    metric = record["metrics"]["share"]
    assert metric["passed"]
    assert {"value", "low", "high", "n", "floor", "ceiling"} <= set(metric)
    assert not record["controls"]["share"]["passed"]


def test_the_table_is_made_of_the_stored_numbers(stored, tmp_path):
    page = tmp_path / "studies.md"
    page.write_text("# Before\n<!-- study: curiosity -->\nold\n<!-- end of study: curiosity -->\nAfter\n")
    study_tables.main([str(stored), "--docs", str(tmp_path)])
    text = page.read_text()
    record = json.loads((tmp_path / "studies/curiosity.json").read_text())
    assert markdown(record) in text
    assert text.startswith("# Before\n<!-- study: curiosity -->\n| metric")
    assert text.endswith("<!-- end of study: curiosity -->\nAfter\n")
    assert "| share | 0.787 |" in text
    assert "old" not in text
    record["metrics"]["share"]["value"] = 0.999
    assert study_tables.with_table(text, record) != text


def test_a_control_that_passes_is_shouted(stored):
    record = json.loads(stored.read_text())
    record["controls"]["share"]["passed"] = True
    assert "**PASSES**" in markdown(record)


def test_a_page_without_marks_is_refused(stored, tmp_path):
    (tmp_path / "studies.md").write_text("# No marks\n")
    with pytest.raises(ArtifactError, match="<!-- study: curiosity -->"):
        study_tables.main([str(stored), "--docs", str(tmp_path)])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ArtifactError, match="no study result"):
        study_tables.main([str(tmp_path / "x.json"), "--docs", str(tmp_path)])


def test_a_wrong_setting_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="seeds"):
        study.main(["curiosity", "--config", '{"seeds": 1}', "--output", str(tmp_path / "x.json")])


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_committed_tables_are_those_of_the_stored_results(path):
    record = json.loads(path.read_text())
    page = (DOCS / "studies.md").read_text()
    assert study_tables.with_table(page, record) == page, f"run: sensorium study-tables {path}"


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_committed_results_are_of_the_present_settings_and_sources(path):
    record = json.loads(path.read_text())
    way_out = (
        f"run the study again: snakemake --profile local -j1 results/studies/{path.stem}.json, then make its table"
    )
    assert record["revision"] == revision(path.stem), way_out
    assert record["config"] == Studies.model_fields[path.stem].default.model_dump(mode="json"), way_out
    assert not record["commit"].endswith("-dirty"), way_out
