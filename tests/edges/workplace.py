"""A folder in which the workflow runs with a few small targets, and what must be true of it in the end."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from sensorium.orphans import find_orphans

ROOT = Path(__file__).parents[2]
PLUGIN = "packages/snakemake-executor-plugin-submitit/src"
LINKED = ("Snakefile", "rules", "workflow", "config", "profiles", "local", "src")
# The tiny preset with fewer recordings and steps: recordings, an encoder and its evaluation take seconds.
SMALL = {
    "data": {"recordings": 60, "frames": 32, "shards": 1, "max_bodies": 2, "test_fraction": 0.45},
    "encoders": {"vision": {"width": 8, "dim": 32, "training": {"steps": 60, "batch": 32, "warmup": 5}}},
    "evaluations": {"probe": {"samples": 100, "trials": 4, "supervised_steps": 10}},
}
SMALL_TARGETS = ("results/eval/probe_vision.json",)
CHECKPOINT = re.compile(r"step-(\d+)")


class Workplace:
    """A folder that holds links to the repository's workflow, a configuration and results.

    Args:
        folder: an existing or a new folder.
        targets: files to make; none for everything.
        preset: a file of settings; without one, SMALL.
    """

    def __init__(self, folder: Path, targets: tuple[str, ...] = SMALL_TARGETS, preset: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        (folder / "preset.yaml").write_text(preset.read_text() if preset else yaml.safe_dump(SMALL))
        self.command = ["snakemake", *targets, *"--profile local -j1 --cores 1 --configfile preset.yaml".split()]

    def start(self, *argv: str, **options: object) -> subprocess.Popen[bytes]:
        """A command, by default that of the workflow, as the head of a process group; its output goes to `output`."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / PLUGIN)]),
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(
                list(argv) or self.command,
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )

    def output(self) -> str:
        """What the last command has printed."""
        return (self.folder / "output").read_text(errors="replace")

    def programs(self) -> list[str]:
        """The commands of all jobs, in an order in which they can run."""
        assert self.start(*self.command, "--dry-run", "--printshellcmds").wait() == 0, self.output()
        return re.findall(r"^Shell command: (sensorium .*)$", self.output(), re.MULTILINE)

    def results(self) -> dict[str, str]:
        """Digest of each file that a run makes bit by bit again: recordings, weights, final states, manifests."""
        results, found = self.folder / "results", {}
        for path in sorted([*results.rglob("*.safetensors"), *results.rglob("manifest.json")]):
            if "checkpoints" in path.parts and path.parent != self._checkpoints(path.parent.parent)[-1]:
                continue
            found[str(path.relative_to(results))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def leftovers(self) -> list[str]:
        """What a finished run must not leave: temporary files, locks, marks of incomplete files, processes."""
        state = self.folder / ".snakemake"
        found = [path for path in (self.folder / "results").rglob(".*")]
        found += [path for name in ("locks", "incomplete") for path in (state / name).glob("*")]
        found += [path for path in [state / "run.lock"] if path.exists() and path.stat().st_size]
        for checkpoints in (self.folder / "results").rglob("checkpoints"):
            found += self._checkpoints(checkpoints)[:-2]
        processes = [f"process {pid}: {command}" for pid, command in find_orphans(self.folder).items()]
        return [str(path.relative_to(self.folder)) for path in found] + processes

    @staticmethod
    def _checkpoints(folder: Path) -> list[Path]:
        return sorted(path for path in folder.iterdir() if CHECKPOINT.fullmatch(path.name))
