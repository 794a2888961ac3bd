"""Logs and records are written to the files of their names alone: a link there could lead to any file of the user."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from sensorium.artifacts import no_links
from sensorium.cli import main
from sensorium.training.metrics import JSONL, LOG, RunLog

PRECIOUS = "years of work\n"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    (tmp_path / "precious.txt").write_text(PRECIOUS)
    return tmp_path / "precious.txt"


@pytest.mark.parametrize("rank", [None, "0"])
def test_the_log_of_a_program(
    rank: str | None, tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rank is not None:  # a rank appends to the log of its launch
        monkeypatch.setenv("RANK", rank)
    (tmp_path / "a.log").symlink_to(precious)
    (tmp_path / "b.log").symlink_to("not there")
    for name in ("a.log", "b.log"):
        with pytest.raises((SystemExit, OSError)) as caught:
            main(["--log", str(tmp_path / name), "index", "--help"])
        assert getattr(caught.value, "code", 1) != 0
    assert precious.read_text() == PRECIOUS
    assert not (tmp_path / "not there").exists()


def test_the_log_of_a_training(tmp_path: Path, precious: Path) -> None:
    (tmp_path / LOG).symlink_to(precious)
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        RunLog(tmp_path)
    assert precious.read_text() == PRECIOUS
    assert not logging.getLogger("sensorium").handlers


def test_the_metrics_of_a_training(tmp_path: Path, precious: Path) -> None:
    (tmp_path / JSONL).symlink_to(precious)
    with RunLog(tmp_path) as records:
        records.begin(0)
        records.scalars(1, {"loss": 1.0})
        assert precious.read_text() == PRECIOUS
        (tmp_path / JSONL).unlink()
        (tmp_path / JSONL).symlink_to(precious)
        with pytest.raises(OSError, match=re.escape(str(tmp_path))):
            records.scalars(2, {"loss": 1.0})
    assert precious.read_text() == PRECIOUS


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    """As `logs` and `results` of a container are."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "logs").symlink_to("disk")
    with open(tmp_path / "logs/a.log", "a", opener=no_links) as file:
        file.write("x")
    assert (tmp_path / "disk/a.log").read_text() == "x"
