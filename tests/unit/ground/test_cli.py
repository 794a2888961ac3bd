"""The command line: names, exit codes, messages, the log."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import subprocess
import sys

import pytest

from sensorium.artifacts import ArtifactError
from sensorium.cli import _imported, main
from sensorium.config import ConfigurationError
from sensorium.data.quarantine import BadDataError
from sensorium.evaluation.statistics import StatisticsError
from sensorium.exits import StorageError
from sensorium.programs import PROGRAMS
from sensorium.training.health import UnhealthyError
from sensorium.training.interrupt import StoppedEarly
from sensorium.training.launch import RankDied


@pytest.fixture
def stage(monkeypatch):
    """Replace the work of `sensorium summary` by a function."""
    module = importlib.import_module(PROGRAMS["summary"])
    return lambda work: monkeypatch.setattr(module, "main", work)


def code_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(argv)
    return int(leaving.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ArtifactError("digest"), 65),
        (BadDataError("too many"), 65),
        (UnhealthyError("collapsed"), 70),
        (StatisticsError("not a number"), 70),
        (OSError(errno.ENOSPC, "No space left on device", "x.bin"), 74),
        (OSError(errno.EROFS, "Read-only file system", "x.bin"), 74),
        (StorageError("checkpoints/step-00000003: cannot write"), 74),
        (StoppedEarly("saved at step 3"), 75),
        (ConfigurationError("lr"), 78),
    ],
)
def test_errors_have_their_exit_codes_and_no_traceback(stage, capsys, error, code):
    def work(argv):
        raise error

    stage(work)
    assert code_of("summary") == code
    printed = capsys.readouterr().err
    assert printed.startswith("sensorium summary: ")
    assert "Traceback" not in printed


def test_success_is_zero_and_arguments_arrive(stage):
    seen = []
    stage(seen.extend)
    assert code_of("summary", "--output", "x", "--flag") == 0
    assert seen == ["--output", "x", "--flag"]


def test_a_defect_is_not_dressed_up(stage):
    def work(argv):
        raise KeyError("a defect of ours")

    stage(work)
    with pytest.raises(KeyError):
        main(["summary"])


def test_the_log_is_a_copy_of_what_is_printed(stage, tmp_path, capsys):
    def work(argv):
        print("step 1")
        print("a warning", file=sys.stderr)
        raise UnhealthyError("collapsed")

    stage(work)
    log = tmp_path / "logs/summary.log"
    assert code_of("--log", str(log), "summary") == 70
    assert log.read_text() == "step 1\na warning\nsensorium summary: collapsed\n"
    printed = capsys.readouterr()
    assert printed.out == "step 1\n"
    assert printed.err == "a warning\nsensorium summary: collapsed\n"


def test_the_log_holds_the_traceback_of_a_defect(stage, tmp_path, capsys):
    def work(argv):
        raise KeyError("a defect of ours")

    stage(work)
    log = tmp_path / "summary.log"
    assert code_of("--log", str(log), "summary") == 1
    assert "a defect of ours" in log.read_text()
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("argv", [("dance",), (), ("--log",), ("--ranks", "2", "summary")])
def test_wrong_arguments_are_two(argv, capsys):
    assert code_of(*argv) == 2


@pytest.mark.parametrize(
    ("error", "code"), [(RankDied("rank 1 of 2 ended by SIGKILL"), 1), (ConfigurationError("--ranks 2: one node"), 78)]
)
def test_a_launch_that_fails_has_its_exit_code(monkeypatch, capsys, error, code):
    def launch(ranks: int, argv: list[str]) -> int:
        assert (ranks, argv) == (2, ["--ranks", "2", "train-agent"])
        raise error

    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr("sensorium.training.launch.launch", launch)
    assert code_of("--ranks", "2", "train-agent") == code
    assert capsys.readouterr().err == f"sensorium: {error}\n"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_ranks_that_stop_together_the_first_reports_it(stage, monkeypatch, capsys, rank):
    def work(argv):
        raise StoppedEarly("saved at step 3")

    stage(work)
    monkeypatch.setenv("RANK", rank)
    assert code_of("--ranks", "2", "summary") == 75
    assert capsys.readouterr().err == ("sensorium summary: saved at step 3\n" if rank == "0" else "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_command_explains_itself(name, capsys):
    module = importlib.import_module(PROGRAMS[name])
    with pytest.raises(SystemExit) as leaving:
        module.main(["--help"])
    assert leaving.value.code == 0
    assert f"sensorium {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "1000"}, "None")],
    ids=("none", "policy", "count"),
)
def test_waiting_threads_sleep_unless_the_user_decides(given, policy):
    """It is set before torch is loaded and reads it."""
    program = "import os, sys; from sensorium import cli\n"
    program += "cli._run = lambda *_: print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules) or 0\n"
    program += "cli.main(['summary'])"
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=known | given)
    assert done.stdout.split() == [policy, "False"]


def test_help_answers_without_torch():
    program = "import sys; sys.modules['torch'] = None\nfrom sensorium.cli import main\nmain(['--help'])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "75" in result.stdout


def test_imports_and_the_end_are_not_searched_for_garbage(stage, monkeypatch, tmp_path):
    """Which takes a third of a short program's time; its work is searched, and so is the process of a caller."""
    (tmp_path / "imported.py").write_text("import gc\nENABLED = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not _imported("imported").ENABLED
    seen, frozen = [], []
    stage(lambda argv: seen.append(gc.isenabled()))
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(len(seen)))
    assert code_of("summary") == 0
    monkeypatch.setattr(sys, "argv", ["sensorium", "summary"])
    with pytest.raises(SystemExit):
        main()
    assert (seen, frozen) == ([True, True], [2])
