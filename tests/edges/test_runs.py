"""`sensorium runs`: which kept runs are listed, and that clearing deletes no run that anything needs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensorium.cli import main
from sensorium.training.lock import sole_owner

A, B, C, D = (letter * 16 for letter in "abcd")
DAY = 24 * 3600


def make(stage: Path, name: str, *, step: int = 40, days: float = 1.0, lr: float = 0.01, **more: object) -> Path:
    """A run as trainings leave them, of 40 steps, with `step` of them done, last written to `days` ago."""
    folder = stage / "runs" / name
    section = {"width": 8, "training": {"steps": 40, "lr": lr}, **more}
    (folder / f"checkpoints/step-{step:08d}").mkdir(parents=True)
    settings = {"stage": stage.name, "revision": 1, "section": section, "inputs": {"data": "1"}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / f"checkpoints/step-{step:08d}/tensors.safetensors").write_bytes(bytes(10_000))
    (folder / "lock").touch()
    then = time.time() - days * DAY
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))
    return folder


def use(stage: Path, name: str) -> None:
    (stage / "manifest.json").write_text(json.dumps({"kind": "toy", "details": {"run": name}}))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A stage with a used, an unused and a stopped run, and one without a result."""
    vision, dynamics = tmp_path / "results/encoders/vision", tmp_path / "results/dynamics"
    make(vision, A, days=3)
    make(vision, B, days=5, lr=0.5)
    make(vision, C, days=2, step=10, extra=True)
    use(vision, A)
    make(dynamics, A, days=1, step=20)
    make(dynamics, B, days=4)
    return tmp_path / "results"


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["runs", *map(str, argv)])
    return int(leaving.value.code or 0)


def left(results: Path) -> set[str]:
    return {str(path.parent.relative_to(results)) for path in results.rglob("runs/*/config.json")}


EVERYTHING = {f"encoders/vision/runs/{name}" for name in (A, B, C)} | {f"dynamics/runs/{name}" for name in (A, B)}


def test_the_table_names_state_steps_size_age_and_what_differs(results, capsys):
    assert run("--results", results) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["stage", "run", "state", "step", "size", "age", "differs", "in"]
    newest, older, total, *rest = lines
    assert newest.split() == ["dynamics", A, "newest", "20/40", "10.1", "kB", "24", "h"]
    assert older.split() == [B, "unused", "40/40", "10.1", "kB", "4", "d"]
    assert total.split()[:4] == ["2", "runs", "20.2", "kB"]
    vision = {name: next(line for line in rest if name in line) for name in (A, B, C)}
    assert vision[C].split()[0] == "encoders/vision"  # the newest comes first
    assert vision[A].split() == [A, "used", "40/40", "10.1", "kB", "3", "d"]
    assert vision[B].endswith("5 d  training.lr=0.5")
    assert all(part in vision[C] for part in (" stopped ", " 10/40 ", " 2 d  extra=true"))
    assert next(line for line in lines if line.startswith("all")).split()[1:] == ["5", "runs", "50.6", "kB"]
    assert any(line.startswith("2 unused, 20.2 kB") and "--clear" in line for line in lines)


def test_columns_are_aligned(results, capsys):
    run("--results", results)
    lines = capsys.readouterr().out.splitlines()
    starts = {line.index(state) for line in lines for state in ("  used", "  unused", "  stopped") if state in line}
    assert len(starts) == 1


def test_clear_deletes_unused_runs_only(results, capsys):
    assert run("--results", results, "--clear", "--yes") == 0
    assert left(results) == EVERYTHING - {f"encoders/vision/runs/{B}", f"dynamics/runs/{B}"}
    assert "freed 20.2 kB" in capsys.readouterr().out


def test_clear_without_yes_deletes_nothing_where_nobody_can_answer(results, capsys):
    assert run("--results", results, "--clear") == 2
    printed = capsys.readouterr()
    assert B in printed.out
    assert "2 run(s)" in printed.err
    assert left(results) == EVERYTHING


@pytest.mark.parametrize(("answer", "gone"), [("y", 2), ("yes", 2), ("", 0), ("n", 0), ("yess", 0)])
def test_clear_asks_at_a_terminal(results, monkeypatch, answer, gone):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert run("--results", results, "--clear") == 0
    assert len(EVERYTHING - left(results)) == gone


def test_listing_alone_deletes_nothing(results):
    for arguments in ([], ["--stage", "dynamics"], ["--older-than", "0"]):
        run("--results", results, *arguments)
    assert left(results) == EVERYTHING


def test_stopped_runs_go_only_when_asked_for(results):
    run("--results", results, "--clear", "--stopped", "--yes")
    assert left(results) == {f"encoders/vision/runs/{A}", f"dynamics/runs/{A}"}


@pytest.mark.parametrize("stage", ["encoders/vision", "encoders/vision/"])
def test_one_stage(results, stage):
    run("--results", results, "--clear", "--yes", "--stage", stage)
    assert EVERYTHING - left(results) == {f"encoders/vision/runs/{B}"}


def test_only_old_ones(results):
    run("--results", results, "--clear", "--yes", "--older-than", 4.5)
    assert EVERYTHING - left(results) == {f"encoders/vision/runs/{B}"}


@pytest.mark.parametrize(
    "arguments",
    [["--stage", "nonsense"], ["--older-than", "-1"], ["--older-than", "nan"], ["--older-than", "soon"], ["--yes"]],
)
def test_wrong_arguments_delete_nothing(results, arguments):
    assert run("--results", results, *([] if arguments == ["--yes"] else ["--clear", "--yes"]), *arguments) == 2
    assert left(results) == EVERYTHING


def test_a_missing_folder_is_a_wrong_argument(tmp_path):
    assert run("--results", tmp_path / "none") == 2


def test_no_runs_at_all(tmp_path, capsys):
    (tmp_path / "results/data/playroom").mkdir(parents=True)
    assert run("--results", tmp_path / "results") == 0
    assert "no runs" in capsys.readouterr().out


def test_a_run_in_training_stays(results, capsys):
    folder = results / "encoders/vision/runs" / B
    with sole_owner(folder):
        run("--results", results, "--stage", "encoders/vision")
        assert "training" in capsys.readouterr().out
        run("--results", results, "--clear", "--yes", "--stopped")
    assert folder.is_dir()
    run("--results", results, "--clear", "--yes")
    assert not folder.is_dir()


def test_a_training_that_starts_while_the_question_waits_keeps_its_run(results, monkeypatch):
    folder = results / "encoders/vision/runs" / B
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    with (folder / "lock").open("r+") as handle:

        def answer(_: str) -> str:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return "y"

        monkeypatch.setattr("builtins.input", answer)
        run("--results", results, "--clear")
    assert folder.is_dir()
    assert not (results / "dynamics/runs" / B).exists()


def test_a_run_that_becomes_used_while_the_question_waits_stays(results, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: use(results / "encoders/vision", B) or "y")
    run("--results", results, "--clear")
    assert f"encoders/vision/runs/{B}" in left(results)


@pytest.mark.parametrize("text", ["", "{", "5", "[]", '{"details": 5}', '{"details": {"run": 5}}', "\xff"])
def test_a_damaged_manifest_keeps_the_runs_of_its_stage(results, text):
    (results / "encoders/vision/manifest.json").write_text(text, encoding="latin-1")
    assert run("--results", results, "--clear", "--yes", "--stopped", "--stage", "encoders/vision") == 0
    assert left(results) == EVERYTHING


def test_a_manifest_that_is_a_dead_link_keeps_the_runs_of_its_stage(results):
    (results / "encoders/vision/manifest.json").unlink()
    (results / "encoders/vision/manifest.json").symlink_to(results / "gone")
    run("--results", results, "--clear", "--yes", "--stage", "encoders/vision")
    assert left(results) == EVERYTHING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"section": 5}', '{"section": {"training": {"steps": "x"}}}'])
def test_a_run_whose_settings_are_unreadable_stays(results, text, capsys):
    (results / "encoders/vision/runs" / B / "config.json").write_text(text)
    assert run("--results", results) == 0
    assert "unknown" in capsys.readouterr().out
    run("--results", results, "--clear", "--yes", "--stopped", "--stage", "encoders/vision")
    assert (results / "encoders/vision/runs" / B).is_dir()


@pytest.mark.parametrize("level", ["run", "runs", "stage", "within"])
def test_links_are_not_followed(results, tmp_path, level):
    elsewhere = tmp_path / "elsewhere"
    stage = elsewhere / "toy"
    folder = make(stage, B)
    make(stage, A)
    use(stage, A)
    here = results / "toy"
    if level == "stage":
        here.symlink_to(stage)
    elif level == "runs":
        here.mkdir()
        use(here, A)
        (here / "runs").symlink_to(stage / "runs")
    else:
        make(here, A)
        use(here, A)
        if level == "run":
            (here / "runs" / B).symlink_to(folder)
        else:
            make(here, B)
            (here / "runs" / B / "tb").symlink_to(folder)
    run("--results", results, "--clear", "--yes", "--stopped")
    assert (folder / "config.json").exists()
    assert (stage / "runs" / A / "config.json").exists()
    assert not (here / "runs" / B).exists() or level != "within"


def test_the_results_folder_itself_may_be_a_link(results, tmp_path):
    (tmp_path / "scratch").symlink_to(results)
    run("--results", tmp_path / "scratch", "--clear", "--yes")
    assert len(left(results)) == len(EVERYTHING) - 2


@pytest.mark.parametrize("name", ["best", "backup-2024", "A" * 16, "a" * 15, "a" * 17, ".hidden"])
def test_folders_of_other_names_are_not_ours(results, name):
    make(results / "dynamics", name, days=9)
    run("--results", results, "--clear", "--yes", "--stopped")
    assert (results / "dynamics/runs" / name).is_dir()


def test_a_file_that_cannot_be_deleted_is_exit_74(results, monkeypatch, capsys):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    assert run("--results", results, "--clear", "--yes") == 74
    assert B in capsys.readouterr().err


def test_it_answers_without_torch(results):
    program = "import sys; sys.modules['torch'] = None\nfrom sensorium.cli import main\nmain(sys.argv[1:])"
    result = subprocess.run(
        [sys.executable, "-c", program, "runs", "--results", results], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "5 runs" in result.stdout
