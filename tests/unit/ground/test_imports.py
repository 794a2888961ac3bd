"""Who may import whom: ground, core, lines, faces, command line; lines import no other line but the drawn ones."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src/sensorium"
# A room may import every room below it, and itself.
FLOORS = (
    {"config", "artifacts", "exits", "ownership", "orphans", "progress", "randomness", "schedules", "scratch"},
    {"data"},
    {"models"},
    {"training"},
    {"evaluation"},
    {"perception", "forecasting", "generation", "agent", "cognition", "puzzle", "music"},
    {"settings", "programs", "world_model"},
    {"config_export", "interactive", "planning", "studies"},
    {"cli"},
    {"__main__"},
)
LINES = FLOORS[5]
ARROWS = {
    ("forecasting", "perception"),
    ("agent", "generation"),
    ("cognition", "perception"),
    ("cognition", "forecasting"),
}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
WITHOUT_TORCH = [
    *(SOURCE / "config").glob("*.py"),
    *SOURCE.glob("*/*config.py"),
    *SOURCE.glob("*/sizes.py"),
    SOURCE / "generation/dream_costs.py",
    *(SOURCE / f"planning/{n}.py" for n in ("configuration", "kept_runs", "resources", "runs", "table")),
    *(
        SOURCE / f"{n}.py"
        for n in ("__init__", "artifacts", "config_export", "cli", "exits", "orphans", "ownership", "programs")
    ),
    *(SOURCE / f"{n}.py" for n in ("progress", "scratch", "settings")),
]


def imports(path: Path) -> set[str]:
    """Modules that a file imports, in full."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def allowed(own: str, other: str) -> bool:
    """Whether a file of room `own` may import from room `other`; the ground's rooms may import each other."""
    if other == own or FLOOR[own] == FLOOR[other] == 0 or (own, other) in ARROWS:
        return True
    if other == "studies":  # their settings are joined with the others
        return FLOOR[own] >= FLOOR["settings"]
    return FLOOR[other] < FLOOR[own]


def test_every_room_has_its_place():
    known = {room(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert known <= set(FLOOR), known - set(FLOOR)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_import_directions(path):
    own = room(path)
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "sensorium" and len(parts) > 1:
            assert parts[1] in FLOOR, f"{path} imports {name}"
            assert allowed(own, parts[1]), f"{path.relative_to(SOURCE)} must not import {name}"


@pytest.mark.parametrize("path", WITHOUT_TORCH, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_ground_floor_needs_no_torch(path):
    """At import, that is: `cli` brings torch only when a program runs."""
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
    assert not [module for module in modules if module.startswith("torch")]
    own = {module for module in modules if module.startswith("sensorium.")}
    light = ("config", "artifacts", "exits", "programs", "scratch", "settings")
    for module in own:
        file = SOURCE.parent / f"{module.replace('.', '/')}.py"
        assert module.split(".")[1] in light or file in WITHOUT_TORCH or not file.exists(), module


def test_an_evaluation_imports_no_other_evaluation():
    """Programs of different evaluations share what stands in the evaluation library, or in a room of their line."""
    from sensorium.programs import EVALUATIONS

    for module in EVALUATIONS.values():
        others = set(EVALUATIONS.values()) - {module}
        found = imports(SOURCE.parent / f"{module.replace('.', '/')}.py") & others
        assert not found, f"{module} imports {found}"


def test_the_executor_and_the_package_know_nothing_of_each_other():
    executor = SOURCE.parents[1] / "packages/snakemake-executor-plugin-submitit/src"
    assert list(executor.rglob("*.py"))
    for path in executor.rglob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] in ("sensorium", "torch")], path
    for path in SOURCE.rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith(("snakemake", "submitit"))], path


def test_nothing_is_unpickled():
    """A published set that is a pickle is read by an interpreter of our own, which makes plain values alone."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        for banned in ("torch.load", "torch.save", "import pickle", "allow_pickle=True", "joblib", "cloudpickle"):
            assert banned not in text, f"{path}: {banned}"
    assert "pickle.load" not in (SOURCE / "data/sources/cifar100.py").read_text()
