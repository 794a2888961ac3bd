"""A training stage, from its inputs to its artifact: fingerprint, run folder, resume, training, gates, export."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sensorium.artifacts import atomic_path, digest, fingerprint, read_json, write_json, write_manifest
from sensorium.config import Section, Training, canonical_json
from sensorium.data.windows import JoinedWindows, Windows
from sensorium.exits import writing
from sensorium.models.kernels import deterministic_attention
from sensorium.progress import say
from sensorium.training.distributed import Ranks
from sensorium.training.execution import Execution
from sensorium.training.interrupt import Interrupt
from sensorium.training.learner import Learner
from sensorium.training.lock import sole_owner
from sensorium.training.trainer import Trainer

MODEL = "model.safetensors"


def train_stage(
    *,
    stage: str,
    revision: int,
    section: Section,
    inputs: Mapping[str, Path],
    output: Path,
    build: Callable[[], tuple[Learner, Windows | JoinedWindows, Windows | JoinedWindows]],
    execution: Execution,
    shapes: Mapping[str, Any],
) -> None:
    """Train a model and write `output`/model.safetensors and manifest.json; resume a run that was stopped.

    Args:
        stage: kind of the artifact, for example "encoder_vision".
        revision: REVISION of the stage's module.
        section: its section of the configuration, with a field `training`.
        inputs: name -> file of each input: a manifest, or weights from another project.
        output: folder of the artifact; the run lives in `output`/runs/FINGERPRINT.
        build: makes the learner, the training windows and the validation windows. It is called after torch was
            seeded, so the initial weights are a function of the seed.
        execution: how to run.
        shapes: the second argument of the model's constructor, after its section (JSON).

    Raises:
        StoppedEarly: after a signal or near the deadline, with the state saved.
        UnhealthyError: if the run diverged, or a gate failed; then nothing is exported.
        StorageError: if results cannot be written, or another process trains in the same run folder.
        ArtifactError: if an input is missing, or a checkpoint does not fit the model.
    """
    training: Training = section.training  # type: ignore[attr-defined]
    with Interrupt(execution.max_minutes) as interrupt, deterministic_attention(), ExitStack() as held:
        digests = {name: _digest(path) for name, path in inputs.items()}
        section_json = canonical_json(section)
        folder = output / "runs" / fingerprint(section_json, digests, revision)
        with Ranks.join(execution.prepare()) as ranks:
            if ranks.is_main:
                settings = {"stage": stage, "revision": revision, "section": json.loads(section_json)}
                with writing(folder):
                    write_json(folder / "config.json", settings | {"inputs": digests})
                held.enter_context(sole_owner(folder))
            torch.manual_seed(training.seed)
            learner, windows, validation = build()
            trainer = Trainer(learner, training, windows, validation, folder, execution, ranks)
            verdict = trainer.run(interrupt)
            verdict.check()
            if ranks.is_main:
                details = {
                    "shapes": dict(shapes),
                    "run": folder.name,
                    "steps": training.steps,
                    "skipped_steps": trainer.skipped,
                    "parameters": sum(tensor.numel() for tensor in trainer.learner.model.parameters()),
                    "metrics": {name: v if math.isfinite(v) else None for name, v in verdict.metrics.items()},
                }
                _export(trainer, output, kind=stage, section_json=section_json, inputs=digests, details=details)
            ranks.barrier()


def _export(trainer: Trainer, output: Path, **manifest: Any) -> None:
    """Write the model, and then the manifest that names it; report what the last validation measured."""
    with trainer.exported(), writing(output / MODEL), atomic_path(output / MODEL) as temporary:
        weights = trainer.learner.model.state_dict()
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}, temporary)
    with writing(output):
        write_manifest(output, files={"model": output / MODEL}, **manifest)
    found = ", ".join(
        f"{name} {value:.3g}" for name, value in manifest["details"]["metrics"].items() if value is not None
    )
    say(f"{output / MODEL}: trained for {manifest['details']['steps']} steps; {found}")


def _digest(path: Path) -> str:
    if path.suffix == ".json":
        read_json(path)  # a missing or broken manifest raises an error that names it and the way out
    return digest(path)
