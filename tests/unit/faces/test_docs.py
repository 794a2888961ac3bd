"""Documents: links lead somewhere, results stay on one page, words are those of the field, prose can be diffed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "profiles/README.md"])
PAGES += sorted((ROOT / "packages").rglob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
WIDTH = 100


def text_of(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(text_of(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken_links(page)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One heading\n[a](page.md#one-heading) [b](page.md#another) [c](nothing.md)\n")
    assert broken_links(page) == ["page.md#another", "nothing.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documents_speak_the_words_of_the_field(page: Path) -> None:
    ours = re.compile(r"\b(told|foretold|telling|seer|how-manieth|pedigree)\b", re.IGNORECASE)
    assert not ours.findall(page.read_text())


def test_results_are_one_page() -> None:
    """Of what is written by hand; a table has a line for each metric."""
    page = re.sub(r"<!-- (.+?) -->.*?<!-- end of \1 -->", "", (ROOT / "docs/results.md").read_text(), flags=re.DOTALL)
    assert len(page.splitlines()) <= 70


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_can_be_diffed(page: Path) -> None:
    """A line is short, or one sentence (or one item of a list) a line; tables and code are what they are."""
    generated = re.sub(r"<!-- (.+?) -->.*?<!-- end of \1 -->", "", text_of(page), flags=re.DOTALL)
    sentence_a_line = page.name == "results.md"
    for line in generated.splitlines():
        free = line.startswith(("|", "    ", "!", "#")) or "](" in line
        assert free or sentence_a_line or len(line) <= WIDTH, line
