"""The words of the field: code, rules, settings and documents hold none of the private words that they replaced."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLACES = ("src", "rules", "config", "workflow", "docs", "README.md")
GLOSSARY = "docs/glossary.md"  # the one page that may quote them
REPLACED = re.compile(r"\b(told|foretold|telling|seer|how-manieth|pedigree)\b", re.IGNORECASE)
# Weights are stored under these keys, and to rename a key would make trained models unreadable.
STORED = {"src/sensorium/perception/fusion_learner.py", "src/sensorium/perception/joint_learner.py"}


def replaced_words(text: str, stored: bool = False) -> list[str]:
    """The replaced words in a text; with `stored` the quoted key "telling" is none."""
    return REPLACED.findall(text.replace('"telling"', '""') if stored else text)


def tracked() -> list[str]:
    """Text files of the searched places that git tracks."""
    command = ["git", "grep", "-Il", "", "--", *PLACES]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def test_replaced_words_are_gone() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git")
    found = {
        name: words
        for name in tracked()
        if name != GLOSSARY and (words := replaced_words((ROOT / name).read_text(), stored=name in STORED))
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "stored", "expected"),
    [
        ("as it was Told", False, ["Told"]),
        ("the how-manieth row", False, ["how-manieth"]),
        ("a storyteller", False, []),
        ('self.add_module("telling", heads)', True, []),
        ('self.add_module("telling", heads)', False, ["telling"]),
    ],
)
def test_whole_words_are_found(text: str, stored: bool, expected: list[str]) -> None:
    assert replaced_words(text, stored) == expected
