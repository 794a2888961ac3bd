"""What the sources import, what pyproject.toml declares and what the lock pins are the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [ROOT / "src", *ROOT.glob("packages/*/src")]
PROJECTS = [ROOT / "pyproject.toml", *ROOT.glob("packages/*/pyproject.toml")]
OWN = {path.name for source in SOURCES for path in source.iterdir() if (path / "__init__.py").exists()}
# Not imported by the sources: what runs the workflow.
PROGRAMS = {"snakemake", "snakemake-executor-plugin-slurm"}
# Modules of one distribution that do not work without another one.
BEHIND = {"torch.utils.tensorboard": "tensorboard"}
# Modules of extras whose distribution has another name.
ELSEWHERE = {"mlflow": "mlflow-skinny"}


def imported(sources: Iterable[Path]) -> set[str]:
    """All modules that are imported anywhere in these files, in functions too, but Python's and our own."""
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(str(node.module))
    return {name for name in names if top(name) not in OWN | set(sys.stdlib_module_names)}


def top(module: str) -> str:
    return module.partition(".")[0]


def distribution(requirement: str) -> str:
    """Normalised name of the distribution in a requirement, without its extras, version and marker."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return normalised(match[0])


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def projects() -> list[dict[str, Any]]:
    """What the pyproject.toml of the workflow, and of its packages, say."""
    return [tomllib.loads(path.read_text())["project"] for path in PROJECTS]


def declared() -> set[str]:
    """Distributions that they name."""
    return {distribution(entry) for project in projects() for entry in project["dependencies"]}


def extras() -> set[str]:
    """Distributions that they name for those who want more."""
    named = [project.get("optional-dependencies", {}) for project in projects()]
    return {distribution(entry) for each in named for entries in each.values() for entry in entries}


def required() -> tuple[set[str], set[str]]:
    """Distributions of envs/requirements.in: what the workflow needs, and what only its development needs."""
    needed, _, development = (ROOT / "envs/requirements.in").read_text().partition("# development")
    parts = [[line for line in text.splitlines() if line and line[0] != "#"] for text in (needed, development)]
    running, developing = ({distribution(line) for line in part} for part in parts)
    return running, developing


def test_what_the_sources_import_is_what_the_project_declares():
    providers = {name: {normalised(entry) for entry in entries} for name, entries in packages_distributions().items()}
    modules, found = imported(path for source in SOURCES for path in source.rglob("*.py")), declared() | extras()
    for module in modules:  # that of an extra may be missing here
        providers.setdefault(top(module), {ELSEWHERE.get(top(module), normalised(top(module)))})
    missing = {module for module in modules if not providers[top(module)] & found}
    assert not missing, f"imported in src, but not declared in pyproject.toml: {sorted(missing)}"
    used = {entry for module in modules for entry in providers[top(module)]}
    used |= {BEHIND[module] for module in modules if module in BEHIND}
    assert not found - used, f"declared in pyproject.toml, but imported nowhere in src: {sorted(found - used)}"


def test_what_is_declared_is_required_and_pinned():
    running, developing = required()
    lock = (ROOT / "envs/requirements.lock").read_text()
    pinned = {normalised(name) for name in re.findall(r"^([\w.-]+)(?:\[.*\])?==", lock, re.MULTILINE)}
    assert declared() | running | developing <= pinned
    # Snakemake itself brings the interfaces of its plugins, in the versions that it understands.
    own = {name for name in declared() if not name.startswith("snakemake-interface-")}
    assert running - PROGRAMS - extras() == own - PROGRAMS
    assert not running & developing


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("snakemake[reports]>=9.27", "snakemake"), ("Ruamel.yaml_x ; extra == 'y'", "ruamel-yaml-x")],
)
def test_a_requirement_is_reduced_to_its_name(requirement, name):
    assert distribution(requirement) == name


def test_imports_are_found_wherever_they_stand(tmp_path):
    source = tmp_path / "module.py"
    source.write_text("import os, a.b\nfrom c.d import e\ndef f():\n    import g as h\n    from . import i\n")
    assert imported([source]) == {"a.b", "c.d", "g"}
