"""One name means one thing: no public class has the name of another one, nor has a function of a program."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src/sensorium"
# Every evaluation and study answers the same call by the same name.
CONTRACT = {"judge", "main", "run"}
PROGRAMS = [*SOURCE.glob("*/evaluation/*.py"), *SOURCE.glob("studies/*.py")]


def definitions(tree: ast.Module, kind: type[ast.ClassDef | ast.FunctionDef]) -> set[str]:
    """Public names of a kind at the top level of a module."""
    return {node.name for node in tree.body if isinstance(node, kind) and not node.name.startswith("_")}


def homes(paths: list[Path], kind: type[ast.ClassDef | ast.FunctionDef]) -> dict[str, list[str]]:
    """Name -> the files that define it, in order."""
    found = defaultdict(list)
    for path in sorted(paths):
        for name in definitions(ast.parse(path.read_text()), kind):
            found[name].append(str(path))
    return found


def shared(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """The names that more than one file defines."""
    return {name: files for name, files in found.items() if len(files) > 1}


def test_no_class_is_defined_twice() -> None:
    assert not shared(homes(list(SOURCE.rglob("*.py")), ast.ClassDef))


def test_programs_share_only_the_names_of_their_contract() -> None:
    assert set(shared(homes(PROGRAMS, ast.FunctionDef))) <= CONTRACT


@pytest.mark.parametrize(("second", "expected"), [("class Task: ...", {"Task"}), ("class _Task: ...", set())])
def test_a_name_of_two_classes_is_found(tmp_path: Path, second: str, expected: set[str]) -> None:
    for name, text in (("first.py", "class Task: ..."), ("second.py", second)):
        (tmp_path / name).write_text(text)
    assert set(shared(homes(list(tmp_path.glob("*.py")), ast.ClassDef))) == expected
