"""Draw the training curves of stages, from the records of the runs that their manifests name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sensorium.artifacts import ArtifactError, read_json
from sensorium.evaluation import figures

REVISION = 1
LOSSES = {"train/loss": "training", "val/loss": "validation"}


def main(argv: list[str]) -> None:
    """Run `sensorium curves`."""
    parser = argparse.ArgumentParser(prog="sensorium curves", description=__doc__)
    parser.add_argument("--manifests", required=True, type=Path, nargs="+", metavar="MANIFEST", help="trained stages")
    parser.add_argument("--output", required=True, type=Path, metavar="PNG", help="where the picture goes")
    args = parser.parse_args(argv)
    figures.curves(args.output, {kind: losses for kind, losses in map(run_losses, args.manifests)})


def run_losses(manifest: Path) -> tuple[str, dict[str, tuple[list[int], list[float]]]]:
    """Name of the stage, and its losses: curve -> (steps, values).

    Raises:
        ArtifactError: if the manifest names no run, or the run left no record of a loss.
    """
    content = read_json(manifest)
    try:
        kind, run = content["kind"], content["details"]["run"]
    except (KeyError, TypeError):
        raise ArtifactError(f"{manifest}: names no training run; pass the manifest of a trained stage") from None
    path = manifest.parent / "runs" / run / "metrics.jsonl"
    if not path.exists():
        raise ArtifactError(
            f"{path}: not found; the run's folder was removed, so its curves cannot be drawn: train again"
        )
    losses: dict[str, tuple[list[int], list[float]]] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        for name, curve in LOSSES.items():
            if record.get(name) is not None:
                steps, values = losses.setdefault(curve, ([], []))
                steps.append(record["step"])
                values.append(record[name])
    if not losses:
        raise ArtifactError(f"{path}: holds no loss; delete the run's folder and train again")
    return kind, losses
