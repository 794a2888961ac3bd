"""A `sensorium` that only makes the files it was asked for: the workflow without the work."""

from __future__ import annotations

import fcntl
import shutil
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
def tiny(clone, command, warm_sensorium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the whole workflow has run on the tiny preset; of each worker its own.

    Its fifty jobs start warm: a fresh start would be half of their work. The image's tests run such jobs as they are.
    """
    folder = clone("tiny")
    base = tmp_path_factory.getbasetemp()
    first = (base.parent if base.name.startswith("popen-") else base) / "tiny-of-all"  # popen-: of one of many workers
    first.mkdir(exist_ok=True)
    with (first / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes while it runs waits
        if not (first / "done").exists():
            words = "snakemake --profile local -j2 --max-threads 1 --resources gpu=2 --configfile config/tiny.yaml"
            result = command(folder, *words.split(), path=warm_sensorium, timeout=1500)
            assert result.returncode == 0, result.stdout[-5000:]
            shutil.copytree(folder, first / "done.new", symlinks=True)
            (first / "done.new").rename(first / "done")
            return folder
    shutil.rmtree(folder)
    return Path(shutil.copytree(first / "done", folder, symlinks=True))
