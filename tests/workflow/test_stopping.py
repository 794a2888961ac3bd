"""README: "Stop it whenever you like", also at the moment in which Snakemake chooses jobs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Snakemake holds its scheduler's lock while it chooses jobs, which takes two seconds here.
TOY = """\
import time
from pathlib import Path
from snakemake.scheduling.job_scheduler import JobScheduler

{stopping}

chosen = JobScheduler.update_available_resources

def slowly(self, selected):
    Path("held").touch()
    time.sleep(2)
    return chosen(self, selected)

JobScheduler.update_available_resources = slowly

rule made:
    output: "made"
    shell: "touch {{output}}"
"""


def stopped(folder: Path, stopping: str) -> int | None:
    """Exit code of a run that gets SIGTERM while the lock is held; None if it goes on for ten seconds."""
    (folder / "Snakefile").write_text(TOY.format(stopping=stopping))
    with (folder / "log").open("w") as log:
        words = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1"]
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        while not (folder / "held").exists():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        return process.wait(10)
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()
        process.wait()


def test_a_run_that_is_stopped_while_it_chooses_jobs_ends_and_starts_none(tmp_path):
    assert stopped(tmp_path, f'include: "{ROOT / "workflow/stopping.smk"}"') == 1, (tmp_path / "log").read_text()
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_it_would_wait_for_itself_for_ever_otherwise(tmp_path):
    """Once this fails, Snakemake has mended it and workflow/stopping.smk can go."""
    assert stopped(tmp_path, "") is None, (tmp_path / "log").read_text()
