"""A `sensorium` that only makes the files it was asked for: the workflow without the work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STUB = """\
import pathlib, sys
words = sys.argv[1:]
flag = ""
for word in words:
    flag = word if word.startswith("--") else flag
    path = pathlib.Path(word)
    if word != flag and flag in ("--output", "--figure", "--video", "--sound", "--wav", "--table", "--pages"):
        made = [path] if path.suffix else [path / "manifest.json", path / "model.safetensors"]
        made += [path.with_suffix(".json")] if path.suffix == ".safetensors" else []
        for file in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")
"""


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a stand-in for `sensorium`, to be put first on PATH."""
    program = tmp_path_factory.mktemp("stub") / "sensorium"
    program.write_text(f"#!{sys.executable} -SE\n{STUB}")
    program.chmod(0o755)
    return program.parent


@pytest.fixture(scope="session")
def tiny(clone, command, warm_sensorium) -> Path:
    """A copy of the repository in which the whole workflow has run on the tiny preset.

    Its fifty jobs start warm: a fresh start would be half of their work. The image's tests run such jobs as they are.
    """
    folder = clone("tiny")
    words = "snakemake --profile local -j2 --max-threads 1 --resources gpu=2 --configfile config/tiny.yaml".split()
    result = command(folder, *words, path=warm_sensorium, timeout=1500)
    assert result.returncode == 0, result.stdout[-5000:]
    return folder
