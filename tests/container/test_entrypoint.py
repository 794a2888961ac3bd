"""The first process of a container, with a stand-in for Snakemake."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "container/entrypoint.sh"
# Like Snakemake: hears the signal, but waits for its job, which must hear of it by itself.
WAITING = """\
#!/bin/bash
trap : TERM
bash -c 'trap "echo saved > job; exit 75" TERM; touch started; while :; do sleep 0.05; done' &
while wait; [ -n "$(jobs -r)" ]; do :; done
exit 1
"""


def start(folder: Path, snakemake: str) -> subprocess.Popen[bytes]:
    program = folder / "bin/snakemake"
    program.parent.mkdir()
    program.write_text(snakemake)
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    return subprocess.Popen([ENTRYPOINT, "-n"], cwd=folder, env=environment)


@pytest.mark.parametrize("code", [0, 1, 143])
def test_the_exit_code_is_that_of_snakemake(tmp_path, code):
    assert start(tmp_path, f'#!/bin/bash\n[ "$*" = -n ] && exit {code}\n').wait(60) == code
    assert (tmp_path / "results/.snakemake").is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_job_and_the_end_is_waited_for(tmp_path, number):
    process = start(tmp_path, WAITING)
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 75
    assert (tmp_path / "job").read_text() == "saved\n"


def test_a_workflow_that_ends_well_although_it_was_stopped_is_done(tmp_path):
    process = start(tmp_path, "#!/bin/bash\ntrap 'exit 0' TERM\ntouch started\nwhile :; do sleep 0.05; done\n")
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
