"""Who may import whom: config -> data, models, objectives -> training -> stages, evaluation -> the rest -> cli."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/sensorium"
GROUND = {"config", "artifacts", "schedules", "randomness"}
LEVELS = {
    **dict.fromkeys(GROUND, 0),
    "config_export": 1,
    **dict.fromkeys(("data", "models", "objectives"), 1),
    "training": 2,
    "world_model": 2,
    **dict.fromkeys(("stages", "evaluation"), 3),
    **dict.fromkeys(("studies", "interactive"), 4),
    "cli": 5,
    "__main__": 6,
}
WITHOUT_TORCH = [
    *(SOURCE / "config").glob("*.py"),
    *(SOURCE / f"{n}.py" for n in ("__init__", "artifacts", "config_export", "cli")),
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


def test_every_room_has_its_place():
    known = {room(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert known <= set(LEVELS), known - set(LEVELS)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_import_directions(path):
    own = room(path)
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "sensorium" or len(parts) == 1:
            continue
        other = parts[1]
        assert other in LEVELS, f"{path} imports {name}"
        allowed = LEVELS[other] < LEVELS[own] or other == own or {own, other} <= GROUND
        # data, models and objectives stand on one floor: objectives may use models and data, models may use neither.
        allowed |= own == "objectives" and other in ("models", "data")
        # a stage may use an evaluation's statistics, an evaluation no stage
        allowed |= own == "models" and other == "data" and parts[2] in ("recording", "environment")
        assert allowed, f"{path.relative_to(SOURCE)} must not import {name}"


@pytest.mark.parametrize("path", WITHOUT_TORCH, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_ground_floor_needs_no_torch(path):
    """At import, that is: `cli` brings torch only when a stage runs."""
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
    assert not [module for module in modules if module.startswith("torch")]
    own = {module for module in modules if module.startswith("sensorium.")}
    assert all(module.split(".")[1] in ("config", "artifacts") for module in own)


def test_the_executor_and_the_package_know_nothing_of_each_other():
    executor = SOURCE.with_name("snakemake_executor_plugin_submitit")
    for path in executor.glob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] in ("sensorium", "torch")], path
    for path in SOURCE.rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith(("snakemake", "submitit"))], path


def test_nothing_is_unpickled():
    """Nothing that the workflow wrote; a published set that is a pickle is read by an unpickler that runs nothing."""
    for path in set(SOURCE.rglob("*.py")) - {SOURCE / "data/sources/cifar100.py"}:
        text = path.read_text()
        for banned in ("torch.load", "torch.save", "import pickle", "allow_pickle=True", "joblib", "cloudpickle"):
            assert banned not in text, f"{path}: {banned}"
    assert "pickle.load" not in (SOURCE / "data/sources/cifar100.py").read_text()
