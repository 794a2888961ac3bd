"""The one training loop. A run's state is weights, optimiser and step: everything random is a function of the step."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError, Training
from sensorium.data.windows import JoinedWindows, StepBatches, Windows
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.checkpoint import Checkpoints
from sensorium.training.distributed import World
from sensorium.training.execution import Execution
from sensorium.training.gradients import Gradients
from sensorium.training.health import Skips, Verdict, first_bad_place
from sensorium.training.interrupt import Interrupt, StoppedEarly, ignore_signals
from sensorium.training.learner import Batch, Learner, Metrics
from sensorium.training.metrics import Pace, RunLog, clock
from sensorium.training.optimiser import Optimiser

log = logging.getLogger(__name__)
LOG_STEPS = 20
VALIDATIONS = 10
JUDGED = 64  # rows of a validation at least: gates on a training batch of 8 windows refused models by bad luck
LINE_SECONDS = 10.0


class Trainer:
    """Trains a learner from where its run stands to its last step.

    Args:
        learner: freshly built; a checkpoint in `folder` replaces its weights.
        training: the optimisation.
        windows: of training recordings; `validation`: of validation recordings.
        folder: the run's folder: checkpoints, metrics.jsonl, train.log, tb.
        execution: how to run.
        world: the ranks, and this one's device.
    """

    def __init__(
        self,
        learner: Learner,
        training: Training,
        windows: Windows | JoinedWindows,
        validation: Windows | JoinedWindows,
        folder: Path,
        execution: Execution,
        world: World,
    ) -> None:
        if training.batch < world.size:
            raise ConfigurationError(f"training.batch is {training.batch}: {world.size} ranks need at least a row each")
        self.learner = learner.to(world.device)
        self._training, self._windows, self._validation = training, windows, validation
        self._folder, self._execution, self._world = folder, execution, world
        self._device = world.device
        self._optimiser = Optimiser(learner, training)
        self._checkpoints = Checkpoints(folder / "checkpoints")
        start, stop = world.share(training.batch)
        micro_batch = min(execution.micro_batch or stop - start, stop - start)
        self._gradients = Gradients(learner, world, lambda: execution.autocast(world.device), micro_batch)
        self._skips = Skips()
        self._verdict: Verdict | None = None
        self._saved = -1
        self._save_seconds = self._step_seconds = 0.0

    def run(self, interrupt: Interrupt) -> Verdict:
        """Train to the last step, or until interrupted; a finished run gives its verdict at once.

        Raises:
            StoppedEarly: after a signal or near the deadline, with the state saved.
            UnhealthyError: if too many steps are not finite.
            StorageError: if state or metrics cannot be written.
            ConfigurationError: if not even one row fits into memory.
        """
        steps, batch = self._training.steps, self._training.batch
        with RunLog(self._folder, self._world.is_main) as records:
            done = self._resume()
            if not self._world.same(done):
                raise ArtifactError(f"{self._folder}: the ranks see different checkpoints; run the same command again")
            records.begin(done)
            if done == steps and self._verdict:
                log.info("already trained for all of its %d steps: %s", steps, self._folder)
                return self._verdict
            parameters = sum(p.numel() for p in self._optimiser.parameters)
            log.info(
                "training %s: %d parameters, steps %d to %d, batch %d (%d a pass), %s, %d rank(s), in %s",
                *(type(self.learner).__name__, parameters, done, steps, batch),
                *(self._gradients.micro_batch, self._device, self._world.size, self._folder),
            )
            self._execution.compile_modules(self.learner.compiled(), self._device)
            pace, told, saved_at = Pace(done, steps, batch), time.monotonic(), time.monotonic()
            log_every, validate_every = max(1, min(LOG_STEPS, steps // 20)), max(1, steps // VALIDATIONS)
            for step, samples in zip(range(done, steps), self._loader(done), strict=True):
                begun, done = time.monotonic(), step + 1
                validates = done % validate_every == 0 or done == steps
                values = self._step(step, samples, wanted=validates or done % log_every == 0)
                self._step_seconds = max(0.9 * self._step_seconds, time.monotonic() - begun)
                if validates:
                    values |= self._validate(done, records)
                if values:
                    values |= pace.measure(done)
                    records.scalars(done, values)
                    if time.monotonic() - told > LINE_SECONDS or done == steps:
                        told = time.monotonic()
                        rate, left = values["perf/samples_per_second"], clock(values["perf/seconds_left"])
                        loss = values["train/loss"]
                        log.info("step %d/%d  loss %.4f  %.0f samples/s  %s left", done, steps, loss, rate, left)
                if done == steps:  # the last save stands below
                    break
                reserve = 2 * (self._step_seconds + self._save_seconds)
                if self._world.any(interrupt.reason(reserve) is not None):
                    self._save(done)
                    self._world.wait()  # a rank that left early would take the one that saves with it
                    reason = interrupt.reason(reserve) or "a signal to another rank"
                    raise StoppedEarly(
                        f"stopped by {reason} after step {done} of {steps}, state saved in "
                        f"{self._checkpoints.path(done)}: run the same command again to go on"
                    )
                if time.monotonic() - saved_at > 60 * self._execution.checkpoint_minutes:
                    self._save(done)
                    saved_at = time.monotonic()
            self._save(done)
        assert self._verdict is not None
        return self._verdict

    def exported(self) -> AbstractContextManager[None]:
        """Give the learner the weights to export (the average, where one is kept) for a while."""
        return self._optimiser.averaged()

    @property
    def skipped(self) -> int:
        """Steps that were skipped because they were not finite."""
        return self._skips.total

    def _loader(self, done: int) -> DataLoader[Batch]:
        training, execution = self._training, self._execution
        return DataLoader(
            StepBatches(self._windows, training.seed, training.batch, self._world.share(training.batch)),
            batch_size=None,
            sampler=range(done, training.steps),
            num_workers=execution.workers,
            worker_init_fn=ignore_signals,
            pin_memory=self._device.type == "cuda",
        )

    def _draw(self, purpose: str, step: int, rows: int) -> Draw:
        return Draw(
            stable_seed(self._training.seed, type(self.learner).__name__, purpose), step, 0, rows, rows, self._device
        )

    def _to_device(self, batch: Batch) -> Batch:
        return {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}

    def _step(self, step: int, samples: Batch, wanted: bool) -> dict[str, float]:
        """Make one step; return what is to be logged, where that is wanted."""
        batch, draw = self._to_device(samples), self._draw("training", step, self._training.batch)
        self.learner.train()
        self._optimiser.clear()
        part, metrics = self._gradients.compute(batch, draw)
        loss, norm = self._world.sum(part), self._optimiser.norm()
        rate = 0.0
        if bool(torch.isfinite(loss.float() + norm.float())):
            rate = self._optimiser.update(step, norm)
            self._tell(metrics)
            self._skips.passed()
        else:
            self._skips.skipped(step + 1, first_bad_place(self.learner, lambda: self._gradients.forward(batch, draw)))
        if not wanted:
            return {}
        values = {f"train/{name}": float(self._world.sum(value)) for name, value in metrics.items()}
        values |= {"train/loss": float(loss), "train/gradient_norm": float(norm), "train/learning_rate": rate}
        values["health/skipped_steps"] = self._skips.total
        if self._device.type == "cuda":
            values["perf/memory_gb"] = torch.cuda.max_memory_allocated(self._device) / 1e9
        return values

    def _tell(self, metrics: Metrics) -> None:
        """Tell the learner what it wants to know of the step that was made, as means over all ranks."""
        names = self.learner.observed
        if names:
            means = self._world.sum(torch.stack([metrics[name].float() for name in names]))
            self.learner.observe(dict(zip(names, means, strict=True)))

    def _validate(self, done: int, records: RunLog) -> dict[str, float]:
        """Loss, gates and exhibits on a fixed validation batch, by the weights that would be exported."""
        rows = min(max(self._training.batch, JUDGED), len(self._validation))
        while True:
            try:
                verdict, exhibits = self._judge(rows)
                break
            except torch.OutOfMemoryError:
                if rows < 4:
                    raise
            rows //= 2
            log.warning("out of memory at the validation: going on with %d rows", rows)
        self._verdict = verdict
        records.show(done, exhibits)
        return verdict.metrics

    def _judge(self, rows: int) -> tuple[Verdict, dict[str, Any]]:
        indices = sample_indices(stable_seed(self._training.seed, "validation"), 0, rows, len(self._validation))
        batch = self._to_device(self._validation.batch(indices))
        self.learner.eval()
        with torch.no_grad(), self._optimiser.averaged(), self._execution.autocast(self._device):
            loss, metrics = self.learner(batch, self._draw("validation", 0, rows))
            gates, exhibits = self.learner.gates(batch), self.learner.show(batch)
        values = {f"val/{name}": float(value) for name, value in metrics.items()} | {"val/loss": float(loss)}
        return Verdict(values | {f"health/{gate.name}": gate.value for gate in gates}, gates), exhibits

    def _save(self, done: int) -> None:
        if not self._world.is_main or self._saved == done:
            return
        begun = time.monotonic()
        values: dict[str, Any] = {
            "skips": self._skips.values(),
            "micro_batch": self._gradients.micro_batch,
            "device": self._device_name(),
        }
        if self._verdict and done == self._training.steps:
            values["verdict"] = self._verdict.values()
        weights = {f"learner/{name}": tensor for name, tensor in self.learner.state_dict().items()}
        self._checkpoints.save(done, weights | self._optimiser.tensors(), values)
        self._saved, self._save_seconds = done, time.monotonic() - begun

    def _resume(self) -> int:
        checkpoint = self._checkpoints.newest()
        if checkpoint is None:
            return 0
        weights: dict[str, Tensor] = {
            name.removeprefix("learner/"): tensor
            for name, tensor in checkpoint.tensors.items()
            if name.startswith("learner/")
        }
        try:
            self.learner.load_state_dict(weights)
            self._optimiser.restore(checkpoint.tensors)
        except (RuntimeError, KeyError) as error:
            raise ArtifactError(
                f"{self._checkpoints.path(checkpoint.step)}: does not fit the model, whose code has changed since; "
                f"delete {self._folder} to train anew ({error})"
            ) from error
        values = checkpoint.values
        self._skips, self._saved = Skips(values["skips"]), checkpoint.step
        if not self._execution.micro_batch and values["device"] == self._device_name():
            self._gradients.micro_batch = min(self._gradients.micro_batch, values["micro_batch"])
        if "verdict" in values:
            self._verdict = Verdict.from_values(values["verdict"])
        return checkpoint.step

    def _device_name(self) -> str:
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
