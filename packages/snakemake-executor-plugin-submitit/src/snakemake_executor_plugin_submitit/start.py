"""The first program of a job: gives the pickle that was made before sbatch its job's number and hands over to submitit.

python -m snakemake_executor_plugin_submitit.start FOLDER
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from submitit.core.submission import process_job

from snakemake_executor_plugin_submitit.runs import PICKLE


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1])
    named = folder / f"{os.environ['SLURM_JOB_ID']}_submitted.pkl"
    if not named.exists():
        shutil.copyfile(folder / PICKLE, named)
    process_job(folder)


if __name__ == "__main__":
    main()
