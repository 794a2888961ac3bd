"""Draw the training curves of stages, from the records of the runs that their manifests name."""

from __future__ import annotations

import argparse
from pathlib import Path

from sensorium.artifacts import ArtifactError, read_manifest, record_of
from sensorium.evaluation import figures
from sensorium.progress import say

REVISION = 2
SPLITS = {"train": "training", "val": "validation"}
# A loss that is divided by its own running size stays near one, however much is learned; its parts show more.
DRAWN = {"tokenizer_video": "psnr", "dynamics": "error_from_noise", "clone": "action_next"}

Curves = dict[str, tuple[list[int], list[float]]]  # curve -> (steps, values)


def main(argv: list[str]) -> None:
    """Run `sensorium curves`."""
    parser = argparse.ArgumentParser(prog="sensorium curves", description=__doc__)
    parser.add_argument("--manifests", required=True, type=Path, nargs="+", metavar="MANIFEST", help="trained stages")
    parser.add_argument("--output", required=True, type=Path, metavar="PNG", help="where the picture goes")
    args = parser.parse_args(argv)
    runs = [run_curves(manifest) for manifest in args.manifests if not is_fitted(manifest)]
    figures.curves(args.output, runs)
    for stage, drawn, curves in runs:
        ends = ", ".join(f"{name} {values[0]:.3g} to {values[-1]:.3g}" for name, (_, values) in curves.items())
        say(f"{stage}: {drawn}, {ends}")
    say(f"{args.output}: the curves of {len(runs)} trainings")


def is_fitted(manifest: Path) -> bool:
    """Whether a stage has statistics and no weights: its model was made without a step, so there is no curve of it."""
    return read_manifest(manifest)["details"].get("steps") == 0


def run_curves(manifest: Path) -> tuple[str, str, Curves]:
    """Name of the stage, what is drawn (its loss, or a metric that shows more), and its curves.

    Raises:
        ArtifactError: if the manifest names no run, or the run left no record of it.
    """
    content = read_manifest(manifest)
    kind, run = content["kind"], content["details"].get("run")
    if not isinstance(run, str) or not run.isalnum():
        raise ArtifactError(f"{manifest}: names no training run; pass the manifest of a trained stage")
    path = manifest.parent / "runs" / run / "metrics.jsonl"
    if not path.is_file():
        raise ArtifactError(
            f"{path}: not found; the run's folder was removed, so its curves cannot be drawn: train again"
        )
    measure = DRAWN.get(kind, "loss")
    found: Curves = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        record = record_of(line)
        if record is None:
            raise ArtifactError(f"{path}: line {number} is no record ({line:.80}); remove it, or train again")
        for split, curve in SPLITS.items():
            if (value := record.get(f"{split}/{measure}")) is not None:
                steps, values = found.setdefault(curve, ([], []))
                steps.append(record["step"])
                values.append(value)
    if not found:
        raise ArtifactError(f"{path}: holds no {measure}; delete the run's folder and train again")
    return kind, measure, found
