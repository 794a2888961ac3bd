"""Shared by all tests: markers, and copies of the repository to run the workflow in."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

import warm

# A runner in the background ignores Ctrl-C, and what is ignored stays ignored in every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Every process that a test starts would compile all sources, and pytest rewrite all tests, again.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
sys.dont_write_bytecode = False
# Small tensors gain nothing from threads, and tests share the machine with the processes they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected stays; searching it for garbage, again and again, takes a quarter of that time.
gc.disable()

ROOT = Path(__file__).parents[1]
# What a clone holds of the workflow; links are copied as links.
CLONED = ("Snakefile", "rules", "workflow", "config", "profiles", "local", "slurm", "src", "packages")
CLONED += ("pyproject.toml", "Makefile")
PLUGIN = "packages/snakemake-executor-plugin-submitit/src"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


# Fixtures that take minutes -> the files whose tests use them, which one worker runs.
SHARED = {
    "engine": ("test_entrypoint.py", "test_image.py"),
    "every_artifact": (
        "test_disagreeing_artifacts.py",
        "test_exit_codes.py",
        "test_hostile_manifests.py",
        "test_recordings.py",
    ),
}
TOGETHER = {file: fixture for fixture, files in SHARED.items() for file in files}
# Groups, files and folders that begin first, in this order: they take longest, and while some wait, for packages or for
# SLURM, others compute. Those beyond the first few give way to them. Rooms of long tests stand before those of short
# ones, so that no long one ends alone.
FIRST = ("engine", "tests/workflow/test_tiny.py", "tests/cluster/test_sensorium.py", "tests/cluster", "every_artifact")
GIVE_WAY = FIRST.index("every_artifact")
FIRST += ("tests/workflow", "tests/mutations", "tests/edges/test_campaign.py", "tests/edges/test_locks.py")
FIRST += ("tests/edges/test_cuda.py", "tests/unit/generation", "tests/unit/faces", "tests/unit/perception")
FIRST += ("tests/unit/puzzle", "tests/unit/agent", "tests/unit/music", "tests/edges")


class TogetherScheduling(LoadScopeScheduling):
    """Keeps the tests of a file on one worker, and those of files that share a fixture of SHARED; the longest first.

    xdist's own `loadgroup` writes the group into `_nodeid`, which pytest 9.2 does not read any more: it groups nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=turn), last=False)
        super()._assign_work_unit(node)


def scope_of(nodeid: str) -> str:
    """Fixture of SHARED, or path of the file."""
    path = nodeid.partition("::")[0]
    return TOGETHER.get(Path(path).name, path)


def turn(scope: str) -> int:
    """Place in FIRST; behind all of them for others, which are as long as they have tests."""
    return next((place for place, start in enumerate(FIRST) if scope.startswith(start)), len(FIRST))


@pytest.hookimpl(optionalhook=True)  # without xdist there is nothing to schedule
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling | None:
    """With `--dist loadgroup`, ours."""
    return TogetherScheduling(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In a worker whose first few groups are done, and in all that it starts, lower the priority."""
    if "PYTEST_XDIST_WORKER" in os.environ and not os.nice(0) and turn(scope_of(item.nodeid)) >= GIVE_WAY:
        os.nice(5)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in SHARED.keys() & set(getattr(item, "fixturenames", ())):
            assert item.path.name in SHARED[fixture], f"{item.path.name} uses {fixture}: add it to SHARED of {__file__}"
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes many minutes; run with --slow"))
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            for item in items:
                if item.get_closest_marker("gpu"):
                    item.add_marker(pytest.mark.skip(reason="no CUDA device is visible"))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a copy of the repository's workflow under a name."""

    def make(name: str) -> Path:
        target = tmp_path_factory.mktemp(name) / "sensorium"
        target.mkdir()
        for part in CLONED:
            source = ROOT / part
            if source.is_dir() and not source.is_symlink():  # with its compiled modules: a program starts faster
                shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("*.egg-info", "*.pyc.*"))
            elif source.exists():
                shutil.copy2(source, target / part, follow_symlinks=False)
        return target

    return make


def surroundings(folder: Path, path: Path | None) -> dict[str, str]:
    """The environment of a command in a copy of the repository."""
    places = [str(path)] if path else []
    return {
        **os.environ,
        "PATH": os.pathsep.join([*places, str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(folder / "src"), str(folder / PLUGIN)]),
        "XDG_CACHE_HOME": str(folder.parent / "cache"),
    }


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of the environment in a copy of the repository, with that copy's own sources."""

    def run(
        folder: Path, *words: str, path: Path | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=folder,
            env=surroundings(folder, path),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def warm_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same for `snakemake ...` alone, in a process that starts warm: for what is no test of the start itself.

    Where many commands run in a copy that stays `unchanged`, they start with its sources.
    """

    def run(
        folder: Path, *words: str, path: Path | None = None, timeout: float = 600, unchanged: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return warm.run(words, folder, surroundings(folder, path), timeout, unchanged=unchanged)

    return run


@pytest.fixture(scope="session")
def warm_sensorium() -> Iterator[Path]:
    """Folder with a `sensorium` that starts warm, to be put first on PATH: for workflows of many short jobs."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:  # the path of a socket is short
        warm.stand_in(Path(sys.executable).with_name("sensorium"), Path(folder))
        yield Path(folder)
