"""A training stage, from its inputs to its artifact: fingerprint, run folder, resume, training, gates, export."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sensorium.artifacts import atomic_path, digest, fingerprint, read_json, write_json, write_manifest
from sensorium.config import ConfigurationError, Section, Training, canonical_json
from sensorium.data.windows import Windows, WindowSource
from sensorium.exits import writing
from sensorium.models.kernels import deterministic_attention
from sensorium.progress import say
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.distributed import Ranks
from sensorium.training.execution import Execution
from sensorium.training.health import Verdict
from sensorium.training.interrupt import Interrupt
from sensorium.training.learner import Learner, is_rival
from sensorium.training.lock import sole_owner
from sensorium.training.trainer import Trainer
from sensorium.training.validation import VALIDATION_ROWS

MODEL, CRITIC = "model.safetensors", "critic.safetensors"


def train_stage(
    *,
    stage: str,
    revision: int,
    section: Section,
    inputs: Mapping[str, Path],
    output: Path,
    build: Callable[[], tuple[Learner, WindowSource, WindowSource]],
    execution: Execution,
    shapes: Mapping[str, Any],
) -> None:
    """Train a model and write `output`/model.safetensors and manifest.json; resume a run that was stopped.

    The rivals of a learner that has any go into `output`/critic.safetensors. With `execution.replay` a step is
    repeated instead, and nothing is trained or exported.

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
        ConfigurationError: if `execution.replay` names a step that was not kept.
    """
    training: Training = section.training  # type: ignore[attr-defined]
    with Interrupt(execution.max_minutes) as interrupt, deterministic_attention(), ExitStack() as held:
        digests = {name: _digest(path) for name, path in inputs.items()}
        section_json = canonical_json(section)
        folder = output / "runs" / fingerprint(section_json, digests, revision)
        with Ranks.join(execution.prepare()) as ranks:
            if ranks.is_main:
                _note_settings(folder, stage, revision, section_json, digests)
                held.enter_context(sole_owner(folder))
            torch.manual_seed(training.seed)
            learner, windows, validation = build()
            trainer = Trainer(learner, training, windows, validation, folder, execution, ranks)
            if execution.replay is not None:
                trainer.replay(execution.replay)
                return
            verdict = trainer.run(interrupt)
            verdict.check()
            if ranks.is_main:
                details = _details(shapes, folder, verdict) | {
                    "steps": training.steps,
                    "skipped_steps": trainer.skipped,
                    "parameters": sum(tensor.numel() for tensor in trainer.learner.model.parameters()),
                }
                manifest = {"kind": stage, "section_json": section_json, "inputs": digests, "details": details}
                _export(trainer.learner, trainer.exported(), output, **manifest)
            ranks.barrier()


def fit_stage(
    *,
    stage: str,
    revision: int,
    section: Section,
    inputs: Mapping[str, Path],
    output: Path,
    build: Callable[[], tuple[Learner, Windows]],
    execution: Execution,
    shapes: Mapping[str, Any],
) -> None:
    """Write a model that has statistics and no weights, in the form of `train_stage`: the same artifact and gates.

    It takes seconds and is a function of its inputs, so a run that was stopped begins anew.

    Args:
        stage, revision, section, inputs, output, execution, shapes: as for `train_stage`.
        build: makes the learner, whose model is fitted, and the validation windows.

    Raises:
        UnhealthyError: if a gate failed; then nothing is exported.
        StorageError: if results cannot be written, or another process fits in the same run folder.
        ArtifactError: if an input is missing.
        ConfigurationError: if `execution.replay` names a step: there are none.
    """
    if execution.replay is not None:
        raise ConfigurationError(
            f"--replay {execution.replay}: {stage} is fitted at once and has no steps; leave --replay out"
        )
    training: Training = section.training  # type: ignore[attr-defined]
    with ExitStack() as held:
        digests = {name: _digest(path) for name, path in inputs.items()}
        section_json = canonical_json(section)
        folder = output / "runs" / fingerprint(section_json, digests, revision)
        with Ranks.join(execution.prepare()) as ranks:
            if ranks.is_main:
                _note_settings(folder, stage, revision, section_json, digests)
                held.enter_context(sole_owner(folder))
                learner, validation = build()
                learner.eval()
                rows = min(max(training.batch, VALIDATION_ROWS), len(validation))
                seed = stable_seed(training.seed, "validation")
                batch = validation.batch(sample_indices(seed, 0, rows, len(validation)))
                with torch.no_grad():
                    loss, metrics = learner(batch, Draw(seed, 0, 0, rows, rows, torch.device("cpu")))
                    gates = learner.gates(batch)
                values = {f"val/{name}": float(value) for name, value in metrics.items()} | {"val/loss": float(loss)}
                verdict = Verdict(values | {f"health/{gate.name}": gate.value for gate in gates}, gates)
                verdict.check()
                details = _details(shapes, folder, verdict) | {"steps": 0, "skipped_steps": 0, "parameters": 0}
                manifest = {"kind": stage, "section_json": section_json, "inputs": digests, "details": details}
                _export(learner, nullcontext(), output, **manifest)
            ranks.barrier()


def _note_settings(folder: Path, stage: str, revision: int, section_json: str, inputs: Mapping[str, str]) -> None:
    """Say in a run's folder what its fingerprint is made of."""
    settings = {"stage": stage, "revision": revision, "section": json.loads(section_json), "inputs": inputs}
    with writing(folder):
        write_json(folder / "config.json", settings)


def _details(shapes: Mapping[str, Any], folder: Path, verdict: Verdict) -> dict[str, Any]:
    """What a manifest says of every model: the shapes it was built with, its run, and the last validation."""
    metrics = {name: value if math.isfinite(value) else None for name, value in verdict.metrics.items()}
    return {"shapes": dict(shapes), "run": folder.name, "metrics": metrics}


def _export(learner: Learner, exported: AbstractContextManager[None], output: Path, **manifest: Any) -> None:
    """Write the model and the critic, if there is one, and then the manifest that names them.

    Reports what the last validation measured.
    """
    files = {"model": output / MODEL}
    with exported:
        _write(files["model"], learner.model.state_dict())
    critic = {name: tensor for name, tensor in learner.state_dict().items() if is_rival(name, learner)}
    if critic:
        files["critic"] = output / CRITIC
        _write(files["critic"], critic)
    else:
        (output / CRITIC).unlink(missing_ok=True)  # of settings that had one
    with writing(output):
        write_manifest(output, files=files, **manifest)
    found = ", ".join(
        f"{name} {value:.3g}" for name, value in manifest["details"]["metrics"].items() if value is not None
    )
    steps = manifest["details"]["steps"]
    say(f"{output / MODEL}: {f'trained for {steps} steps' if steps else 'fitted'}; {found}")


def _write(path: Path, weights: Mapping[str, Tensor]) -> None:
    with writing(path), atomic_path(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}, temporary)


def _digest(path: Path) -> str:
    if path.suffix == ".json":
        read_json(path)  # a missing or broken manifest raises an error that names it and the way out
    return digest(path)
