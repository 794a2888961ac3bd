"""A line can be deleted: what does not import it still passes its unit tests.

Deleted with a line are the lines that build on it and the faces (studies, interactive, ...), which show all lines.
In ordinary runs the tests that are left are only collected, which imports every module that they need; `--slow` runs
them, too (20 minutes).
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import warm

ROOT = Path(__file__).parents[2]
LINES = ("perception", "forecasting", "generation", "agent", "cognition")
FACES = ("studies", "interactive", "planning", "world_model.py", "config_export.py", "cli.py", "__main__.py")


def imported_lines(package: Path) -> set[str]:
    """Lines that the files below a folder import."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sensorium."):
                found.add(str(node.module).split(".")[1])
    return found & set(LINES) - {package.name}


def with_dependents(line: str) -> set[str]:
    """The line and all lines that build on it."""
    gone = {line}
    while more := {other for other in LINES if imported_lines(ROOT / "src/sensorium" / other) & gone} - gone:
        gone |= more
    return gone


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def delete(line: str, copy: Path) -> list[str]:
    """Delete a line from a copy of the repository; returns the folders of unit tests that are left."""
    gone = with_dependents(line)
    for name in gone:
        remove(copy / "src/sensorium" / name)
        remove(copy / f"rules/{name}.smk")
        remove(copy / f"tests/unit/{name}")
    for face in FACES:
        remove(copy / "src/sensorium" / face)
    settings = copy / "src/sensorium/settings.py"
    text = settings.read_text()
    for name in gone:
        text, count = re.subn(rf"^from sensorium\.{name}\.config import .*\n", "", text, flags=re.MULTILINE)
        text, bases = re.subn(rf"^    {name.capitalize()}(Settings|Evaluations),\n", "", text, flags=re.MULTILINE)
        assert (count, bases) in ((1, 2), (0, 0)), f"{settings} names {name} in another way than by two base classes"
    text = re.sub(r"^from sensorium\.studies.*\n|^    studies: .*\n", "", text, flags=re.MULTILINE)
    settings.write_text(text)
    return [f"tests/unit/{room}" for room in ("core", *(other for other in LINES if other not in gone))]


@pytest.mark.parametrize("line", LINES)
def test_a_line_can_be_deleted(line: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    copy = tmp_path / "sensorium"
    for part in ("src", "tests", "rules", "config"):
        # with its compiled modules, but for one that is being written
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    rooms = delete(line, copy)
    words = ["pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/tests", *rooms]
    if not request.config.getoption("--slow"):
        words += ["--collect-only", "--assert=plain"]  # nothing is asserted
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    done = warm.run(words, copy, environment, timeout=7200)
    assert done.returncode == 0, done.stdout[-6000:]
    program = "import sensorium.settings as s; c = s.Config(); print(c.evaluations_on(), c.windows())"
    subprocess.run([sys.executable, "-c", program], cwd=copy, env=environment, check=True)
