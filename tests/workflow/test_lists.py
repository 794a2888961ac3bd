"""Documents that list the rules name every rule of the workflow, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = "workflow/documentation.md"
OVERVIEWS = ("README.md", "docs/architecture.md")
# Rules that join, draw or gather what other rules made: an overview of the DAG may leave them out.
PLUMBING = {"index_recordings", "index_latents", "show_recordings", "summary", "curves", "study", "studies"}


@pytest.fixture(scope="module")
def folder(clone) -> Path:
    return clone("lists")


@pytest.fixture(scope="module")
def rules(folder, warm_command) -> set[str]:
    """Names of all rules but the default target and the variant of a rule with one more output."""
    result = warm_command(folder, "snakemake", "--list")
    assert result.returncode == 0, result.stdout
    return set(re.findall(r"^(\w+) \(.+\)$", result.stdout, re.MULTILINE)) - {"all", "study_with_journal"}


def rows() -> list[tuple[str, str]]:
    """Rule and targets of each row in the reference's table."""
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / REFERENCE).read_text(), re.MULTILINE)


def diagrams(text: str) -> list[str]:
    """Fenced or indented blocks of a document that draw the DAG."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.MULTILINE)
    return [block for block in fenced + indented if "collect" in block and "train_" in block]


def words(diagram: str) -> set[str]:
    """Identifiers of a diagram; text in brackets, braces, bars or quotes is a remark."""
    diagram = re.sub(r"(?m)^ *(flowchart|subgraph|direction|classDef|class|style|end)\b.*$", " ", diagram)
    return set(re.findall(r"\w+", re.sub(r'\[.*?\]|\{.*?\}|\(.*?\)|".*?"|\|.*?\|', " ", diagram)))


def test_every_rule_has_a_docstring(folder, warm_command):
    listed = warm_command(folder, "snakemake", "--list").stdout
    assert not re.findall(r"^\w+$", listed, re.MULTILINE)


def test_the_reference_names_exactly_the_rules(rules):
    named = [rule for rule, _ in rows()]
    assert len(named) == len(set(named))
    assert set(named) == rules


def test_the_targets_of_the_reference_exist(folder, warm_command, rules):
    targets = [target for _, cell in rows() for target in re.findall(r"`(.+?)`", cell) if "<" not in target]
    result = warm_command(folder, "snakemake", "-n", *targets)
    assert result.returncode == 0, result.stdout
    table = result.stdout.partition("Job stats:")[2].partition("total")[0]
    made = set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE))
    assert rules <= made


@pytest.mark.parametrize("document", OVERVIEWS)
def test_an_overview_names_every_stage_and_evaluation(document, rules):
    text = (ROOT / document).read_text()
    named = set(re.findall(r"`(\w+)`", text)).union(*map(words, diagrams(text)))
    assert not rules - PLUMBING - named, f"{document} lacks these rules"


@pytest.mark.parametrize("document", OVERVIEWS)
def test_a_diagram_names_no_rule_that_does_not_exist(document, rules):
    drawn = diagrams((ROOT / document).read_text())
    assert drawn
    for diagram in drawn:
        is_mermaid = "-->" in diagram  # each of its identifiers is a node; a sketch has other words, too
        names = {word for word in words(diagram) - {"eval"} if is_mermaid or "_" in word}
        assert not names - rules, f"{document} draws what is no rule"
