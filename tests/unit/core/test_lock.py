"""A run folder belongs to one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium.exits import StorageError
from sensorium.training.lock import sole_owner

HOLDER = """
import sys, time
from pathlib import Path
from sensorium.training.lock import sole_owner
with sole_owner(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=f"process {holder.pid} on ") as refusal, sole_owner(tmp_path):
            pass
        assert str(tmp_path) in str(refusal.value)
        holder.kill()  # however it ends
    with sole_owner(tmp_path):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
