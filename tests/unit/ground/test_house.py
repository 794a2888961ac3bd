"""The order of the house: sizes, generated files, forgotten notes, machine paths."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sensorium.config_export import generated
from sensorium.programs import EVALUATIONS, OTHERS, PROGRAMS, TRAININGS, revision
from sensorium.studies.config import Studies

ROOT = Path(__file__).parents[3]
LONGEST_FILE, LONGEST_FUNCTION = 350, 60  # lines
MOST_EXEMPTIONS = 10  # places where the formatter is switched off
LISTED = ("*.py", "*.smk", "*.sh", "Snakefile", "Makefile", "Dockerfile")
LISTED += ("*.md", "*.rst", "*.yaml", "*.yml", "*.toml", "*.in", "*.cff")


def sources() -> list[Path]:
    """Text files that people write and read here."""
    rooms = (
        "src",
        "packages",
        "tests",
        "rules",
        "workflow",
        "config",
        "profiles",
        "docs",
        "benchmarks",
        "envs",
        "container",
        "examples",
    )
    files = [path for name in rooms for pattern in LISTED for path in (ROOT / name).rglob(pattern)]
    return files + [path for pattern in LISTED for path in ROOT.glob(pattern)]


def modules() -> list[Path]:
    """All modules that are installed."""
    return [path for room in ("src", "packages") for path in (ROOT / room).rglob("*.py")]


def test_no_file_is_longer_than_400_lines():
    long = {
        str(path): n
        for path in sources()
        if path.suffix in (".py", ".smk") and (n := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_files_of_the_package_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in modules()}
    found = offenders(lengths, LONGEST_FILE)
    assert not found, "\n".join(found)


def test_functions_of_the_package_are_short():
    """From the first line of its signature to its last line, docstring included."""
    lengths = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[path, node.name, node.lineno] = int(node.end_lineno or 0) - node.lineno + 1
    found = offenders(lengths, LONGEST_FUNCTION)
    assert not found, "\n".join(found)


def test_the_package_is_formatted_by_its_formatter():
    counts = {path: path.read_text().count("# fmt: ") for path in modules()}
    assert sum(counts.values()) <= MOST_EXEMPTIONS, "\n".join(offenders(counts, 0))


def offenders(sizes: dict[Any, int], limit: int) -> list[str]:
    """What is larger than a limit, the largest first."""
    found = sorted(((size, key) for key, size in sizes.items() if size > limit), key=lambda each: -each[0])
    return [f"{size} {shown(key)}" for size, key in found]


def shown(key: Path | tuple[Path, str, int]) -> str:
    path, *place = key if isinstance(key, tuple) else (key,)
    return ":".join([str(path.relative_to(ROOT)), *map(str, place)])


def test_the_snakefile_stays_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 80


def test_the_rules_stay_short():
    texts = {path.name: path.read_text() for path in (ROOT / "rules").glob("*.smk")}
    assert len(texts.pop("common.smk").splitlines()) <= 220
    rules = sum(len(re.findall(r"^(?:use )?rule ", text, flags=re.MULTILINE)) for text in texts.values())
    assert sum(len(text.splitlines()) for text in texts.values()) <= 22 * rules


def test_functions_of_the_workflow_live_in_one_place():
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        if path.name != "common.smk":
            assert "def " not in path.read_text(), path
            assert "lambda" not in path.read_text(), path


def test_no_forgotten_notes():
    notes = ("TO" + "DO", "FIX" + "ME", "X" * 3)
    found = [str(path) for path in sources() if any(note in path.read_text() for note in notes)]
    assert not found


def test_no_modules_for_everything():
    assert not [path for path in modules() if path.stem in ("utils", "helpers", "misc")]


@pytest.mark.parametrize("path", generated(ROOT), ids=lambda path: path.name)
def test_generated_files_are_in_step(path):
    assert path.read_text() == generated(ROOT)[path], f"{path} is out of step with sensorium.config; run: make config"


@pytest.mark.parametrize("name", [*TRAININGS, *EVALUATIONS, *OTHERS])
def test_every_command_of_the_workflow_has_a_module_with_a_revision(name):
    assert revision(name) >= 1


@pytest.mark.parametrize("name", Studies.model_fields)
def test_every_study_has_a_module_with_a_revision(name):
    assert (ROOT / f"src/sensorium/studies/{name}.py").exists()
    assert revision(name) >= 1


def test_every_module_with_a_revision_is_a_program_or_a_study():
    known = {*PROGRAMS.values(), *(f"sensorium.studies.{name}" for name in Studies.model_fields)}
    for path in (ROOT / "src/sensorium").rglob("*.py"):
        if "\nREVISION = " in path.read_text():
            assert ".".join(path.relative_to(ROOT / "src").with_suffix("").parts) in known, path


def test_the_lock_has_hashes_and_no_index():
    lines = (ROOT / "envs/requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "index" in line or "://" in line or line.startswith("#")]
    pinned = [i for i, line in enumerate(lines) if not line.startswith(" ")]
    assert pinned
    assert all("--hash=sha256:" in lines[i + 1] for i in pinned)


def test_profiles_are_found_by_their_short_names():
    for name in ("local", "slurm"):
        assert (ROOT / name).is_symlink()
        assert (ROOT / name / "config.yaml").exists()


def test_ci_is_executable():
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_make_explains_a_wrong_python(tmp_path):
    old = tmp_path / "python3.11"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    result = subprocess.run(["make", "-n", "help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "pyproject.toml", "envs/requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    result = subprocess.run(["make", "env", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "3.9.2" in result.stderr
    assert "3.11" in result.stderr
