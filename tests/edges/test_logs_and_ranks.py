"""`--log FILE` and `--ranks N` hide no exit code, whatever happens to the log, to stdout or to a rank."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from every_program import code_of
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sensorium.artifacts import ArtifactError
from sensorium.programs import PROGRAMS
from sensorium.training import launch

Work = Callable[[list[str]], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], None]:
    """Replace the work of `sensorium summary` by a function."""
    module = importlib.import_module(PROGRAMS["summary"])
    return lambda work: monkeypatch.setattr(module, "main", work)


def refuse(argv: list[str]) -> None:
    """A program that prints, and then finds bad data."""
    for number in range(5000):
        print(f"line {number}")
    raise ArtifactError("manifest.json: changed")


@pytest.mark.parametrize("case", ["a folder", "below a file", "too long", "no file system for files", "full"])
def test_a_log_that_cannot_be_written_is_74_before_anything_runs(
    tmp_path: Path, program: Callable[[Work], None], capfd: pytest.CaptureFixture[str], case: str
) -> None:
    (tmp_path / "file").write_text("")
    log = {
        "a folder": tmp_path, "below a file": tmp_path / "file/x.log", "too long": tmp_path / ("n" * 300),
        "no file system for files": Path("/proc/x.log"), "full": tmp_path / "file/deeper/x.log",
    }[case]  # fmt: skip
    ran: list[list[str]] = []
    program(ran.append)
    assert code_of("--log", str(log), "summary") == 74
    said = capfd.readouterr().err
    assert str(tmp_path) in said or "/proc" in said
    assert "Traceback" not in said
    assert not ran


@pytest.mark.parametrize(("work", "code"), [(refuse, 65), (lambda argv: print("done\n" * 5000), 0)])
def test_a_log_that_fills_the_disk_hides_neither_code_nor_words(
    program: Callable[[Work], None], capsys: pytest.CaptureFixture[str], work: Work, code: int
) -> None:
    """/dev/full takes no byte."""
    program(work)
    assert code_of("--log", "/dev/full", "summary") == code
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("/dev/full: the log ends here (No space left on device)") == 1
    assert ("changed" in printed.err) == (code == 65)
    assert printed.out.count("\n") >= 5000


@pytest.mark.parametrize(
    ("argv", "redirected", "code"),
    [
        ("summary --evaluations r.json --output s.json", ">/dev/full", 74),  # the table
        ("summary --evaluations none.json --output s.json", "2>/dev/full", 65),
        ("summary --evaluations none.json --output s.json", ">/dev/full 2>/dev/full", 65),
        ("summary --evaluations none.json --output s.json", ">&- 2>&-", 65),
        ("summary --evaluations r.json --output s.json", "| true; exit ${PIPESTATUS[0]}", 74),
    ],
)
def test_what_is_printed_into_a_full_disk_or_a_closed_pipe(
    tmp_path: Path, argv: str, redirected: str, code: int
) -> None:
    from every_program import World

    World(tmp_path).result().rename(tmp_path / "r.json")
    command = f"sleep 0; {sys.executable} -m sensorium {argv} {redirected}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def failure(rank: int, code: int, at: int) -> ProcessFailure:
    """How a rank ended."""
    found = ProcessFailure(local_rank=rank, pid=1000 + rank, exitcode=code, error_file="")
    found.timestamp = at
    return found


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ({0: (1, 5), 1: (74, 5)}, 74),  # rank 0 noticed that rank 1 was gone
        ({0: (74, 6), 1: (1, 5)}, 74),
        ({0: (65, 5), 1: (74, 6)}, 65),
        ({0: (74, 7), 1: (65, 6), 2: (1, 5)}, 65),
        ({3: (70, 5), 1: (-6, 5)}, 70),
        ({0: (78, 5), 1: (78, 5)}, 78),
        ({0: (75, 5), 1: (75, 5)}, 75),
        ({0: (1, 5), 1: (1, 6)}, 1),
        ({0: (-11, 5)}, 1),
    ],
)
def test_the_launcher_exits_as_the_first_rank_that_failed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ended: dict[int, tuple[int, int]], code: int
) -> None:
    def start(config: object, program: str) -> Callable[..., None]:
        def run(*argv: str) -> None:
            raise ChildFailedError("sensorium", {rank: failure(rank, *how) for rank, how in ended.items()})

        return run

    monkeypatch.setattr(launch, "elastic_launch", start)
    monkeypatch.setattr(launch.signal, "signal", lambda *given: None)
    monkeypatch.delenv("RANK", raising=False)
    assert code_of("--ranks", "2", "train-encoder") == code
    assert "out of memory" not in capfd.readouterr().err
    assert "RANK" not in os.environ
