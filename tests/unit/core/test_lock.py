"""A run folder belongs to one process."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium.exits import StorageError
from sensorium.ownership import read_owner
from sensorium.training.lock import sole_owner

HOLDER = """
import sys, time
from pathlib import Path
from sensorium.training.lock import sole_owner
with sole_owner(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        named = f"another process trains here: process {holder.pid} on {socket.gethostname()}, since 20"
        with pytest.raises(StorageError, match=named) as refusal, sole_owner(tmp_path):
            pass
        assert refusal.value.exit_code == 74
        assert str(refusal.value).startswith(f"{tmp_path}: ")
        holder.kill()  # however it ends
    with sole_owner(tmp_path):
        owner = read_owner(tmp_path / "lock")
        assert owner is not None
        assert owner.pid == os.getpid()
    assert f"going on after process {holder.pid} on " in caplog.text


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="run/lock"), sole_owner(tmp_path / "run"):
        pass
