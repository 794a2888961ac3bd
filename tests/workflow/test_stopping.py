"""README: "Stop it whenever you like", also at the moment in which Snakemake looks at the files of an ended job."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Snakemake holds its scheduler's lock while a job is looked at, which takes two seconds here.
TOY = """\
import asyncio
from pathlib import Path
from snakemake.jobs import Job

{stopping}

looked_at = Job.postprocess

async def slowly(self, *args, **kwargs):
    Path("held").touch()
    await asyncio.sleep(2)
    return await looked_at(self, *args, **kwargs)

Job.postprocess = slowly

rule last:
    input: "first"
    output: "last"
    shell: "touch {{output}}"

rule first:
    output: "first"
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


def test_a_run_ends_when_it_is_stopped_while_a_job_ends(tmp_path):
    assert stopped(tmp_path, f'include: "{ROOT / "workflow/stopping.smk"}"') == 1, (tmp_path / "log").read_text()
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "last").exists()


@pytest.mark.slow
def test_it_would_wait_for_itself_for_ever_otherwise(tmp_path):
    """Once this fails, Snakemake has mended it and workflow/stopping.smk can go."""
    assert stopped(tmp_path, "") is None, (tmp_path / "log").read_text()
