"""A private SLURM for all tests here, and a workflow to run on it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm, why_not
from snakemake_run import Run

TOY = Path(__file__).parent / "toy"


@pytest.fixture(scope="session")
def slurm() -> Iterator[PrivateSlurm]:
    """The private cluster, for all tests."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # short: the paths of sockets may not be long
    folder.chmod(0o755)
    cluster = PrivateSlurm(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def toy(slurm: PrivateSlurm, tmp_path: Path) -> Iterator[Run]:
    """The toy workflow in an empty folder; what is left of it in the end is killed."""
    folder = Path(shutil.copytree(TOY, tmp_path / "toy"))
    run = Run(slurm, folder)
    yield run
    if run.running:
        run.signal(signal.SIGKILL)
    slurm.says("scancel", "--me")
    slurm.until_idle()  # the next test takes the only job of the queue for its own


@pytest.fixture
def begun(toy: Run) -> Run:
    """The toy workflow after its first rule, as if that had been run elsewhere."""
    (toy.folder / "begin.txt").touch()
    return toy


@pytest.fixture
def hook(slurm: PrivateSlurm) -> Iterator[Callable[[str, str], Path]]:
    """Replace a client by lines of shell; removed afterwards."""
    written: list[Path] = []

    def write(name: str, lines: str) -> Path:
        path = slurm.folder / "hooks" / name
        path.write_text(lines)
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink(missing_ok=True)
