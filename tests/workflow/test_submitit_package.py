"""The executor is a package of its own: it needs neither torch nor Sensorium, and its wheel is enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages/snakemake-executor-plugin-submitit"
BLOCKED = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sensorium", "pydantic_core", "safetensors"):
            raise ImportError(f"{name} is none of its dependencies")

sys.meta_path.insert(0, Refuse())
import snakemake_executor_plugin_submitit as package
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
print("all")
"""


def test_no_module_needs_torch_or_sensorium() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False)
    assert done.stdout == "all\n", done.stderr


@pytest.mark.slow
def test_the_wheel_in_a_fresh_environment_passes_the_interfaces_own_tests(tmp_path: Path) -> None:
    """Built and installed by uv, from a package index; nothing of this repository is on the path."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    source = shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    run(uv, "build", "--wheel", "--out-dir", tmp_path, source)
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "venv/bin/python"
    run(uv, "venv", "--python", sys.executable, tmp_path / "venv")
    run(uv, "pip", "install", "--python", python, wheel, "pytest")
    shutil.copy(ROOT / "tests/workflow/test_submitit_interface.py", tmp_path)
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    print(run(python, "-m", "pytest", "-q", "test_submitit_interface.py"))
    where = (
        "import snakemake_executor_plugin_submitit as p, importlib.util as u; print(p.__file__, u.find_spec('torch'))"
    )
    assert run(python, "-c", where).split() == [str(tmp_path / "venv/lib" / python_folder()), "None"]
    assert "--submitit-folder" in run(python.with_name("snakemake"), "--help")


def python_folder() -> Path:
    """Where a package lies below the lib folder of an environment."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(version, "site-packages/snakemake_executor_plugin_submitit/__init__.py")
