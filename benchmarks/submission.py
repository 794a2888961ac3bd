"""Time from the submission of a job to its first training step, with each executor and with sbatch alone.

    python benchmarks/submission.py --partition gpu --account lab     on a cluster, from a shared folder
    python benchmarks/submission.py --private                         on a private one, here (root, Debian packages)

The same program (import torch, one step of an optimiser) is submitted by sbatch alone, through the submitit executor
and through the official slurm executor. SLURM's accounting has the times of submission and start, to the second;
the program writes the time of its step.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

STEP = """\
import sys, time, torch
weight = torch.zeros(8, requires_grad=True)
optimiser = torch.optim.AdamW([weight])
(weight - 1).square().sum().backward()
optimiser.step()
open(sys.argv[1], "w").write(str(time.time()))
"""
SNAKEFILE = """\
rule step:
    output: "step.txt"
    resources: mem_mb=1000, runtime=5
    shell: "python step.py {output}"
"""
EXECUTORS = {
    "sbatch alone": (),
    "submitit": ("--executor", "submitit", "--seconds-between-status-checks", "1"),
    "slurm": ("--executor", "slurm", "--slurm-init-seconds-before-status-checks", "2"),
}


def measure(name: str, folder: Path, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds from submission to start and from start to the first step, of one job."""
    (folder / "step.py").write_text(STEP)
    (folder / "Snakefile").write_text(SNAKEFILE)
    began = datetime.now().isoformat(timespec="seconds")
    if EXECUTORS[name]:
        resources = [f"slurm_partition={arguments.partition}", f"slurm_account={arguments.account}"]
        command = ["snakemake", "--default-resources", *resources, "--jobs", "1", "--quiet", "all", *EXECUTORS[name]]
    else:
        options = [f"--partition={arguments.partition}", f"--account={arguments.account}", "--mem=1000M", "--time=5"]
        command = ["sbatch", "--wait", "--output=/dev/null", *options, "--wrap", "python step.py step.txt"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    query = ["sacct", "-X", "-n", "-P", "--format=Submit,Start", "--starttime", began]
    for _ in range(100):  # a job appears in the accounting a little late
        lines = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
        if lines and "Unknown" not in lines[-1]:
            break
        time.sleep(0.1)
    submitted, started = (datetime.fromisoformat(text).timestamp() for text in lines[-1].split("|"))
    return started - submitted, float((folder / "step.txt").read_text()) - started


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partition", default="main")
    parser.add_argument("--account", default="science")
    parser.add_argument("--private", action="store_true", help="bring up the private cluster of tests/cluster")
    parser.add_argument("--jobs", type=int, default=5, help="measured for each way")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with ExitStack() as stack:
        if arguments.private:
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests/cluster"))
            from private_slurm import PrivateSlurm

            place = Path(tempfile.mkdtemp(prefix="slurm"))
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            cluster = PrivateSlurm(place)
            stack.callback(cluster.stop)
            cluster.start()
            os.environ["PATH"] = os.pathsep.join([str(cluster.bin), os.environ["PATH"]])
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in EXECUTORS}
        for _ in range(arguments.jobs):  # in turns, so that other work on the machine affects all of them
            for name, values in found.items():
                with tempfile.TemporaryDirectory(dir=None if arguments.private else ".") as folder:
                    values.append(measure(name, Path(folder), arguments))
    print("| submitted by | submission to start, s | start to first step, s |\n|---|---|---|")
    for name, values in found.items():
        queued, running = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"| {name} | {queued:.1f} | {running:.1f} |")


if __name__ == "__main__":
    main()
